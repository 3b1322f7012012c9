// still logs: prints the log of a job and follows it.
#include <cstdio>
#include <filesystem>
#include <utility>

#include "cli/job_text.h"
#include "cli/log_lines.h"
#include "cli/registration.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "common/clock.h"
#include "common/storage/files.h"
#include "common/storage/mapped_file.h"
#include "common/storage/state_directory.h"

namespace still::cli {
namespace {

constexpr std::chrono::milliseconds kPeriod(500);

struct Options {
  ConnectionOptions connection;
  std::string job;
  bool follow = false;                // until the job ends
  std::optional<std::uint32_t> rank;  // none: lines of all ranks
  std::uint64_t tail = 0;             // number of last lines to begin with; 0: all
};

// Returns the bytes of a growing file after `*from` and moves `*from` to its end. Starts over when the file became
// shorter.
Result<std::string> ReadFrom(const std::string& path, std::uint64_t* from) {
  STILL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(path));
  if (size == *from) return std::string();
  STILL_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  if (file.bytes().size() < *from) *from = 0;
  const auto fresh = file.bytes().subspan(*from);
  *from += fresh.size();
  return std::string(reinterpret_cast<const char*>(fresh.data()), fresh.size());
}

// Says why the log of the job cannot be read here, or not yet.
Status NoLog(const v1::JobView& job) {
  const std::string name = fmt::format("job {} {}", job.id(), Escaped(job.name()));
  const std::string state = StateText(job) + (ReasonText(job).empty() ? "" : ": " + Escaped(ReasonText(job)));
  if (!job.ended() || job.log_path().empty())
    return Error(Code::kNotFound, "{} has no log{}: it is {}", name, job.ended() ? "" : " yet", state);
  const std::string attempt = std::filesystem::path(job.log_path()).parent_path();
  if (!Exists(attempt))
    return Error(Code::kNotFound, "the log of {} is not here: {} was removed or is on another machine", name, attempt);
  return Error(Code::kNotFound, "no rank of {} wrote a log: it is {}; see {} and `still show {}`", name, state,
               AttemptDirectory(attempt).AgentLog(), job.id());
}

// Returns INVALID_ARGUMENT when the job has no such rank.
Status CheckRank(const v1::JobView& job, std::uint32_t rank) {
  if (job.ranks() == 0 || rank < job.ranks()) return Ok();
  return Error(Code::kInvalidArgument, "job {} {} has no rank {}: it has {}", job.id(), Escaped(job.name()), rank,
               job.ranks() == 1 ? "rank 0 only" : fmt::format("{} ranks, 0 to {}", job.ranks(), job.ranks() - 1));
}

Status PrintLogs(const Options& options) {
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(options.connection));
  STILL_ASSIGN_OR_RETURN(const std::uint64_t id, FindJob(*client, options.job));
  STILL_ASSIGN_OR_RETURN(v1::View view, Ask(*client, {.view = v1::VIEW_KIND_JOB, .job = id}));
  LogLines lines(options.rank);
  std::uint64_t read = 0;
  bool begun = false, told_waiting = false;
  for (;;) {
    const bool ended = view.job().ended();  // asked before the log is read, so that the log is complete
    const Result<std::string> fresh =
        view.job().log_path().empty() ? Result<std::string>(NoLog(view.job())) : ReadFrom(view.job().log_path(), &read);
    const bool missing = fresh.status().code() == Code::kNotFound;
    const bool not_yet = missing && !ended && options.follow;
    if (not_yet && !told_waiting) fmt::print(stderr, "still: {}; waiting\n", NoLog(view.job()).message());
    told_waiting = told_waiting || not_yet;
    if (!not_yet) {
      STILL_RETURN_IF_ERROR(missing ? NoLog(view.job()) : fresh.status());
      std::string shown = lines.Add(*fresh);
      if (!begun && lines.MissesItsRank()) STILL_RETURN_IF_ERROR(CheckRank(view.job(), *options.rank));
      if (!begun) shown.erase(0, TailBegin(shown, options.tail));
      Print(shown);
      begun = true;
    }
    if (ended || !options.follow) break;
    Clock::System().SleepFor(kPeriod);
    // The log is a file, so it can be followed while the coordinator is away.
    Result<v1::View> next = Ask(*client, {.view = v1::VIEW_KIND_JOB, .job = id});
    if (next.ok()) {
      if (next->job().log_path() != view.job().log_path()) read = 0;  // a new attempt writes a new log
      view = std::move(*next);
    } else if (next.status().code() != Code::kUnavailable) {
      return next.status();
    }
  }
  Print(lines.Rest());
  if (lines.MissesItsRank())
    fmt::print(stderr, "still: rank {} of job {} {} has written nothing{}\n", *options.rank, id,
               Escaped(view.job().name()), view.job().ended() ? "" : " yet");
  if (options.follow)
    fmt::print(stderr, "still: job {} {} is {}\n", id, Escaped(view.job().name()), StateText(view.job()));
  return Ok();
}

void AddTo(CLI::App& app, Action& action) {
  const auto [logs, options] = AddCommand(app, "logs", "Print what the processes of a job wrote", action, &PrintLogs);
  AddJobArgument(logs, options.job)->required();
  logs->add_flag("-f,--follow", options.follow, "Go on until the job ends");
  AddOption(logs, "--rank", options.rank, "R", "Print the lines of this rank only");
  AddOption(logs, "--tail", options.tail, "N", "Begin with the last N lines");
  AddConnectionOptions(logs, options.connection);
}

const Registration kRegistration(/*place=*/60, &AddTo);

}  // namespace
}  // namespace still::cli

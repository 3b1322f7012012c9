#include "cli/logs_command.h"

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "cli/job_text.h"
#include "cli/text.h"
#include "common/clock.h"
#include "common/storage/files.h"
#include "coordinator/agent/attempt_directory.h"

namespace still::cli {
namespace {

using coordinator::CoordinatorClient;

constexpr std::chrono::milliseconds kPeriod(500);

void Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

// The rank that signed the line, if one did.
std::optional<std::uint32_t> Signer(std::string_view line) {
  constexpr std::string_view kMark = "/rank-";
  constexpr std::size_t kLongestSignature = 200;  // before it: time, level, stage
  const std::size_t at = line.substr(0, kLongestSignature).find(kMark);
  if (at == std::string_view::npos) return std::nullopt;
  std::uint32_t rank = 0;
  const char* begin = line.data() + at + kMark.size();
  const auto [end, error] = std::from_chars(begin, line.data() + line.size(), rank);
  if (error != std::errc() || end == line.data() + line.size() || *end != ':') return std::nullopt;
  return rank;
}

// Bytes [from, end) of a file that grows; all of it when it has become shorter.
Result<std::string> ReadFrom(const std::string& path, std::uint64_t* from) {
  STILL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(path));
  if (size == *from) return std::string();
  STILL_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  if (file.bytes().size() < *from) *from = 0;
  const auto fresh = file.bytes().subspan(*from);
  *from += fresh.size();
  return std::string(reinterpret_cast<const char*>(fresh.data()), fresh.size());
}

// A log that is not there, or not where we are.
Status NoLog(const v1::JobView& job) {
  const std::string name = fmt::format("job {} {}", job.id(), Escaped(job.name()));
  const std::string state = StateText(job) + (ReasonText(job).empty() ? "" : ": " + Escaped(ReasonText(job)));
  if (!HasEnded(job)) return Error(Code::kNotFound, "{} has no log yet: it is {}", name, state);
  if (job.log_path().empty()) return Error(Code::kNotFound, "{} has no log: it is {}", name, state);
  const std::string attempt = std::filesystem::path(job.log_path()).parent_path();
  if (!Exists(attempt))
    return Error(Code::kNotFound, "the log of {} is not here: {} was removed, or is on another machine", name, attempt);
  return Error(Code::kNotFound, "no rank of {} ever wrote: it is {}; see {} and `still show {}`", name, state,
               coordinator::AttemptLogPath(attempt), job.id());
}

// Of a rank that has written nothing: whether it is one at all.
Status CheckRank(const v1::JobView& job, std::uint32_t rank) {
  if (job.ranks() == 0 || rank < job.ranks()) return Ok();
  return Error(Code::kInvalidArgument, "job {} {} has no rank {}: it has {}", job.id(), Escaped(job.name()), rank,
               job.ranks() == 1 ? "rank 0 only" : fmt::format("{} ranks, 0 to {}", job.ranks(), job.ranks() - 1));
}

}  // namespace

bool LogLines::IsShown(std::string_view line) {
  if (!rank_) return true;
  if (const auto signer = Signer(line)) {
    shown_ = signer == rank_;
    (shown_ ? found_ : others_) = true;
  } else if (!found_ && !others_) {
    preface_ = true;
  }
  return shown_;
}

std::string LogLines::Take(std::string_view bytes) {
  unfinished_ += bytes;
  std::string shown;
  std::size_t begin = 0;
  for (std::size_t end; (end = unfinished_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string_view line = std::string_view(unfinished_).substr(begin, end - begin);
    if (IsShown(line)) shown += Escaped(line) + "\n";
  }
  unfinished_.erase(0, begin);
  return shown;
}

std::string LogLines::Rest() {
  const std::string line = std::exchange(unfinished_, "");
  return !line.empty() && IsShown(line) ? Escaped(line) + "\n" : "";
}

std::size_t TailBegin(std::string_view text, std::uint64_t lines) {
  if (lines == 0) return 0;
  std::size_t at = text.size();
  if (at > 0 && text[at - 1] == '\n') --at;  // ends the last line
  for (; at > 0; --at) {
    if (text[at - 1] == '\n' && --lines == 0) return at;
  }
  return 0;
}

Status LogsCommand(const LogsFlags& flags) {
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(flags.connection));
  STILL_ASSIGN_OR_RETURN(const std::uint64_t id, FindJob(*client, flags.job));
  STILL_ASSIGN_OR_RETURN(v1::View view, Ask(*client, {.view = v1::VIEW_KIND_JOB, .job = id}));
  LogLines lines(flags.rank);
  std::uint64_t read = 0;
  bool begun = false, told_waiting = false;
  for (;;) {
    const bool ended = HasEnded(view.job());  // asked before the log is read: what it wrote last is in it
    const Result<std::string> fresh =
        view.job().log_path().empty() ? Result<std::string>(NoLog(view.job())) : ReadFrom(view.job().log_path(), &read);
    const bool missing = fresh.status().code() == Code::kNotFound;
    const bool not_yet = missing && !ended && flags.follow;
    if (not_yet && !told_waiting) fmt::print(stderr, "still: {}; waiting\n", NoLog(view.job()).message());
    told_waiting = told_waiting || not_yet;
    if (!not_yet) {
      STILL_RETURN_IF_ERROR(missing ? NoLog(view.job()) : fresh.status());
      std::string shown = lines.Take(*fresh);
      if (!begun && lines.MissesItsRank()) STILL_RETURN_IF_ERROR(CheckRank(view.job(), *flags.rank));
      if (!begun) shown.erase(0, TailBegin(shown, flags.tail));
      Print(shown);
      begun = true;
    }
    if (ended || !flags.follow) break;
    Clock::System().SleepFor(kPeriod);
    // The log is a file: it is followed while the coordinator is away, too.
    Result<v1::View> next = Ask(*client, {.view = v1::VIEW_KIND_JOB, .job = id});
    if (next.ok()) {
      if (next->job().log_path() != view.job().log_path()) read = 0;  // another attempt, another log
      view = std::move(*next);
    } else if (next.status().code() != Code::kUnavailable) {
      return next.status();
    }
  }
  Print(lines.Rest());
  if (lines.MissesItsRank())
    fmt::print(stderr, "still: rank {} of job {} {} has written nothing{}\n", *flags.rank, id,
               Escaped(view.job().name()), HasEnded(view.job()) ? "" : " yet");
  if (flags.follow)
    fmt::print(stderr, "still: job {} {} is {}\n", id, Escaped(view.job().name()), StateText(view.job()));
  return Ok();
}

}  // namespace still::cli

#include "cli/view_commands.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/job_text.h"
#include "cli/table.h"
#include "cli/top_text.h"
#include "common/clock.h"
#include "coordinator/views/view_json.h"

namespace still::cli {
namespace {

using coordinator::CoordinatorClient;

constexpr std::chrono::milliseconds kPeriod(1000);

void Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

Status PrintView(CoordinatorClient& client, const ViewQuery& query, bool json,
                 std::string (*text_of)(const v1::View&)) {
  STILL_ASSIGN_OR_RETURN(const v1::View view, Ask(client, query));
  Print(json ? coordinator::ViewJson(view) + "\n" : text_of(view));
  return Ok();
}

winsize SizeOfTerminal() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) size = {.ws_row = 24, .ws_col = 80};
  return size;
}

// Rows are to fit on a terminal, where `still why` and `still show` tell the rest; elsewhere they are whole.
template <std::string (*kText)(const v1::View&, std::size_t)>
std::string ToFit(const v1::View& view) {
  return kText(view, isatty(STDOUT_FILENO) == 0 ? 0 : SizeOfTerminal().ws_col);
}

Status PrintWhole(const ViewFlags& flags, v1::ViewKind view, std::string (*text_of)(const v1::View&)) {
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(flags.connection));
  return PrintView(*client, {.view = view, .limit = flags.limit}, flags.json, text_of);
}

Status PrintOfJob(const ViewFlags& flags, v1::ViewKind view, std::string (*text_of)(const v1::View&)) {
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(flags.connection));
  STILL_ASSIGN_OR_RETURN(const std::uint64_t job, FindJob(*client, flags.job));
  return PrintView(*client, {.view = view, .job = job}, flags.json, text_of);
}

// Prints the events of the view, one JSON object per line.
void PrintEventsAsJson(const v1::View& view) {
  for (const v1::EventView& event : view.events()) Print(coordinator::EventJson(event) + "\n");
}

}  // namespace

Status QueueCommand(const ViewFlags& flags) { return PrintWhole(flags, v1::VIEW_KIND_QUEUE, &ToFit<QueueText>); }
Status HistoryCommand(const ViewFlags& flags) { return PrintWhole(flags, v1::VIEW_KIND_HISTORY, &ToFit<HistoryText>); }
Status NodesCommand(const ViewFlags& flags) { return PrintWhole(flags, v1::VIEW_KIND_NODES, &ToFit<NodesText>); }
Status WhyCommand(const ViewFlags& flags) { return PrintOfJob(flags, v1::VIEW_KIND_WHY, &WhyText); }
Status ShowCommand(const ViewFlags& flags) { return PrintOfJob(flags, v1::VIEW_KIND_JOB, &ShowText); }

Status EventsCommand(const ViewFlags& flags) {
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(flags.connection));
  ViewQuery query{.view = v1::VIEW_KIND_EVENTS, .limit = flags.limit};
  if (!flags.job.empty()) {
    STILL_ASSIGN_OR_RETURN(query.job, FindJob(*client, flags.job));
  }
  if (!flags.follow && flags.json) {
    STILL_ASSIGN_OR_RETURN(const v1::View view, Ask(*client, query));
    Print(coordinator::ViewJson(view) + "\n");
    return Ok();
  }
  for (bool lost = false;; Clock::System().SleepFor(kPeriod)) {
    const Result<v1::View> answer = Ask(*client, query);
    if (flags.follow && answer.status().code() == Code::kUnavailable) {  // it may come back: nothing is missed
      if (!lost) fmt::print(stderr, "still: {}; waiting for it\n", answer.status().message());
      lost = true;
      continue;
    }
    STILL_RETURN_IF_ERROR(answer.status());
    lost = false;
    const v1::View& view = *answer;
    if (flags.json) {
      PrintEventsAsJson(view);
    } else {
      Print(EventsText(view.events()));
    }
    for (const v1::EventView& event : view.events()) query.after = std::max(query.after, event.sequence());
    if (!flags.follow) return Ok();
    query.limit = kAllRows;
  }
}

Status TopCommand(const ViewFlags& flags) {
  if (flags.json || flags.once || isatty(STDOUT_FILENO) == 0) return PrintWhole(flags, v1::VIEW_KIND_TOP, &TopText);
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(flags.connection));
  std::string trouble;
  for (std::string picture;; Clock::System().SleepFor(kPeriod)) {
    const Result<v1::View> view = Ask(*client, {.view = v1::VIEW_KIND_TOP});
    if (view.ok()) {
      picture = TopText(*view);
    } else if (picture.empty() || view.status().code() != Code::kUnavailable) {
      return view.status();
    }
    const winsize size = SizeOfTerminal();
    // The last picture stays while the coordinator is away, under a line that says so.
    Print(Redrawn(view.ok() ? picture : view.status().message() + "\n" + picture, size.ws_col, size.ws_row));
  }
}

}  // namespace still::cli

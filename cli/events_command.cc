// still events: lists what happened to jobs and hosts, and follows what happens next.
#include <algorithm>
#include <cstdio>

#include "cli/job_text.h"
#include "cli/registration.h"
#include "cli/terminal.h"
#include "common/clock.h"
#include "coordinator/views/view_json.h"

namespace still::cli {
namespace {

constexpr std::chrono::milliseconds kPeriod(1000);

struct Options {
  ConnectionOptions connection;
  std::string job;          // empty: all jobs and hosts
  std::uint32_t limit = 0;  // 0: as many events as the coordinator gives
  bool follow = false;
  bool json = false;
};

// Prints the events of the view, one JSON object per line.
void PrintEventsAsJson(const v1::View& view) {
  for (const v1::EventView& event : view.events()) Print(coordinator::EventJson(event) + "\n");
}

Status ListEvents(const Options& options) {
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(options.connection));
  ViewQuery query{.view = v1::VIEW_KIND_EVENTS, .limit = options.limit};
  if (!options.job.empty()) {
    STILL_ASSIGN_OR_RETURN(query.job, FindJob(*client, options.job));
  }
  if (!options.follow && options.json) {
    STILL_ASSIGN_OR_RETURN(const v1::View view, Ask(*client, query));
    Print(coordinator::ViewJson(view) + "\n");
    return Ok();
  }
  for (bool lost = false;; Clock::System().SleepFor(kPeriod)) {
    const Result<v1::View> answer = Ask(*client, query);
    if (options.follow && answer.status().code() == Code::kUnavailable) {
      // The next answer begins after the last printed event, so that none is missed.
      if (!lost) fmt::print(stderr, "still: {}; waiting for the coordinator\n", answer.status().message());
      lost = true;
      continue;
    }
    STILL_RETURN_IF_ERROR(answer.status());
    lost = false;
    const v1::View& view = *answer;
    if (options.json) {
      PrintEventsAsJson(view);
    } else {
      Print(EventsText(view.events()));
    }
    for (const v1::EventView& event : view.events()) query.after = std::max(query.after, event.sequence());
    if (!options.follow) return Ok();
    query.limit = kAllRows;
  }
}

void AddTo(CLI::App& app, Action& action) {
  const auto [events, options] = AddCommand(app, "events", "List what happened to jobs and hosts", action, &ListEvents);
  AddJobArgument(events, options.job);
  events->add_flag("-f,--follow", options.follow,
                   "Go on with what happens next; with --json, print one object per line");
  AddOption(events, "--limit", options.limit, "N", "Number of events at most");
  AddJsonFlag(events, options.json);
  AddConnectionOptions(events, options.connection);
}

const Registration kRegistration(/*place=*/40, &AddTo);

}  // namespace
}  // namespace still::cli

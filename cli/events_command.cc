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

std::string TextOf(const v1::View& view) { return EventsText(view.events()); }

// Prints what happens after the events that `query` gives, from one answer to the next. Never ends by itself: a
// coordinator that is away is waited for, and then missed events are asked for.
Status FollowEvents(coordinator::CoordinatorClient& client, ViewQuery query, bool json) {
  for (bool lost = false;; Clock::System().SleepFor(kPeriod)) {
    const Result<v1::View> view = Ask(client, query);
    if (view.status().code() == Code::kUnavailable) {
      if (!lost) fmt::print(stderr, "still: {}; waiting for the coordinator\n", view.status().message());
      lost = true;
      continue;
    }
    STILL_RETURN_IF_ERROR(view.status());
    lost = false;
    for (const v1::EventView& event : view->events()) {
      if (json) Print(coordinator::EventJson(event) + "\n");
      query.after = std::max(query.after, event.sequence());
    }
    if (!json) Print(TextOf(*view));
    query.limit = kAllRows;
  }
}

Status ListEvents(const Options& options) {
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(options.connection));
  ViewQuery query{.view = v1::VIEW_KIND_EVENTS, .limit = options.limit};
  if (!options.job.empty()) {
    STILL_ASSIGN_OR_RETURN(query.job, FindJob(*client, options.job));
  }
  if (options.follow) return FollowEvents(*client, query, options.json);
  return PrintView(*client, query, options.json, &TextOf);
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

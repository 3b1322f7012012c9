// still events: lists what happened to jobs and hosts, and follows what happens next.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/job_text.h"
#include "cli/registration.h"
#include "cli/terminal.h"
#include "common/clock.h"

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

// Prints the events of the answer, one JSON object per line.
void PrintEventsAsJson(const std::string& answer) {
  const nlohmann::json view = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!view.is_object() || !view.contains("events")) return;
  for (const nlohmann::json& event : view["events"]) Print(event.dump() + "\n");
}

Status ListEvents(const Options& options) {
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(options.connection));
  ViewQuery query{.view = "events", .limit = options.limit};
  if (!options.job.empty()) {
    STILL_ASSIGN_OR_RETURN(query.job, FindJob(*client, options.job));
  }
  if (!options.follow && options.json) {
    STILL_ASSIGN_OR_RETURN(const std::string answer, AskJson(*client, query));
    Print(answer + "\n");
    return Ok();
  }
  for (bool lost = false;; Clock::System().SleepFor(kPeriod)) {
    const Result<std::string> answer = AskJson(*client, query);
    if (options.follow && answer.status().code() == Code::kUnavailable) {
      // The next answer begins after the last printed event, so that none is missed.
      if (!lost) fmt::print(stderr, "still: {}; waiting for the coordinator\n", answer.status().message());
      lost = true;
      continue;
    }
    STILL_RETURN_IF_ERROR(answer.status());
    lost = false;
    STILL_ASSIGN_OR_RETURN(const View view, ParseView(*answer));
    if (options.json) {
      PrintEventsAsJson(*answer);
    } else {
      Print(EventsText(view.events));
    }
    for (const EventRow& event : view.events) query.after = std::max(query.after, event.sequence);
    if (!options.follow) return Ok();
    query.limit = kAllRows;
  }
}

}  // namespace

void RegisterEventsCommand(CLI::App& app, Action& action) {
  const auto [events, options] = AddCommand(app, "events", "List what happened to jobs and hosts", action, &ListEvents);
  AddJobArgument(events, options.job);
  events->add_flag("-f,--follow", options.follow,
                   "Go on with what happens next; with --json, print one object per line");
  AddOption(events, "--limit", options.limit, "N", "Number of events at most");
  AddJsonFlag(events, options.json);
  AddConnectionOptions(events, options.connection);
}

}  // namespace still::cli

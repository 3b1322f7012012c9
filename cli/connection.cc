#include "cli/connection.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "cli/terminal.h"
#include "cli/text.h"
#include "common/clock.h"
#include "common/rpc/keys.h"
#include "common/storage/state_directory.h"
#include "coordinator/jobs/names.h"
#include "coordinator/views/view_json.h"

namespace still::cli {
namespace {

using coordinator::CoordinatorClient;

// Returns the names among `jobs` that `text` may mean.
std::vector<std::string> NamesAmong(const google::protobuf::RepeatedPtrField<v1::JobView>& jobs,
                                    const std::string& text) {
  std::vector<std::string> names;
  for (const v1::JobView& job : jobs) names.push_back(job.name());
  return coordinator::NamesMeant(text, names);
}

Status Ambiguous(const std::string& text, const std::vector<std::string>& candidates) {
  return Error(Code::kInvalidArgument, "'{}' may mean {}; give the whole name or the id", Escaped(text),
               Escaped(fmt::format("{}", fmt::join(candidates, ", "))));
}

}  // namespace

Result<std::unique_ptr<CoordinatorClient>> ConnectToCoordinator(const ConnectionOptions& options) {
  STILL_ASSIGN_OR_RETURN(const std::string endpoint, FindCoordinator(options.coordinator, options.state));
  STILL_ASSIGN_OR_RETURN(const std::optional<RpcClientKeys> keys, FindClientKeys(options.keys, options.state));
  return CoordinatorClient::Connect({.endpoint = endpoint, .user = coordinator::UserName(), .keys = keys},
                                    Clock::System());
}

Result<v1::View> Ask(CoordinatorClient& client, const ViewQuery& asked) {
  v1::Query query;
  query.set_view(asked.view);
  query.set_job(asked.job);
  query.set_pipeline(asked.pipeline);
  query.set_after(asked.after);
  query.set_limit(asked.limit);
  return client.View(query);
}

Status PrintView(CoordinatorClient& client, const ViewQuery& query, bool json,
                 std::string (*text_of)(const v1::View&)) {
  STILL_ASSIGN_OR_RETURN(const v1::View view, Ask(client, query));
  Print(json ? coordinator::ViewJson(view) + "\n" : text_of(view));
  return Ok();
}

Result<std::uint64_t> ChooseJob(const std::string& text, const google::protobuf::RepeatedPtrField<v1::JobView>& live,
                                const google::protobuf::RepeatedPtrField<v1::JobView>& ended) {
  for (const auto* jobs : {&live, &ended}) {
    const std::vector<std::string> names = NamesAmong(*jobs, text);
    if (names.empty()) continue;
    if (names.size() > 1) return Ambiguous(text, names);
    std::vector<std::uint64_t> ids;
    for (const v1::JobView& job : *jobs) {
      if (job.name() == names[0]) ids.push_back(job.id());
    }
    if (jobs == &ended) return *std::ranges::max_element(ids);
    if (ids.size() == 1) return ids[0];
    std::vector<std::string> candidates;
    for (const std::uint64_t id : ids) candidates.push_back(fmt::format("job {}", id));
    return Ambiguous(text, candidates);
  }
  return coordinator::NoSuchJob(fmt::format("'{}'", Escaped(text)));
}

Result<std::uint64_t> FindJob(CoordinatorClient& client, const std::string& text) {
  if (const auto id = coordinator::JobIdIn(text)) return *id;
  STILL_ASSIGN_OR_RETURN(const v1::View queue, Ask(client, {.view = v1::VIEW_KIND_QUEUE}));
  if (!NamesAmong(queue.jobs(), text).empty()) return ChooseJob(text, queue.jobs(), {});
  STILL_ASSIGN_OR_RETURN(const v1::View history, Ask(client, {.view = v1::VIEW_KIND_HISTORY, .limit = kAllRows}));
  return ChooseJob(text, queue.jobs(), history.jobs());
}

Result<std::uint64_t> FindPipeline(CoordinatorClient& client, const std::string& text) {
  if (const auto id = coordinator::JobIdIn(text)) return *id;
  for (const v1::ViewKind kind : {v1::VIEW_KIND_QUEUE, v1::VIEW_KIND_HISTORY}) {
    STILL_ASSIGN_OR_RETURN(const v1::View view, Ask(client, {.view = kind, .limit = kAllRows}));
    std::uint64_t newest = 0;
    for (const v1::JobView& job : view.jobs()) {
      if (job.pipeline_name() == text) newest = std::max(newest, job.pipeline());
    }
    if (newest != 0) return newest;
  }
  return Error(Code::kNotFound,
               "there is no pipeline '{}'; in `still queue` and `still history` a job's name begins with its pipeline",
               Escaped(text));
}

}  // namespace still::cli

#include "cli/connection.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>

#include "cli/text.h"
#include "common/clock.h"
#include "common/rpc/keys.h"
#include "coordinator/client/state_directory.h"
#include "coordinator/jobs/names.h"

namespace still::cli {
namespace {

using coordinator::CoordinatorClient;

// The names among `jobs` that `text` may mean.
std::vector<std::string> NamesAmong(const google::protobuf::RepeatedPtrField<v1::JobView>& jobs,
                                    const std::string& text) {
  std::vector<std::string> names;
  for (const v1::JobView& job : jobs) names.push_back(job.name());
  return coordinator::NamesMeant(text, names);
}

Status SeveralMeant(const std::string& text, const std::vector<std::string>& candidates) {
  return Error(Code::kInvalidArgument, "'{}' could be {}; give the whole name or the id", Escaped(text),
               Escaped(fmt::format("{}", fmt::join(candidates, ", "))));
}

}  // namespace

Result<std::unique_ptr<CoordinatorClient>> ConnectToCoordinator(const ConnectionFlags& flags) {
  STILL_ASSIGN_OR_RETURN(const std::string endpoint, coordinator::FindCoordinator(flags.coordinator, flags.state));
  STILL_ASSIGN_OR_RETURN(const std::optional<RpcClientKeys> keys, FindClientKeys(flags.keys, flags.state));
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

Result<std::uint64_t> ChooseJob(const std::string& text, const google::protobuf::RepeatedPtrField<v1::JobView>& live,
                                const google::protobuf::RepeatedPtrField<v1::JobView>& ended) {
  for (const auto* jobs : {&live, &ended}) {
    const std::vector<std::string> names = NamesAmong(*jobs, text);
    if (names.empty()) continue;
    if (names.size() > 1) return SeveralMeant(text, names);
    std::vector<std::uint64_t> ids;
    for (const v1::JobView& job : *jobs) {
      if (job.name() == names[0]) ids.push_back(job.id());
    }
    if (jobs == &ended) return *std::ranges::max_element(ids);
    if (ids.size() == 1) return ids[0];
    std::vector<std::string> candidates;
    for (const std::uint64_t id : ids) candidates.push_back(fmt::format("job {}", id));
    return SeveralMeant(text, candidates);
  }
  return Error(Code::kNotFound, "no job '{}': `still queue` and `still history` list them", Escaped(text));
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
      if (job.name().starts_with(text + "/")) newest = std::max(newest, job.pipeline());
    }
    if (newest != 0) return newest;
  }
  return Error(Code::kNotFound, "no pipeline '{}': the jobs of `still queue` and `still history` begin with its name",
               Escaped(text));
}

}  // namespace still::cli

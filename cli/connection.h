// How commands reach the coordinator, and what they ask it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/proto/view.pb.h"
#include "common/status.h"
#include "common/vocabulary.h"
#include "coordinator/client/client.h"

namespace still::cli {

struct ConnectionFlags {
  std::string coordinator;  // endpoint; empty: see FindCoordinator
  std::string state;        // directory; empty: DefaultStateDirectory
  std::string keys;         // directory; empty: see FindClientKeys
};

Result<std::unique_ptr<coordinator::CoordinatorClient>> ConnectToCoordinator(const ConnectionFlags& flags);

// More than a coordinator lists.
inline constexpr std::uint32_t kAllRows = 10'000;

struct ViewQuery {
  v1::ViewKind view = v1::VIEW_KIND_UNSPECIFIED;
  std::uint64_t job = 0;
  std::uint64_t pipeline = 0;
  std::uint64_t after = 0;
  std::uint32_t limit = 0;
};
Result<v1::View> Ask(coordinator::CoordinatorClient& client, const ViewQuery& query);

// The job meant by `text`: an id, a name, or the end of one from a '/' on ("no-mlm/train"). Among jobs of one name
// those that have not ended come first, then the newest. NOT_FOUND, or INVALID_ARGUMENT when several could be meant.
Result<std::uint64_t> FindJob(coordinator::CoordinatorClient& client, const std::string& text);
// The pipeline meant by `text`: an id, or a name, that its jobs' names begin with; of several the newest.
Result<std::uint64_t> FindPipeline(coordinator::CoordinatorClient& client, const std::string& text);

// The choice FindJob makes. Pure.
Result<std::uint64_t> ChooseJob(const std::string& text, const google::protobuf::RepeatedPtrField<v1::JobView>& live,
                                const google::protobuf::RepeatedPtrField<v1::JobView>& ended);

}  // namespace still::cli

// Connects commands to the coordinator, asks it for views, and finds jobs by their names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/enum_words.h"
#include "common/proto/view.pb.h"
#include "common/status.h"
#include "coordinator/client/client.h"

namespace still::cli {

// Options of every command that talks to the coordinator.
struct ConnectionOptions {
  std::string coordinator;  // endpoint; empty: see FindCoordinator
  std::string state;        // directory; empty: see DefaultStateDirectory
  std::string keys;         // directory; empty: see FindClientKeys
};

// Returns UNAVAILABLE, with what to do, when no coordinator is known or none answers.
Result<std::unique_ptr<coordinator::CoordinatorClient>> ConnectToCoordinator(const ConnectionOptions& options);

// A limit above the number of rows that any coordinator lists.
inline constexpr std::uint32_t kAllRows = 10'000;

// A request for one view. A field of 0 leaves the choice to the coordinator.
struct ViewQuery {
  v1::ViewKind view = v1::VIEW_KIND_UNSPECIFIED;
  std::uint64_t job = 0;
  std::uint64_t pipeline = 0;
  std::uint64_t after = 0;  // events after this sequence number
  std::uint32_t limit = 0;
};
Result<v1::View> Ask(coordinator::CoordinatorClient& client, const ViewQuery& query);

// Prints the view as `text_of` writes it, or with `json` as the coordinator sent it.
Status PrintView(coordinator::CoordinatorClient& client, const ViewQuery& query, bool json,
                 std::string (*text_of)(const v1::View&));

// Returns the id of the job that `text` means: an id, a name, or the end of a name from a '/' on ("no-mlm/train").
// Among jobs of one name, live jobs come first, then the newest ended one. Returns NOT_FOUND for none, and
// INVALID_ARGUMENT for several.
Result<std::uint64_t> FindJob(coordinator::CoordinatorClient& client, const std::string& text);

// Returns the id of the pipeline that `text` means: an id, or the name with which its jobs' names begin. The newest
// pipeline of that name wins.
Result<std::uint64_t> FindPipeline(coordinator::CoordinatorClient& client, const std::string& text);

// Makes the choice of FindJob. Pure.
Result<std::uint64_t> ChooseJob(const std::string& text, const google::protobuf::RepeatedPtrField<v1::JobView>& live,
                                const google::protobuf::RepeatedPtrField<v1::JobView>& ended);

}  // namespace still::cli

// What the server of a launch and its protocol share: who is a member and as which generation, what ranks said of the
// end, where they were last seen, and who has trouble with storage. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/proto/control.pb.h"
#include "common/rpc/rpc.h"
#include "common/status.h"
#include "coordinator/launch/generation_end.h"
#include "coordinator/launch/launch_options.h"
#include "coordinator/launch/membership.h"
#include "coordinator/launch/phase_times.h"
#include "coordinator/launch/rank_sightings.h"
#include "coordinator/launch/stage_results.h"

namespace still::coordinator {

class LaunchState {
 public:
  // `clock` and `rpc` outlive it.
  LaunchState(LaunchOptions options, const Clock& clock, RpcServer& rpc);

  // Sends `envelope` to `peer` in the name of the current generation.
  Status Reply(const std::string& peer, v1::Envelope* envelope);
  // Records a failure that was found here, which no rank knows of. The server then asks mpirun to end.
  void Fail(Status failure);
  // Journals that `survivors` continue without `dead`, and returns the generation that they continue as. `lost_host` is
  // empty when no host was lost. On an error nothing has changed.
  Result<std::uint64_t> Reconfigure(const std::set<std::uint32_t>& survivors, const std::vector<std::uint32_t>& dead,
                                    const v1::Death& death, const std::string& lost_host);
  // Records that `source` has trouble with storage; an empty text ends it. Observers hear when the first source has
  // trouble and when the last one has none any more.
  void RecordStorageTrouble(const std::string& source, const std::string& trouble);
  // Returns whether nothing more is worth waiting for.
  bool Ending() const { return results.Settled(membership.members()); }
  // Returns the record of a generation that ends now.
  GenerationEnd EndOf(const Status& outcome) const;

  const LaunchOptions options;
  const Clock& clock;
  Membership membership;
  StageResults results;
  RankSightings sightings;
  PhaseTimes phase_times;
  bool end_requested = false;  // a failure found here that mpirun was not asked to end for yet

 private:
  RpcServer& rpc_;
  Clock::TimePoint generation_since_;
  std::map<std::string, std::string> storage_troubles_;  // by source
};

// Returns the name of a rank as a source of trouble.
std::string RankSource(std::uint32_t rank);

}  // namespace still::coordinator

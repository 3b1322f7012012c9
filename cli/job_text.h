// The coordinator's views as text for people: `still queue`, `history`, `nodes`, `events`, `why`, `show`.
// Times are relative to the view's own clock. What jobs are called and say is escaped for terminals.
#pragma once

#include <string>
#include <vector>

#include "common/proto/view.pb.h"
#include "common/vocabulary.h"

namespace still::cli {

std::string QueueText(const v1::View& view, std::size_t columns = 0);
std::string HistoryText(const v1::View& view, std::size_t columns = 0);
std::string NodesText(const v1::View& view, std::size_t columns = 0);
std::string EventsText(const google::protobuf::RepeatedPtrField<v1::EventView>& events);
std::string WhyText(const v1::View& view);
std::string ShowText(const v1::View& view);

// Parts of the above, for others.
bool HasEnded(const v1::JobView& job);
std::string HostsText(const v1::JobView& job);     // "a:2 b:1"; empty before it ran
std::string StateText(const v1::JobView& job);     // "RUNNING, STRAGGLING"
std::string ProgressText(const v1::JobView& job);  // "123/400 steps, 31 %"; empty before the first report
// Why it waits or recovers, or what is wrong with it; never empty for a job that waits.
std::string ReasonText(const v1::JobView& job);
// A line about the coordinator's own disk; empty when it is well.
std::string StorageText(const v1::View& view);
// "compute 93.1 %, reduce 4.0 %", the largest share first; empty without numbers.
std::string GoodputText(const v1::JobView& job);
// "compute 3, reduce 1", in the order of the ranks; empty without ranks.
std::string PhasesText(const v1::JobView& job);

}  // namespace still::cli

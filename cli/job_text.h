// The coordinator's views as text for people: `still queue`, `history`, `nodes`, `events`, `why`, `show`.
// Times are relative to the coordinator's clock. Names and messages of jobs are escaped for terminals. `columns` is the
// width of the terminal, or 0 for lines of any length.
#pragma once

#include <string>

#include "common/enum_words.h"
#include "common/proto/view.pb.h"

namespace still::cli {

std::string QueueText(const v1::View& view, std::size_t columns = 0);
std::string HistoryText(const v1::View& view, std::size_t columns = 0);
std::string NodesText(const v1::View& view, std::size_t columns = 0);
std::string EventsText(const google::protobuf::RepeatedPtrField<v1::EventView>& events);
std::string WhyText(const v1::View& view);
std::string ShowText(const v1::View& view);

// Parts of the texts above, for other commands.
std::string HostsText(const v1::JobView& job);     // "a:2 b:1"; empty before it ran
std::string StateText(const v1::JobView& job);     // "RUNNING, STRAGGLING"
std::string ProgressText(const v1::JobView& job);  // "123/400 steps, 31 %"; empty before the first report
std::string RateText(const v1::JobView& job);      // "12,345" tokens per second; empty when not known
std::string LeftText(const v1::JobView& job);      // "3:07 min"; empty when not known
// Returns the coordinator's reason why the job waits, or what is wrong with it. For a job that starts without trouble,
// says that its ranks are being launched. Empty when there is nothing to say.
std::string ReasonText(const v1::JobView& job);
// Returns a line about the trouble with the coordinator's own disk, or "" without trouble.
std::string StorageText(const v1::View& view);
// Returns "compute 93.1 %, reduce 4.0 %" with the largest share first, or "" without numbers.
std::string GoodputText(const v1::JobView& job);
// Returns "compute 3, reduce 1" in the order of the ranks, or "" without ranks.
std::string PhasesText(const v1::JobView& job);

}  // namespace still::cli

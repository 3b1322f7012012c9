// The coordinator's views as text for people: `still queue`, `history`, `nodes`, `events`, `why`, `show`.
// Times are relative to the view's own clock. What jobs are called and say is escaped for terminals.
#pragma once

#include <string>
#include <vector>

#include "cli/view_rows.h"

namespace still::cli {

std::string QueueText(const View& view, std::size_t columns = 0);
std::string HistoryText(const View& view, std::size_t columns = 0);
std::string NodesText(const View& view, std::size_t columns = 0);
std::string EventsText(const std::vector<EventRow>& events);
std::string WhyText(const View& view);
std::string ShowText(const View& view);

// Parts of the above, for others.
std::string StateText(const JobRow& job);     // "RUNNING, STRAGGLING"
std::string ProgressText(const JobRow& job);  // "123/400 steps, 31 %"; empty before the first report
// Why it waits or recovers, or what is wrong with it; never empty for a job that waits.
std::string ReasonText(const JobRow& job);
// A line about the coordinator's own disk; empty when it is well.
std::string StorageText(const View& view);
// "compute 93.1 %, reduce 4.0 %", the largest share first; empty without numbers.
std::string GoodputText(const JobRow& job);
// "compute 3, reduce 1", in the order of the ranks; empty without ranks.
std::string PhasesText(const JobRow& job);

}  // namespace still::cli

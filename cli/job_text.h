// The coordinator's views as text for people: `still queue`, `history`, `nodes`, `events`, `why`, `show`.
// Times are relative to the coordinator's clock. Names and messages of jobs are escaped for terminals. `columns` is the
// width of the terminal, or 0 for lines of any length.
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

// Parts of the texts above, for other commands.
std::string StateText(const JobRow& job);     // "RUNNING, STRAGGLING"
std::string ProgressText(const JobRow& job);  // "123/400 steps, 31 %"; empty before the first report
std::string RateText(const JobRow& job);      // "12,345" tokens per second; empty when not known
std::string LeftText(const JobRow& job);      // "3:07 min"; empty when not known
// Returns why the job waits or recovers, or what is wrong with it. Never empty for a job that waits.
std::string ReasonText(const JobRow& job);
// Returns a line about the trouble with the coordinator's own disk, or "" without trouble.
std::string StorageText(const View& view);
// Returns "compute 93.1 %, reduce 4.0 %" with the largest share first, or "" without numbers.
std::string GoodputText(const JobRow& job);
// Returns "compute 3, reduce 1" in the order of the ranks, or "" without ranks.
std::string PhasesText(const JobRow& job);

}  // namespace still::cli

#include "cli/top_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "cli/job_text.h"
#include "cli/table.h"
#include "cli/text.h"

namespace still::cli {
namespace {

constexpr int kBarColumns = 16;

// Returns true for a job that has ranks or will soon have them.
bool IsActive(const v1::JobView& job) {
  return job.state() != v1::JOB_PENDING && job.state() != v1::JOB_HELD && job.state() != v1::JOB_RECOVERING;
}

std::string Bar(const v1::JobView& job) {
  if (!job.has_progress() || job.progress().total() == 0) return "";
  return BarText(ShareOf(job.progress().done(), job.progress().total()), kBarColumns);
}

std::string HeadLine(const v1::View& view) {
  const auto active = std::ranges::count_if(view.jobs(), IsActive);
  std::uint64_t slots = 0, free = 0, up = 0;
  double tokens_per_second = 0;
  for (const v1::HostView& host : view.hosts()) {
    slots += host.slots();
    free += std::min(host.free(), host.slots());
    up += host.state() == v1::HOST_STATE_UP ? 1 : 0;
  }
  for (const v1::JobView& job : view.jobs())
    tokens_per_second += job.has_progress() ? job.progress().tokens_per_second() : 0;
  return fmt::format("stillhouse  {} UTC  {} active, {} waiting  {}/{} hosts up, {}/{} slots in use  {} tokens/s\n",
                     DateText(view.now_ms()), active,
                     static_cast<std::size_t>(view.jobs_size()) - static_cast<std::size_t>(active), up,
                     view.hosts().size(), slots - free, slots,
                     WithThousands(static_cast<std::uint64_t>(std::clamp(tokens_per_second, 0.0, 1e18))));
}

std::string ActiveText(const v1::View& view) {
  Table table({{"ID", Align::kRight},
               {"NAME"},
               {"STATE"},
               {""},
               {"PROGRESS"},
               {"TOKENS/S", Align::kRight},
               {"LOSS", Align::kRight},
               {"LEFT", Align::kRight},
               {"HOSTS"}});
  std::vector<const v1::JobView*> active;
  for (const v1::JobView& job : view.jobs()) {
    if (!IsActive(job)) continue;
    active.push_back(&job);
    const auto loss = job.values().find("loss");
    table.Add({fmt::to_string(job.id()), job.name(), StateText(job), Bar(job), ProgressText(job), RateText(job),
               loss == job.values().end() || !std::isfinite(loss->second) ? "" : fmt::format("{:.4g}", loss->second),
               LeftText(job), HostsText(job)});
  }
  if (active.empty()) return "";
  // Puts below each job's line what its ranks do, where its time went and what is wrong.
  std::string text, rest = table.Text();
  const auto move_line = [&] {
    const std::size_t end = rest.find('\n') + 1;
    text += rest.substr(0, end);
    rest.erase(0, end);
  };
  move_line();
  for (const v1::JobView* job : active) {
    move_line();
    const std::string phases = PhasesText(*job), goodput = GoodputText(*job), reason = ReasonText(*job);
    if (!phases.empty()) text += fmt::format("      ranks    {}\n", Escaped(phases));
    if (!goodput.empty()) text += fmt::format("      goodput  {}\n", Escaped(goodput));
    if (!reason.empty()) text += fmt::format("      reason   {}\n", Escaped(reason));
  }
  return text + "\n";
}

std::string WaitingText(const v1::View& view) {
  Table table({{"ID", Align::kRight}, {"NAME"}, {"STATE"}, {"START"}, {"REASON"}});
  for (const v1::JobView& job : view.jobs()) {
    if (!IsActive(job))
      table.Add({fmt::to_string(job.id()), job.name(), StateText(job),
                 RelativeText(job.predicted_start_ms(), view.now_ms()), ReasonText(job)});
  }
  return table.empty() ? "" : table.Text() + "\n";
}

}  // namespace

std::string TopText(const v1::View& view) {
  return HeadLine(view) + StorageText(view) + "\n" + ActiveText(view) + WaitingText(view) + NodesText(view);
}

std::string Redrawn(const std::string& picture, std::size_t columns, std::size_t rows) {
  std::string text = "\x1b[H";  // the upper left corner
  std::size_t begin = 0;
  for (std::size_t row = 0; row + 1 < rows && begin < picture.size(); ++row) {
    const std::size_t end = std::min(picture.find('\n', begin), picture.size());
    text += Clipped(std::string_view(picture).substr(begin, end - begin), columns) + "\x1b[K\n";
    begin = end + 1;
  }
  return text + "\x1b[J";
}

}  // namespace still::cli

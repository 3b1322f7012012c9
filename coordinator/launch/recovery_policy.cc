#include "coordinator/launch/recovery_policy.h"

#include <algorithm>
#include <optional>

namespace still::coordinator {
namespace {

constexpr std::chrono::milliseconds kFirstBackoff{1000};
constexpr std::chrono::milliseconds kLongestBackoff{30'000};

// 0, 1 s, 2 s, 4 s, ...
std::chrono::milliseconds Backoff(std::uint32_t deaths) {
  if (deaths <= 1) return std::chrono::milliseconds(0);
  return std::min(kLongestBackoff, kFirstBackoff * (1 << std::min(deaths - 2, 10U)));
}

// One line each, oldest first.
std::string Evidence(std::span<const GenerationEnd> ends) {
  std::string lines;
  for (const GenerationEnd& end : ends)
    lines +=
        fmt::format("\n  generation {}, {:.1f} s, reached {}: {}", end.generation, end.seconds, end.step, end.what);
  return lines;
}

std::span<const GenerationEnd> Newest(std::span<const GenerationEnd> ends, std::size_t count) {
  return ends.last(std::min(ends.size(), count));
}

Decision Fail(Status failure) { return {.action = NextAction::kFail, .failure = std::move(failure)}; }

}  // namespace

bool IsDeath(Code code) { return code == Code::kUnavailable || code == Code::kAborted; }

std::uint32_t DeathsInARow(std::span<const GenerationEnd> ends) {
  std::optional<std::uint64_t> reached;
  std::uint32_t deaths = 0;
  for (const GenerationEnd& end : ends) {
    const bool gained = !reached || end.step > *reached;
    reached = std::max(reached.value_or(0), end.step);
    if (gained) deaths = 0;
    if (IsDeath(end.code)) ++deaths;
  }
  return deaths;
}

Decision Decide(std::span<const GenerationEnd> ends, const RecoveryPolicy& policy) {
  STILL_CHECK(!ends.empty(), "nothing has ended");
  const GenerationEnd& last = ends.back();
  if (last.code == Code::kOk) return {};
  if (last.code == Code::kCancelled) return Fail(Status(last.code, last.why));
  if (!IsDeath(last.code)) {
    const auto before = Newest(ends.first(ends.size() - 1), policy.same_step_failures);
    return Fail(Status(last.code, before.empty() ? last.why : last.why + "\n  before it:" + Evidence(before)));
  }
  // The next launch would wait for that host, too.
  if (policy.several_hosts && !last.lost_host.empty() && !last.in_place)
    return Fail(Status(Code::kUnavailable, last.why));
  const std::uint32_t deaths = DeathsInARow(ends);
  if (deaths < policy.same_step_failures) return {.action = NextAction::kRelaunch, .backoff = Backoff(deaths)};
  return Fail(Error(Code::kUnavailable,
                    "{}: {} deaths in a row got no further than {}, the evidence is below{}\n  the last one: {}",
                    policy.stage, deaths, last.step, Evidence(Newest(ends, deaths)), last.why));
}

}  // namespace still::coordinator

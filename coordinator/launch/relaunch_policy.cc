#include "coordinator/launch/relaunch_policy.h"

#include <algorithm>
#include <optional>

#include "common/backoff.h"
#include "common/death_text.h"

namespace still::coordinator {
namespace {

constexpr std::chrono::milliseconds kFirstBackoff{1000};
constexpr std::chrono::milliseconds kLongestBackoff{30'000};

// Returns 0 after the first death, then 1 s, 2 s, 4 s and so on.
std::chrono::milliseconds PauseAfter(std::uint32_t deaths) {
  return deaths <= 1 ? std::chrono::milliseconds(0) : Backoff(kFirstBackoff, kLongestBackoff, deaths - 2);
}

// Returns one line per end, oldest first.
std::string Evidence(std::span<const v1::GenerationEnd> ends) {
  std::string lines;
  for (const v1::GenerationEnd& end : ends)
    lines += fmt::format("\n  generation {}, {:.1f} s, reached {}: {}", end.generation(), end.seconds(), end.step(),
                         EndText(end));
  return lines;
}

std::span<const v1::GenerationEnd> Newest(std::span<const v1::GenerationEnd> ends, std::size_t count) {
  return ends.last(std::min(ends.size(), count));
}

// Returns how many deaths there were since a step was last gained: 1 for a death at a step not reached before.
std::uint32_t DeathsInARow(std::span<const v1::GenerationEnd> ends) {
  std::optional<std::uint64_t> reached;
  std::uint32_t deaths = 0;
  for (const v1::GenerationEnd& end : ends) {
    const bool gained = !reached || end.step() > *reached;
    reached = std::max(reached.value_or(0), end.step());
    if (gained) deaths = 0;
    if (IsDeath(CodeFromWire(end.code()))) ++deaths;
  }
  return deaths;
}

Decision Fail(Status failure) { return {.action = NextAction::kFail, .failure = std::move(failure)}; }

}  // namespace

std::string EndText(const v1::GenerationEnd& end) {
  if (end.has_death()) return DeathText(end.death());
  return end.code() == v1::CODE_OK ? "done" : end.why().substr(0, end.why().find('\n'));
}

bool IsDeath(Code code) { return code == Code::kUnavailable || code == Code::kAborted; }

Decision Decide(std::span<const v1::GenerationEnd> ends, const RelaunchPolicy& policy) {
  STILL_CHECK(!ends.empty(), "Decide() needs at least one end");
  const v1::GenerationEnd& last = ends.back();
  const Code code = CodeFromWire(last.code());
  if (code == Code::kOk) return {};
  if (code == Code::kCancelled) return Fail(Status(code, last.why()));
  if (!IsDeath(code)) {
    const auto before = Newest(ends.first(ends.size() - 1), policy.same_step_failures);
    return Fail(Status(code, before.empty() ? last.why() : last.why() + "\n  before it:" + Evidence(before)));
  }
  // The next launch would wait for that host as well.
  if (policy.several_hosts && !last.death().host().empty() && !last.in_place())
    return Fail(Status(Code::kUnavailable, last.why()));
  const std::uint32_t deaths = DeathsInARow(ends);
  if (deaths < policy.same_step_failures) return {.action = NextAction::kRelaunch, .backoff = PauseAfter(deaths)};
  return Fail(Error(Code::kUnavailable,
                    "{}: {} deaths in a row got no further than {}, the evidence is below{}\n  the last one: {}",
                    EnumWord(policy.stage), deaths, last.step(), Evidence(Newest(ends, deaths)), last.why()));
}

}  // namespace still::coordinator

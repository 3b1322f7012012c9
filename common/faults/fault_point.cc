#include "common/faults/fault_point.h"

#include <chrono>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "common/environment.h"
#include "common/faults/fault_names.h"
#include "common/parse_number.h"

namespace still {
namespace {

// The kinds from kTorn on are carried out by the caller of the point.
enum class Kind { kKill, kStop, kDelay, kError, kNoSpace, kTorn, kNan, kFlip };

// One parsed specification. An optional without a value means any.
struct Fault {
  std::optional<std::uint64_t> rank;
  std::optional<std::uint64_t> step;
  std::string point;
  Kind kind = Kind::kKill;
  std::chrono::milliseconds delay{0};
  std::optional<std::uint64_t> launch = 1;

  std::uint64_t passes = 0;
  bool acted = false;
};

struct Faults {
  std::mutex mutex;
  std::vector<Fault> armed;  // the faults that can strike this process
  std::optional<std::uint64_t> step;
  std::string scope;
};

Faults& TheFaults() {
  static Faults* const faults = new Faults;  // never destroyed, because threads pass points until the end
  return *faults;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> fields;
  while (true) {
    const std::size_t at = text.find(separator);
    fields.push_back(text.substr(0, at));
    if (at == text.npos) return fields;
    text.remove_prefix(at + 1);
  }
}

bool ParseNumberOrAny(std::string_view text, std::optional<std::uint64_t>* number) {
  if (text == "*") {
    number->reset();
    return true;
  }
  return ParseNumber(text, &number->emplace());
}

bool ParseKind(std::string_view text, Fault* fault) {
  constexpr std::pair<std::string_view, Kind> kKinds[] = {
      {"kill", Kind::kKill}, {"stop", Kind::kStop}, {"error", Kind::kError},   {"torn", Kind::kTorn},
      {"nan", Kind::kNan},   {"flip", Kind::kFlip}, {"enospc", Kind::kNoSpace}};
  for (const auto& [name, kind] : kKinds) {
    fault->kind = kind;
    if (name == text) return true;
  }
  constexpr std::string_view kDelayName = "delay";
  constexpr std::uint64_t kLongestDelay = 24UL * 3600 * 1000;
  std::uint64_t milliseconds = 0;
  if (!text.starts_with(kDelayName) || !ParseNumber(text.substr(kDelayName.size()), &milliseconds)) return false;
  fault->kind = Kind::kDelay;
  fault->delay = std::chrono::milliseconds(milliseconds);
  return milliseconds <= kLongestDelay;
}

Result<Fault> ParseFault(std::string_view specification) {
  const auto wrong = [&](std::string_view reason) {
    return Error(Code::kInvalidArgument,
                 "fault '{}': {}; it is <rank>:<step>:<point>:<kind>[@<launch>], for example 1:4:vote:kill or "
                 "*:*:write:delay50@2",
                 specification, reason);
  };
  const std::vector<std::string_view> fields = Split(specification, ':');
  if (fields.size() != 4) return wrong("it does not have four parts with ':' between them");
  const std::vector<std::string_view> ending = Split(fields[3], '@');
  Fault fault;
  fault.point = fields[2];
  if (!ParseNumberOrAny(fields[0], &fault.rank)) return wrong("the rank is neither a number nor *");
  if (!ParseNumberOrAny(fields[1], &fault.step)) return wrong("the step is neither a number nor *");
  if (fault.point.empty() || fault.point.find_first_of(", \t\n") != std::string::npos)
    return wrong("the point has no name");
  if (!ParseKind(ending[0], &fault))
    return wrong("the kind is none of kill, stop, delay<ms>, error, enospc, torn, nan, flip");
  if (ending.size() > 2 || (ending.size() == 2 && !ParseNumberOrAny(ending[1], &fault.launch)) || fault.launch == 0)
    return wrong("the launch is neither a number from 1 on nor *");
  return fault;
}

// Returns the number in an environment variable that the launcher set, or `absent` when it is not set.
std::optional<std::uint64_t> NumberFromEnvironment(const char* name, std::optional<std::uint64_t> absent) {
  const std::string text = EnvironmentValue(name);
  if (text.empty()) return absent;
  std::uint64_t number = 0;
  STILL_CHECK(ParseNumber(text, &number), fmt::format("STILL_FAULT is set, and {}={} is not a number", name, text));
  return number;
}

Status Arm(std::string_view comma_separated) {
  std::vector<Fault> armed;
  if (!comma_separated.empty()) {
    const auto rank = NumberFromEnvironment("OMPI_COMM_WORLD_RANK", std::nullopt);
    const auto launch = NumberFromEnvironment("STILL_LAUNCH", 1);
    for (const std::string_view specification : Split(comma_separated, ',')) {
      STILL_ASSIGN_OR_RETURN(Fault fault, ParseFault(specification));
      const bool mine = (!fault.rank || fault.rank == rank) && (!fault.launch || fault.launch == launch);
      if (mine) armed.push_back(std::move(fault));
    }
  }
  Faults& faults = TheFaults();
  const std::scoped_lock lock(faults.mutex);
  faults.armed = std::move(armed);
  internal::fault_armed = !faults.armed.empty();
  return Ok();
}

bool ArmFromEnvironment() {
  const Status armed = Arm(EnvironmentValue("STILL_FAULT"));
  STILL_CHECK(armed.ok(), fmt::format("STILL_FAULT: {}", armed.message()));
  return internal::fault_armed;
}

thread_local std::string_view thread_scope;

// Returns true when `wanted` is "<scope>.<point>".
bool IsScoped(std::string_view wanted, std::string_view scope, std::string_view point) {
  return !scope.empty() && wanted.size() == scope.size() + 1 + point.size() && wanted.starts_with(scope) &&
         wanted[scope.size()] == '.' && wanted.ends_with(point);
}

// Counts the pass and returns true when the fault acts at it.
bool Strikes(Fault& fault, std::string_view point, const Faults& faults) {
  const std::string_view wanted = fault.point;
  if (wanted != point && !IsScoped(wanted, faults.scope, point) && !IsScoped(wanted, thread_scope, point)) return false;
  ++fault.passes;
  if (fault.step && (fault.acted || *fault.step != faults.step.value_or(fault.passes))) return false;
  fault.acted = true;
  return true;
}

// Returns true when a fault of this kind, which the caller carries out, acts at the point.
bool StrikesAs(Kind kind, std::string_view point) {
  Faults& faults = TheFaults();
  const std::scoped_lock lock(faults.mutex);
  bool strikes = false;
  for (Fault& fault : faults.armed) {
    if (fault.kind == kind && Strikes(fault, point, faults)) strikes = true;
  }
  return strikes;
}

}  // namespace

namespace internal {

bool fault_armed = ArmFromEnvironment();

Status HitFault(std::string_view point) {
  std::vector<Fault> striking;
  {
    Faults& faults = TheFaults();
    const std::scoped_lock lock(faults.mutex);
    for (Fault& fault : faults.armed) {
      const bool carried_out_here = fault.kind < Kind::kTorn;
      if (carried_out_here && Strikes(fault, point, faults)) striking.push_back(fault);
    }
  }
  for (const Fault& fault : striking) {
    switch (fault.kind) {
      case Kind::kKill: std::raise(SIGKILL); break;
      case Kind::kStop: std::raise(SIGSTOP); break;
      case Kind::kDelay: std::this_thread::sleep_for(fault.delay); break;
      case Kind::kNoSpace:
        return Error(Code::kResourceExhausted, "fault point {}: no space left on device (injected by STILL_FAULT)",
                     point);
      case Kind::kError: return Error(Code::kInternal, "fault point {}: failed (injected by STILL_FAULT)", point);
      case Kind::kTorn:
      case Kind::kNan:
      case Kind::kFlip: break;
    }
  }
  return Ok();
}

bool HitTear(std::string_view point) { return StrikesAs(Kind::kTorn, point); }
bool HitNan(std::string_view point) { return StrikesAs(Kind::kNan, point); }
bool HitFlip(std::string_view point) { return StrikesAs(Kind::kFlip, point); }

}  // namespace internal

void SetFaultStep(std::uint64_t step) {
  if (!internal::fault_armed) return;
  Faults& faults = TheFaults();
  const std::scoped_lock lock(faults.mutex);
  faults.step = step;
}

void SetFaultScope(std::string_view scope) {
  if (!internal::fault_armed) return;
  Faults& faults = TheFaults();
  const std::scoped_lock lock(faults.mutex);
  faults.scope = scope;
}

FaultScope::FaultScope(std::string_view scope) { thread_scope = scope; }
FaultScope::~FaultScope() { thread_scope = {}; }

Status CheckFaultSpecification(std::string_view specification) {
  STILL_ASSIGN_OR_RETURN(const Fault fault, ParseFault(specification));
  const std::string_view ending = specification.substr(specification.rfind(':') + 1);
  return CheckFaultName(fault.point, ending.substr(0, ending.find_first_of("0123456789@")))
      .WithContext(fmt::format("fault '{}'", specification));
}

Status ArmFaults(const std::string& comma_separated) {
  STILL_RETURN_IF_ERROR(Arm(comma_separated));
  SetEnvironmentValue("STILL_FAULT", comma_separated);
  return Ok();
}

}  // namespace still

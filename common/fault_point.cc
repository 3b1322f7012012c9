#include "common/fault_point.h"

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string>

namespace still {
namespace {

struct Fault {
  bool armed = false;
  std::string point;
  std::uint64_t pass = 0;
  std::string kind;
};

Fault ParseFault() {
  Fault fault;
  const char* specification = std::getenv("STILL_FAULT");
  if (specification == nullptr || *specification == '\0') return fault;
  const std::string_view text = specification;
  const std::size_t kind_at = text.rfind(':');
  const std::size_t pass_at = kind_at == text.npos || kind_at == 0 ? text.npos : text.rfind(':', kind_at - 1);
  STILL_CHECK(pass_at != text.npos, "STILL_FAULT must be <point>:<n>:<kind>");
  fault.point = text.substr(0, pass_at);
  fault.kind = text.substr(kind_at + 1);
  const auto [end, error] = std::from_chars(text.data() + pass_at + 1, text.data() + kind_at, fault.pass);
  STILL_CHECK(error == std::errc() && end == text.data() + kind_at && fault.pass > 0,
              "STILL_FAULT: the pass number must be 1 or more");
  STILL_CHECK(fault.kind == "kill" || fault.kind == "error" || fault.kind == "enospc",
              "STILL_FAULT: the kind must be kill, error or enospc");
  const char* wanted_rank = std::getenv("STILL_FAULT_RANK");
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  fault.armed = wanted_rank == nullptr || std::string_view(wanted_rank) == (rank == nullptr ? "" : rank);
  return fault;
}

const Fault& ArmedFault() {
  static const Fault fault = ParseFault();
  return fault;
}

}  // namespace

namespace internal {

const bool fault_armed = ArmedFault().armed;

Status HitFault(std::string_view point) {
  static std::atomic<std::uint64_t> passes = 0;
  const Fault& fault = ArmedFault();
  if (point != fault.point || ++passes != fault.pass) return Ok();
  if (fault.kind == "kill") std::raise(SIGKILL);
  if (fault.kind == "enospc") {
    return Error(Code::kResourceExhausted, "fault point {}: no space left on device (injected by STILL_FAULT)", point);
  }
  return Error(Code::kInternal, "fault point {}: failed (injected by STILL_FAULT)", point);
}

}  // namespace internal
}  // namespace still

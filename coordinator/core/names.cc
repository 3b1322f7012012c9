#include "coordinator/core/names.h"

#include <fmt/format.h>

namespace still::coordinator {

std::string StateName(stillhouse::v1::JobState state) {
  if (state == stillhouse::v1::JOB_STATE_UNSPECIFIED) return "";
  constexpr std::string_view kPrefix = "JOB_";
  const std::string& name = stillhouse::v1::JobState_Name(state);
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

std::string CauseName(stillhouse::v1::Cause cause) {
  if (cause == stillhouse::v1::CAUSE_UNSPECIFIED) return "";
  constexpr std::string_view kPrefix = "CAUSE_";
  const std::string& name = stillhouse::v1::Cause_Name(cause);
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

std::string JobText(const stillhouse::v1::Job& job) { return fmt::format("job {} ({})", job.id(), job.spec().name()); }

std::string PlacementText(const stillhouse::v1::Job& job) {
  std::string text;
  for (const auto& share : job.placement())
    text += fmt::format("{}{}:{}", text.empty() ? "" : ", ", share.host(), share.ranks());
  return text;
}

}  // namespace still::coordinator

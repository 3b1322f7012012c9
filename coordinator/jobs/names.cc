#include "coordinator/jobs/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace still::coordinator {

namespace {

// Returns the name of an enum's value without the prefix of the enum.
std::string Name(const std::string& value, std::string_view prefix) {
  return value.starts_with(prefix) ? value.substr(prefix.size()) : value;
}

}  // namespace

std::string StateName(v1::JobState state) {
  return state == v1::JOB_STATE_UNSPECIFIED ? "" : Name(v1::JobState_Name(state), "JOB_");
}

std::string CauseName(v1::Cause cause) {
  return cause == v1::CAUSE_UNSPECIFIED ? "" : Name(v1::Cause_Name(cause), "CAUSE_");
}

std::string ReasonName(v1::WaitReason reason) {
  return reason == v1::WAIT_REASON_UNSPECIFIED ? "" : Name(v1::WaitReason_Name(reason), "WAIT_REASON_");
}

std::string JobText(const v1::Job& job) { return fmt::format("job {} ({})", job.id(), job.spec().name()); }

std::string PlacementText(const v1::Job& job) {
  std::string text;
  for (const auto& share : job.placement())
    text += fmt::format("{}{}:{}", text.empty() ? "" : ", ", share.host(), share.ranks());
  return text;
}

std::string WithMore(const std::string& text, std::string_view more) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  return text.substr(0, end) + std::string(more) + text.substr(end);
}

std::optional<std::uint64_t> JobIdIn(const std::string& text) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id == 0) return std::nullopt;
  return id;
}

std::vector<std::string> NamesMeant(const std::string& text, const std::vector<std::string>& names) {
  std::vector<std::string> meant;
  for (const std::string& name : names) {
    if (name == text) return {text};
    if (name.ends_with("/" + text) && std::ranges::find(meant, name) == meant.end()) meant.push_back(name);
  }
  return meant;
}

}  // namespace still::coordinator

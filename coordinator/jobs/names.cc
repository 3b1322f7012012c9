#include "coordinator/jobs/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/parse_number.h"

namespace still::coordinator {

std::string JobText(const v1::Job& job) { return fmt::format("job {} ({})", job.id(), job.spec().name()); }

Status NoSuchJob(std::string_view job) {
  return Error(Code::kNotFound, "no such job: {}; `still queue` and `still history` list the jobs", job);
}

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
  return ParseNumber(text, &id) && id != 0 ? std::optional(id) : std::nullopt;
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

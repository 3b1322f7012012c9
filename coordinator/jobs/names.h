// Names of states and causes, for people and programs: "PENDING", "PROCESS_DEATH"; empty for the unspecified ones. And
// how people name a job: by its id, its name, or the end of that from a '/' on ("no-mlm/train").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/proto/coordinator.pb.h"

namespace still::coordinator {

std::string StateName(stillhouse::v1::JobState state);
std::string CauseName(stillhouse::v1::Cause cause);
// "job 3 (demo/train)".
std::string JobText(const stillhouse::v1::Job& job);
// "a:2, b:1".
std::string PlacementText(const stillhouse::v1::Job& job);

// `text`, and more at the end of its first line: what evidence there is may stand below.
std::string WithMore(const std::string& text, std::string_view more);

// The id that `text` is; ids are counted from 1.
std::optional<std::uint64_t> JobIdIn(const std::string& text);
// The different ones of `names` that `text` may mean; the whole name alone, where there is one.
std::vector<std::string> NamesMeant(const std::string& text, const std::vector<std::string>& names);

}  // namespace still::coordinator

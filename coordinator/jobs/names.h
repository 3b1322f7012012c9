// The ways in which people name a job.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"
#include "common/status.h"

namespace still::coordinator {

// Returns "job 3 (demo/train)".
std::string JobText(const v1::Job& job);
// Returns NOT_FOUND for a job that does not exist. `job` is its number, or its name in quotes.
Status NoSuchJob(std::string_view job);
// Returns the hosts of the newest attempt with their ranks: "a:2, b:1".
std::string PlacementText(const v1::Job& job);

// Returns `text` with `more` at the end of its first line. Evidence may stand on the lines below.
std::string WithMore(const std::string& text, std::string_view more);

// Returns the id that `text` is. Ids count from 1. Returns nothing when `text` is not an id.
std::optional<std::uint64_t> JobIdIn(const std::string& text);
// Returns the different names that `text` may mean: `text` alone when it is a whole name, else those that end with it
// after a '/', as "no-mlm/train" does in "ablation/no-mlm/train".
std::vector<std::string> NamesMeant(const std::string& text, const std::vector<std::string>& names);

}  // namespace still::coordinator

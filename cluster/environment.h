// What exec takes: argument and environment vectors.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace still::cluster {

// This process's environment with `additions`, which win: "NAME=value" each.
std::vector<std::string> MergedEnvironment(const std::map<std::string, std::string>& additions);

// Into `texts`, which must outlive it unchanged; ends with null.
std::vector<char*> Pointers(std::vector<std::string>& texts);

}  // namespace still::cluster

#include "common/faults/fault_names.h"

#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "common/nearest_name.h"

namespace still {
namespace {

constexpr FaultName kNames[] = {
    {"FaultPoint", "compute"},        {"FaultPoint", "corpus.commit"},
    {"FaultPoint", "corpus.plan"},    {"FaultPoint", "corpus.split"},
    {"FaultPoint", "corpus.shard"},   {"FaultPoint", "corpus.shard.commit"},
    {"FaultPoint", "evaluate.batch"}, {"FaultPoint", "evaluate.commit"},
    {"FaultPoint", "export.commit"},  {"FaultPoint", "fsync"},
    {"FaultPoint", "kv.commit"},      {"FaultPoint", "kv.seal"},
    {"FaultPoint", "optimizer"},      {"FaultPoint", "publish"},
    {"FaultPoint", "recover"},        {"FaultPoint", "reduce"},
    {"FaultPoint", "rename"},         {"FaultPoint", "restore"},
    {"FaultPoint", "shutdown"},       {"FaultPoint", "snapshot"},
    {"FaultPoint", "targets.commit"}, {"FaultPoint", "targets.record"},
    {"FaultPoint", "targets.seal"},   {"FaultPoint", "teacher.commit"},
    {"FaultPoint", "train.commit"},   {"FaultPoint", "vote"},
    {"FaultPoint", "write"},          {"FaultTears", "write"},
    {"FaultSpoils", "compute"},       {"FaultFlips", "corpus.result"},
    {"FaultFlips", "targets.result"},
};

// The scopes that SetFaultScope (the stages of workers) and FaultScope set. This library does without protobuf, so a
// test of common/enum_words.h compares the stages with the enum.
constexpr std::string_view kScopes[] = {"corpus", "teacher", "targets", "train", "evaluate", "export", "checkpoint"};

std::string_view CallOf(std::string_view kind) {
  if (kind == "torn") return "FaultTears";
  if (kind == "nan") return "FaultSpoils";
  if (kind == "flip") return "FaultFlips";
  return "FaultPoint";
}

std::string_view WithoutScope(std::string_view point) {
  for (const std::string_view scope : kScopes) {
    if (point.starts_with(scope) && point.substr(scope.size()).starts_with('.')) return point.substr(scope.size() + 1);
  }
  return point;
}

}  // namespace

std::span<const FaultName> FaultNames() { return kNames; }

Status CheckFaultName(std::string_view point, std::string_view kind) {
  std::vector<std::string> known;
  for (const FaultName& name : kNames) {
    if (name.call != CallOf(kind)) continue;
    if (name.point == point || name.point == WithoutScope(point)) return Ok();
    known.emplace_back(name.point);
  }
  const std::string_view name = WithoutScope(point);
  std::string nearest = NearestName(name, known);
  if (nearest.empty()) {
    nearest = NearestName(point, known);
  } else if (nearest.find('.') == std::string::npos) {  // the scope was right
    nearest.insert(0, point.substr(0, point.size() - name.size()));
  }
  if (!nearest.empty())
    return Error(Code::kInvalidArgument, "no point '{}' can {}; did you mean '{}'?", point, kind, nearest);
  return Error(Code::kInvalidArgument, "no point '{}' can {}; those that can: {}", point, kind, fmt::join(known, ", "));
}

}  // namespace still

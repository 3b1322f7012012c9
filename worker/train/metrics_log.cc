#include "worker/train/metrics_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/storage/files.h"

namespace still::worker {
namespace {

using Json = nlohmann::ordered_json;

// Returns the complete lines of a log as JSON objects.
Result<std::vector<Json>> ReadLines(const std::string& path) {
  std::vector<Json> lines;
  if (!Exists(path)) return lines;
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("step")) break;  // torn
    lines.push_back(std::move(json));
  }
  return lines;
}

}  // namespace

Result<std::unique_ptr<MetricsLog>> MetricsLog::Open(const std::string& path, std::uint64_t next_step) {
  STILL_ASSIGN_OR_RETURN(const std::vector<Json> lines, ReadLines(path));
  std::string kept;
  std::uint64_t dropped = 0;
  for (const Json& line : lines) {
    if (line["step"].get<std::uint64_t>() < next_step) {
      kept += line.dump() + "\n";
    } else {
      ++dropped;
    }
  }
  STILL_RETURN_IF_ERROR(WriteFileAtomically(path, kept));
  const int fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "cannot open", path);
  return std::unique_ptr<MetricsLog>(new MetricsLog(path, fd, dropped));
}

MetricsLog::~MetricsLog() { close(fd_); }

Status MetricsLog::Append(const StepMetrics& m) {
  const Json json = {{"step", m.step},
                     {"epoch", m.epoch},
                     {"skipped", m.skipped},
                     {"loss", m.loss},
                     {"kl", m.kl},
                     {"mlm", m.mlm},
                     {"cosine", m.cosine},
                     {"masked_accuracy", m.masked_accuracy},
                     {"gradient_norm", m.gradient_norm},
                     {"learning_rate", m.learning_rate},
                     {"sequences", m.sequences},
                     {"tokens", m.tokens},
                     {"seconds", m.seconds},
                     {"snapshot_seconds", m.snapshot_seconds},
                     {"checkpoint_seconds", m.checkpoint_seconds},
                     {"generation", m.generation},
                     {"ranks", m.ranks},
                     {"tokens_per_second", m.seconds > 0 ? static_cast<double>(m.tokens) / m.seconds : 0}};
  unwritten_ += json.dump() + "\n";
  return Flush();
}

Status MetricsLog::Flush() {
  while (!unwritten_.empty()) {
    const ssize_t written = write(fd_, unwritten_.data(), unwritten_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "cannot write", path_);
    unwritten_.erase(0, static_cast<std::size_t>(written));
  }
  return Ok();
}

Result<Summary> SummariseMetrics(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const std::vector<Json> lines, ReadLines(path));
  if (lines.empty()) return Summary{};  // nothing was trained, so nothing is claimed
  Summary summary = {{"steps", 0}, {"sequences", 0}, {"tokens", 0}, {"seconds", 0}, {"skipped_steps", 0}};
  bool first = true;
  try {
    for (const Json& line : lines) {
      summary["steps"] += 1;
      for (const char* count : {"sequences", "tokens", "seconds"}) summary[count] += line.at(count).get<double>();
      if (line.at("skipped").get<bool>()) {
        summary["skipped_steps"] += 1;
        continue;
      }
      for (const char* term : {"loss", "kl", "mlm", "cosine"}) {
        const double value = line.at(term).get<double>();
        if (first) summary[fmt::format("{}_first", term)] = value;
        summary[fmt::format("{}_last", term)] = value;
      }
      first = false;
    }
  } catch (const nlohmann::json::exception& e) {
    return Error(Code::kDataLoss, "{}: not a training log of this version: {}; remove the file", path, e.what());
  }
  summary["tokens_per_second"] = summary["seconds"] > 0 ? summary["tokens"] / summary["seconds"] : 0;
  return summary;
}

}  // namespace still::worker

#include "common/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <vector>

#include "common/environment.h"

namespace still {
namespace {

struct Level {
  std::string_view name;
  spdlog::level::level_enum spdlog_level;
};

// Indexed by LogLevel.
constexpr Level kLevels[] = {{"debug", spdlog::level::debug},
                             {"info", spdlog::level::info},
                             {"warn", spdlog::level::warn},
                             {"error", spdlog::level::err}};

struct Destination {
  std::string name;
  std::shared_ptr<spdlog::logger> logger;
};

std::shared_ptr<spdlog::logger> MakeLogger(std::vector<spdlog::sink_ptr> sinks) {
  auto logger = std::make_shared<spdlog::logger>("still", sinks.begin(), sinks.end());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
  // Flush every line, so that a killed process leaves its last words.
  logger->flush_on(spdlog::level::trace);
  return logger;
}

// Returns where lines go now. Before InitLog they go to stderr.
Destination& Current() {
  static Destination destination{"still", MakeLogger({std::make_shared<spdlog::sinks::stderr_sink_mt>()})};
  return destination;
}

}  // namespace

void InitLog(std::string_view name, const std::string& file, bool to_stderr) {
  std::vector<spdlog::sink_ptr> sinks;
  std::string trouble;
  if (to_stderr) sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  if (!file.empty()) {
    try {
      sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(file));
    } catch (const spdlog::spdlog_ex& error) {
      trouble = fmt::format("cannot log to {}: {}: logging to stderr only", file, error.what());
      if (!to_stderr) sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    }
  }
  Current() = {std::string(name), MakeLogger(std::move(sinks))};

  const std::string wanted = EnvironmentValue("STILL_LOG");
  bool known = wanted.empty();
  for (const Level& level : kLevels) {
    if (level.name != wanted) continue;
    Current().logger->set_level(level.spdlog_level);
    known = true;
  }
  if (!trouble.empty()) LogWarn("{}", trouble);
  if (!known) LogWarn("STILL_LOG is '{}': expected debug, info, warn or error; using info", wanted);
}

void LogLine(LogLevel level, std::string_view message) {
  const Level& shown = kLevels[static_cast<int>(level)];
  const Destination& destination = Current();
  if (!destination.logger->should_log(shown.spdlog_level)) return;
  destination.logger->log(shown.spdlog_level, fmt::format("{} {}: {}", shown.name, destination.name, message));
}

}  // namespace still

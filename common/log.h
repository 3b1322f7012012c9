// Logging for every process of ours: one line = time, level, process name, message. The only owner of spdlog.
//   error: a contract was broken or work was lost     warn: went wrong, was handled
//   info:  an administrator wants to know             debug: for the developer
// Goes to stderr, and to `file` as well when one is given. Thread-safe after InitLog.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace still {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

// `name` is what the line is signed with, for example "train/rank-1". Call once, first thing in main. The level comes
// from STILL_LOG (debug|info|warn|error), else info. With `to_stderr` false only the file is written.
void InitLog(std::string_view name, const std::string& file = "", bool to_stderr = true);

void LogLine(LogLevel level, std::string_view message);

template <typename... Args>
void LogDebug(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogInfo(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogWarn(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kWarn, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogError(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace still

// Logging for all our processes. A line holds time, level, process name and message. The only owner of spdlog.
//
// clang-format off
//   error  a contract was broken, or work was lost
//   warn   something went wrong and was handled
//   info   an administrator wants to know
//   debug  for the developer
// clang-format on
//
// Lines go to stderr, and to a file when InitLog names one. Thread-safe after InitLog.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace still {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

// Sets up logging. Call it once, first thing in main. `name` signs every line, for example "train/rank-1". STILL_LOG
// sets the lowest level that is logged. With `to_stderr` false only the file is written.
void InitLog(std::string_view name, const std::string& file = "", bool to_stderr = true);

// Writes one line. The functions below format it.
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

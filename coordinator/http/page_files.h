// The files of the status page, embedded by the build (coordinator/CMakeLists.txt).
#pragma once

#include <string_view>

namespace still::coordinator {

extern const std::string_view kStatusPageHtml;
extern const std::string_view kStatusPageCss;
extern const std::string_view kStatusPageJs;
extern const std::string_view kChartsJs;

}  // namespace still::coordinator

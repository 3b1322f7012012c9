// The files of the status page. The build embeds them (coordinator/CMakeLists.txt).
#pragma once

#include <string_view>

namespace still::coordinator {

extern const std::string_view kChartsJs;
extern const std::string_view kJobViewJs;
extern const std::string_view kJobsViewJs;
extern const std::string_view kNodesJs;
extern const std::string_view kStatusPageCss;
extern const std::string_view kStatusPageHtml;
extern const std::string_view kStatusPageJs;
extern const std::string_view kWordsJs;

}  // namespace still::coordinator

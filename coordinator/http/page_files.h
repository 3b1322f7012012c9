// The files of the status page. The build embeds them (coordinator/CMakeLists.txt).
#pragma once

#include <map>
#include <string_view>

namespace still::coordinator {

// Returns the contents of the files by their names, such as "status_page.html".
const std::map<std::string_view, std::string_view>& PageFiles();

}  // namespace still::coordinator

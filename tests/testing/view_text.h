// Views of tests, written in protobuf's text format.
#pragma once

#include <google/protobuf/text_format.h>

#include <string>

#include "common/proto/view.pb.h"
#include "common/status.h"

namespace still::testing {

// Returns the view that `text` describes. Fails the process if it describes none.
inline stillhouse::v1::View ViewOf(const std::string& text) {
  stillhouse::v1::View view;
  STILL_CHECK(google::protobuf::TextFormat::ParseFromString(text, &view), text);
  return view;
}

}  // namespace still::testing

// Views as JSON, for the HTTP API and `still --json`. common/proto/view.proto says what the JSON looks like. Pure.
#pragma once

#include <string>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"
#include "common/proto/view.pb.h"
#include "common/status.h"

namespace still::coordinator {

// Returns the view as one JSON object on one line, with the fields of its kind only.
std::string ViewJson(const v1::View& view);
// Returns one event as one JSON object on one line.
std::string EventJson(const v1::EventView& event);
// Returns the ChangeView of a coordinator's reply to a change.
std::string ChangeJson(const v1::ClientReply& reply);
// Returns the ErrorView: {"code": "NOT_FOUND", "error": "..."}.
std::string ErrorJson(const Status& error);

}  // namespace still::coordinator

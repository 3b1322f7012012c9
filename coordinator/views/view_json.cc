#include "coordinator/views/view_json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace still::coordinator {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using nlohmann::json;

json ObjectOf(const Message& message, v1::ViewKind view);

bool IsInView(const FieldDescriptor& field, v1::ViewKind view) {
  const auto& only_in = field.options().GetRepeatedExtension(v1::only_in);
  return only_in.empty() || std::find(only_in.begin(), only_in.end(), view) != only_in.end();
}

json NumberOf(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

// Returns the value of a field, or element `index` of a repeated one.
json ValueOf(const Message& message, const FieldDescriptor& field, int index, v1::ViewKind view) {
  const google::protobuf::Reflection& access = *message.GetReflection();
  const bool list = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return list ? access.GetRepeatedInt32(message, &field, index) : access.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return list ? access.GetRepeatedInt64(message, &field, index) : access.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return list ? access.GetRepeatedUInt32(message, &field, index) : access.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return list ? access.GetRepeatedUInt64(message, &field, index) : access.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberOf(list ? access.GetRepeatedDouble(message, &field, index) : access.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return NumberOf(list ? access.GetRepeatedFloat(message, &field, index) : access.GetFloat(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return list ? access.GetRepeatedBool(message, &field, index) : access.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_STRING:
      return list ? access.GetRepeatedString(message, &field, index) : access.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumWord(*field.enum_type(), list ? access.GetRepeatedEnumValue(message, &field, index)
                                               : access.GetEnumValue(message, &field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ObjectOf(list ? access.GetRepeatedMessage(message, &field, index) : access.GetMessage(message, &field),
                      view);
  }
  return nullptr;
}

// Returns the object that a map or a keyed list is: the first field of an element is its key.
json PairsOf(const Message& message, const FieldDescriptor& field, v1::ViewKind view) {
  const google::protobuf::Reflection& access = *message.GetReflection();
  json pairs = json::object();
  for (int i = 0; i < access.FieldSize(message, &field); ++i) {
    const Message& pair = access.GetRepeatedMessage(message, &field, i);
    const json key = ValueOf(pair, *field.message_type()->field(0), 0, view);
    pairs[key.get<std::string>()] = ValueOf(pair, *field.message_type()->field(1), 0, view);
  }
  return pairs;
}

json ObjectOf(const Message& message, v1::ViewKind view) {
  const google::protobuf::Reflection& access = *message.GetReflection();
  json object = json::object();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (!IsInView(field, view)) continue;
    json& value = object[field.name()];
    if (field.is_map() || field.options().GetExtension(v1::keyed)) {
      value = PairsOf(message, field, view);
    } else if (field.is_repeated()) {
      value = json::array();
      for (int at = 0; at < access.FieldSize(message, &field); ++at) value.push_back(ValueOf(message, field, at, view));
    } else if (!field.has_presence() || access.HasField(message, &field)) {
      value = ValueOf(message, field, 0, view);
    }
  }
  return object;
}

// Bytes that are not UTF-8 are replaced: JSON has no other text.
std::string TextOf(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

std::string ViewJson(const v1::View& view) { return TextOf(ObjectOf(view, view.view())); }

std::string EventJson(const v1::EventView& event) { return TextOf(ObjectOf(event, v1::VIEW_KIND_EVENTS)); }

std::string ChangeJson(const v1::ClientReply& reply) {
  v1::ChangeView view;
  *view.mutable_job_ids() = reply.jobs();
  return TextOf(ObjectOf(view, v1::VIEW_KIND_UNSPECIFIED));
}

std::string ErrorJson(const Status& error) {
  v1::ErrorView view;
  view.set_code(CodeOnWire(error.code()));
  view.set_error(error.message());
  return TextOf(ObjectOf(view, v1::VIEW_KIND_UNSPECIFIED));
}

}  // namespace still::coordinator

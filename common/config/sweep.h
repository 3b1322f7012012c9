// A sweep is one YAML file that stands for several configurations of a message. Beside the message's own keys it may
// have two sections:
//
// clang-format off
//   variants:                        overlays with a name each
//     - name: no-mlm
//       train.alpha_mlm: 0           dotted paths of the message
//   matrix:                          every combination of these values
//     train.alpha_mlm: [0, 2]
//     student.from_teacher: [true, false]
// clang-format on
//
// With both sections, every variant is made in every combination. A variant's name is the one given. A combination adds
// "alpha_mlm=0": the last word of the path and the value. The whole path is used where two paths end alike. A value
// that is no plain word is named by its number in the list: "#2".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/status.h"

namespace google::protobuf {
class Message;
}

namespace still {

inline constexpr std::size_t kMostVariants = 256;

// A parsed document and its variants. Every error is INVALID_ARGUMENT and its place() names file, line, column and key.
// Only a file that cannot be read has no place, and the code of ReadFile: NOT_FOUND when there is none. Immutable;
// copies share the nodes.
class SweepDocument {
 public:
  static Result<SweepDocument> Load(const std::string& path);
  static Result<SweepDocument> Parse(const std::string& text, const std::string& origin);

  // Returns true when the document has a section `matrix` or `variants`.
  bool swept() const { return swept_; }
  // Returns the number of variants: 1, without a name, when nothing is swept.
  std::size_t size() const { return variants_.size(); }
  const std::string& name(std::size_t variant) const { return variants_[variant].name; }

  // Merges into `*message` what all variants have in common, then what this one sets. A mapping becomes a message. A
  // sequence replaces a repeated field. Enum values are written by name, in lower case and without prefix. For an
  // unknown key the message offers the nearest known one. After an error `*message` is half merged.
  Status Read(std::size_t variant, google::protobuf::Message* message) const;
  // Returns a failure of this variant's check with the full place of the value that its place().key names: file, line
  // and column. Without a key, or where the file sets no value for it, the place is the file alone.
  Status Locate(std::size_t variant, const Status& failed_check) const;

 private:
  struct Nodes;  // yaml-cpp's
  struct Variant {
    std::string name;
    std::vector<std::size_t> overlays;  // indices into Nodes: what it sets, in the file's order
  };
  friend class SweepReader;

  std::shared_ptr<const Nodes> nodes_;
  bool swept_ = false;
  std::vector<Variant> variants_;
};

}  // namespace still

// Sweeps: one YAML file that stands for several configurations of a message. Beside the message's own keys it may have
//
//   variants:                        overlays with a name each
//     - name: no-mlm
//       train.alpha_mlm: 0           dotted paths of the message
//   matrix:                          every combination of these values
//     train.alpha_mlm: [0, 2]
//     student.from_teacher: [true, false]
//
// With both, every variant is made in every combination. Names are the variant's and, of a matrix, "alpha_mlm=0": the
// last word of the path (the whole path where two end alike) and the value ("#2", its number, when it is no plain
// word).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/status.h"

namespace google::protobuf {
class Message;
}

namespace still {

inline constexpr std::size_t kMostVariants = 256;

// Errors are INVALID_ARGUMENT with file, line and column, as those of common/config/config.h. Immutable; copies share.
class SweepDocument {
 public:
  static Result<SweepDocument> Load(const std::string& path);
  static Result<SweepDocument> Parse(const std::string& text, const std::string& origin);

  // Whether there is a section matrix or variants.
  bool swept() const { return swept_; }
  // One without a name and settings when nothing is swept.
  std::size_t size() const { return variants_.size(); }
  const std::string& name(std::size_t variant) const { return variants_[variant].name; }
  // Dotted paths and values as written, in the file's order.
  const std::vector<std::pair<std::string, std::string>>& settings(std::size_t variant) const {
    return variants_[variant].settings;
  }

  // Merges what all variants have in common, then what this one sets, into `*message`.
  Status Read(std::size_t variant, google::protobuf::Message* message) const;
  // "file:line:column" of the value that this variant has for a key, its dotted path; the file alone where it gives
  // none.
  std::string PlaceOf(std::size_t variant, std::string_view key) const;

 private:
  struct Nodes;  // yaml-cpp's
  struct Variant {
    std::string name;
    std::vector<std::pair<std::string, std::string>> settings;
    std::vector<std::size_t> overlays;  // indices into Nodes
  };
  friend class SweepReader;

  std::shared_ptr<const Nodes> nodes_;
  bool swept_ = false;
  std::vector<Variant> variants_;
};

}  // namespace still

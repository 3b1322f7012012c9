#include "common/config/sweep.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/config/yaml_reader.h"
#include "common/storage/files.h"

namespace still {
namespace {

constexpr const char* kMatrix = "matrix";
constexpr const char* kVariants = "variants";
constexpr std::size_t kLongestName = 100;

// Returns true for text that is safe in a job's name, a file name and an argument in a shell.
bool IsPlainWord(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._+-").find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= kLongestName && text[0] != '.' && text[0] != '-' &&
         std::ranges::all_of(text, plain);
}

// Returns true when `key` is `outer` or lies in the section `outer`.
bool Holds(std::string_view outer, std::string_view key) {
  return key.starts_with(outer) && (key.size() == outer.size() || key[outer.size()] == '.');
}

bool Overlap(std::string_view a, std::string_view b) { return Holds(a, b) || Holds(b, a); }

// Returns the value at a dotted path below `node`; an undefined node when there is none. It does not use operator[],
// whose nodes have no place in the file.
YAML::Node Below(YAML::Node node, std::string_view path) {
  while (!path.empty()) {
    const std::string_view name = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(path.size(), name.size() + 1));
    YAML::Node next(YAML::NodeType::Undefined);
    if (node.IsMap()) {
      for (const auto& item : node) {
        if (item.first.IsScalar() && item.first.Scalar() == name) next.reset(item.second);
      }
    }
    if (!next.IsDefined()) return next;
    node.reset(next);
  }
  return node;
}

std::string LastWord(const std::string& path) { return path.substr(path.rfind('.') + 1); }

}  // namespace

// The parsed file. `overlays` holds what variants set, one entry per path and value.
struct SweepDocument::Nodes {
  std::string origin;
  YAML::Node document;
  std::vector<std::pair<YAML::Node, YAML::Node>> overlays;
};

// Reads the two sections of a document into its variants.
class SweepReader {
 public:
  SweepReader(std::shared_ptr<SweepDocument::Nodes> nodes) : nodes_(std::move(nodes)), reader_(nodes_->origin) {}

  Status Read(SweepDocument* sweep) {
    const YAML::Node& document = nodes_->document;
    YAML::Node matrix, variants;
    bool has_matrix = false, has_variants = false;
    if (document.IsMap()) {
      for (const auto& item : document) {  // operator[] would give nodes without a place in the file
        if (!item.first.IsScalar()) continue;
        if (item.first.Scalar() == kMatrix) has_matrix = true, matrix.reset(item.second);
        if (item.first.Scalar() == kVariants) has_variants = true, variants.reset(item.second);
      }
    }
    sweep->swept_ = has_matrix || has_variants;
    sweep->variants_ = {SweepDocument::Variant{}};
    if (has_variants) STILL_RETURN_IF_ERROR(ReadVariants(variants, &sweep->variants_));
    if (has_matrix) STILL_RETURN_IF_ERROR(ReadMatrix(matrix, &sweep->variants_));
    return Ok();
  }

 private:
  using Variant = SweepDocument::Variant;

  // Records that `variant` sets `key` to `value`. A key that is set twice is an error.
  Status Set(const YAML::Node& key, const YAML::Node& value, Variant* variant) {
    const std::string& path = key.Scalar();
    for (const char* whole : {"name", "artifacts"}) {
      if (path == whole)
        return reader_.At(
            key, path,
            fmt::format("'{}' belongs to the whole sweep: set it outside of {} and {}", path, kMatrix, kVariants));
    }
    for (const std::size_t overlay : variant->overlays) {
      const std::string& other = nodes_->overlays[overlay].first.Scalar();
      if (Overlap(other, path))
        return reader_.At(key, path, fmt::format("'{}' is set twice for one variant: by '{}', too", path, other));
    }
    variant->overlays.push_back(nodes_->overlays.size());
    nodes_->overlays.emplace_back(key, value);
    return Ok();
  }

  Status ReadVariants(const YAML::Node& section, std::vector<Variant>* variants) {
    if (!section.IsSequence() || section.size() == 0)
      return reader_.Wrong(section, kVariants, "a list of variants, each with a name");
    if (section.size() > kMostVariants) return TooMany(section, kVariants, section.size());
    variants->clear();
    std::set<std::string> names;
    for (std::size_t i = 0; i < section.size(); ++i) {
      const YAML::Node& node = section[i];
      const std::string place = fmt::format("{}[{}]", kVariants, i);
      if (!node.IsMap()) return reader_.Wrong(node, place, "a mapping: a name, and dotted keys with values");
      Variant variant;
      for (const auto& item : node) {
        if (!item.first.IsScalar()) return reader_.At(item.first, place, "a key must be a plain word");
        if (item.first.Scalar() != "name") {
          STILL_RETURN_IF_ERROR(Set(item.first, item.second, &variant));
          continue;
        }
        if (!variant.name.empty())
          return reader_.At(item.first, place + ".name", fmt::format("key '{}.name' is given twice", place));
        if (!item.second.IsScalar() || !IsPlainWord(item.second.Scalar()))
          return reader_.Wrong(item.second, place + ".name", "a word of letters, digits, '.', '_', '+' and '-'");
        variant.name = item.second.Scalar();
        if (!names.insert(variant.name).second)
          return reader_.At(item.second, place + ".name", fmt::format("two variants have the name '{}'", variant.name));
      }
      if (variant.name.empty()) return reader_.At(node, place, fmt::format("{} has no name: give it one", place));
      variants->push_back(std::move(variant));
    }
    return Ok();
  }

  // Multiplies the variants so far by each key's values, one key after another. The last key changes fastest.
  Status ReadMatrix(const YAML::Node& section, std::vector<Variant>* variants) {
    if (!section.IsMap() || section.size() == 0)
      return reader_.Wrong(section, kMatrix, "a mapping of dotted keys to lists of values");
    std::map<std::string, int> last_words;
    std::set<std::string> keys;
    std::size_t combinations = variants->size();
    for (const auto& item : section) {
      if (!item.first.IsScalar()) return reader_.At(item.first, kMatrix, "a key must be a plain word");
      const std::string place = fmt::format("{}.{}", kMatrix, item.first.Scalar());
      if (!keys.insert(item.first.Scalar()).second)
        return reader_.At(item.first, place, fmt::format("key '{}' is given twice", place));
      if (!item.second.IsSequence()) return reader_.Wrong(item.second, place, "a list of values");
      if (item.second.size() == 0)
        return reader_.At(item.second, place, fmt::format("'{}': the list is empty, and so is the sweep", place));
      ++last_words[LastWord(item.first.Scalar())];
      combinations *= item.second.size();  // cannot overflow: the product so far is at most kMostVariants
      if (combinations > kMostVariants) return TooMany(item.first, place, combinations);
    }
    for (const auto& item : section) {
      const std::string& path = item.first.Scalar();
      const std::string label = last_words[LastWord(path)] == 1 ? LastWord(path) : path;
      std::vector<Variant> multiplied;
      for (const Variant& variant : *variants) {
        std::set<std::string> values;
        for (std::size_t i = 0; i < item.second.size(); ++i) {
          const YAML::Node& value = item.second[i];
          if (value.IsScalar() && !values.insert(value.Scalar()).second)
            return reader_.At(value, path, fmt::format("'{}.{}' lists {} twice", kMatrix, path, value.Scalar()));
          Variant next = variant;
          STILL_RETURN_IF_ERROR(Set(item.first, value, &next));
          const bool plain = value.IsScalar() && IsPlainWord(value.Scalar());
          next.name += fmt::format("{}{}={}", next.name.empty() ? "" : ",", label,
                                   plain ? value.Scalar() : fmt::format("#{}", i + 1));
          multiplied.push_back(std::move(next));
        }
      }
      *variants = std::move(multiplied);
    }
    return Ok();
  }

  Status TooMany(const YAML::Node& node, const std::string& key, std::size_t count) const {
    return reader_.At(node, key,
                      fmt::format("{} or more variants: a sweep has at most {}; split it", count, kMostVariants));
  }

  const std::shared_ptr<SweepDocument::Nodes> nodes_;
  const YamlReader reader_;
};

Result<SweepDocument> SweepDocument::Load(const std::string& path) {
  const Result<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();  // it names the path
  return Parse(*text, path);
}

Result<SweepDocument> SweepDocument::Parse(const std::string& text, const std::string& origin) {
  auto nodes = std::make_shared<Nodes>();
  nodes->origin = origin;
  STILL_ASSIGN_OR_RETURN(nodes->document, ParseYaml(text, origin));
  SweepDocument sweep;
  STILL_RETURN_IF_ERROR(SweepReader(nodes).Read(&sweep));
  sweep.nodes_ = std::move(nodes);
  return sweep;
}

Status SweepDocument::Read(std::size_t variant, google::protobuf::Message* message) const {
  const YamlReader reader(nodes_->origin);
  STILL_RETURN_IF_ERROR(reader.ReadMessage(nodes_->document, "", message, {kMatrix, kVariants}));
  for (const std::size_t overlay : variants_[variant].overlays) {
    const auto& [key, value] = nodes_->overlays[overlay];
    STILL_RETURN_IF_ERROR(reader.ReadPath(key, value, message));
  }
  return Ok();
}

Status SweepDocument::Locate(std::size_t variant, const Status& failed_check) const {
  if (failed_check.ok()) return failed_check;
  const std::string& name = variants_[variant].name;
  const Status named = name.empty() ? failed_check : failed_check.WithContext("variant " + name);
  ConfigPlace place{.key = failed_check.place() == nullptr ? "" : failed_check.place()->key, .file = nodes_->origin};
  if (place.key.empty()) return named.At(std::move(place));
  YAML::Node value = Below(nodes_->document, place.key);
  for (const std::size_t overlay : variants_[variant].overlays) {
    const auto& [path, set] = nodes_->overlays[overlay];
    if (!Holds(path.Scalar(), place.key)) continue;
    const YAML::Node own = Below(set, place.key.substr(std::min(place.key.size(), path.Scalar().size() + 1)));
    if (own.IsDefined()) value.reset(own);
  }
  if (value.IsDefined()) place.line = value.Mark().line + 1, place.column = value.Mark().column + 1;
  return named.At(std::move(place));
}

}  // namespace still

#include "shards/text/wikitext_templates.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/parse_number.h"

namespace still::shards {
namespace {

// The arguments of one call, with trimmed values.
class Arguments {
 public:
  explicit Arguments(std::span<const std::string_view> parts) {
    for (const std::string_view part : parts) {
      const std::size_t equals = part.find('=');
      const std::string_view name = Trimmed(part.substr(0, equals));
      if (equals == std::string_view::npos || name.find_first_of(" \n<>") != std::string_view::npos) {
        positional_.push_back(Trimmed(part));
        continue;
      }
      std::size_t number = 0;
      if (ParseNumber(name, &number) && number == positional_.size() + 1) {
        positional_.push_back(Trimmed(part.substr(equals + 1)));  // {{lang|1=fr|2=mot}}
      } else {
        named_.emplace_back(name, Trimmed(part.substr(equals + 1)));
      }
    }
  }

  std::size_t size() const { return positional_.size(); }
  // Returns a positional argument, counted from 1 as on the wiki, or "" when there is none.
  std::string_view operator[](std::size_t i) const { return i >= 1 && i <= size() ? positional_[i - 1] : ""; }
  std::string_view operator[](std::string_view name) const {
    const auto found =
        std::find_if(named_.begin(), named_.end(), [&](const auto& entry) { return entry.first == name; });
    return found == named_.end() ? std::string_view() : found->second;
  }
  std::string_view last() const { return (*this)[size()]; }

 private:
  std::vector<std::string_view> positional_;
  std::vector<std::pair<std::string_view, std::string_view>> named_;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsNumber(std::string_view text) {
  return !text.empty() && std::any_of(text.begin(), text.end(), IsDigit) &&
         text.find_first_not_of("0123456789.,+-/eE ") == std::string_view::npos;
}

// Groups the digits of the integer part as English Wikipedia shows them: 1234567.5 -> 1,234,567.5.
std::string Grouped(std::string_view number) {
  const std::size_t begin = number.find_first_of("0123456789");
  if (begin == std::string_view::npos) return std::string(number);
  const std::size_t end = std::min(number.find_first_not_of("0123456789", begin), number.size());
  std::string out(number.substr(0, begin));
  for (std::size_t i = begin; i < end; ++i) {
    if (i > begin && (end - i) % 3 == 0 && (end - begin) > 3) out.push_back(',');
    out.push_back(number[i]);
  }
  return out.append(number.substr(end));
}

std::string_view ReadableUnit(std::string_view unit) {
  using Entry = std::pair<std::string_view, std::string_view>;
  static constexpr auto kUnits = std::to_array<Entry>({
      {"C", "°C"},       {"F", "°F"},           {"K", "K"},          {"C-change", "°C"},       {"F-change", "°F"},
      {"sqmi", "sq mi"}, {"sqft", "sq ft"},     {"sqyd", "sq yd"},   {"cuft", "cu ft"},        {"cuin", "cu in"},
      {"cumi", "cu mi"}, {"impgal", "imp gal"}, {"usgal", "US gal"}, {"LT", "long tons"},      {"ST", "short tons"},
      {"acre", "acres"}, {"km/h", "km/h"},      {"mph", "mph"},      {"nmi", "nmi"},           {"kn", "knots"},
      {"t", "tonnes"},   {"lbf", "lbf"},        {"ftin", "ft"},      {"PD/sqmi", "per sq mi"}, {"PD/km2", "per km2"},
  });
  const auto* found =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const Entry& entry) { return entry.first == unit; });
  return found == kUnits.end() ? unit : found->second;
}

// Renders {{convert|40|to|50|cm|in}} -> "40 to 50 cm" and {{convert|5|ft|11|in}} -> "5 ft 11 in". Converts nothing.
void RenderConvert(const Arguments& arguments, std::string* out) {
  static constexpr std::string_view kRangeWords[] = {"to", "and", "or",    "by",     "x",   "×",
                                                     "-",  "–",   "to(-)", "and(-)", "+/-", "±"};
  const auto is_range_word = [](std::string_view text) {
    return std::ranges::find(kRangeWords, text) != std::end(kRangeWords);
  };
  if (!IsNumber(arguments[1])) return;
  std::size_t i = 1;
  *out += Grouped(arguments[i++]);
  while (is_range_word(arguments[i]) && IsNumber(arguments[i + 1])) {
    const std::string_view word = arguments[i];
    if (word == "-" || word == "–") {
      *out += "–";
    } else {
      out->append(" ").append(word.substr(0, word.find('('))).append(" ");
    }
    *out += Grouped(arguments[i + 1]);
    i += 2;
  }
  out->append(" ").append(ReadableUnit(arguments[i]));
  if (IsNumber(arguments[i + 1]) &&
      (arguments[i + 2] == "in" || arguments[i + 2] == "lb" || arguments[i + 2] == "oz")) {
    out->append(" ").append(arguments[i + 1]).append(" ").append(arguments[i + 2]);
  }
}

void RenderVal(const Arguments& arguments, std::string* out) {
  *out += Grouped(arguments[1]);
  if (IsNumber(arguments[2])) out->append("±").append(arguments[2]);
  if (!arguments["e"].empty()) out->append("×10^").append(arguments["e"]);
  const std::string_view unit = arguments["u"].empty() ? arguments["ul"] : arguments["u"];
  if (!unit.empty()) out->append(" ").append(unit);
}

// Renders {{frac|2}} -> 1/2, {{frac|3|2}} -> 3/2, {{frac|1|3|4}} -> 1 3/4.
void RenderFraction(const Arguments& arguments, std::string* out) {
  if (arguments.size() >= 3) out->append(arguments[1]).append(" ");
  out->append(arguments.size() >= 2 ? arguments[arguments.size() - 1] : "1").append("/").append(arguments.last());
}

void RenderAsOf(const Arguments& arguments, std::string* out) {
  static constexpr std::string_view kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                                 "July",    "August",   "September", "October", "November", "December"};
  if (!arguments["alt"].empty()) {
    *out += arguments["alt"];
    return;
  }
  *out += arguments["lc"].empty() ? "As of " : "as of ";
  std::size_t month = 0;
  std::from_chars(arguments[2].data(), arguments[2].data() + arguments[2].size(), month);
  if (!arguments[3].empty()) out->append(arguments[3]).append(" ");
  if (month >= 1 && month <= 12) out->append(kMonths[month - 1]).append(" ");
  *out += arguments[1];
}

void RenderCirca(const Arguments& arguments, std::string* out) {
  out->append("c. ").append(arguments[1]);
  if (!arguments[2].empty()) out->append(" – c. ").append(arguments[2]);
}

void RenderJapanese(const Arguments& arguments, std::string* out) {
  *out += arguments[1];
  if (arguments[2].empty() && arguments[3].empty()) return;
  out->append(arguments[1].empty() ? "" : " (").append(arguments[2]);
  if (!arguments[3].empty()) out->append(arguments[2].empty() ? "" : ", ").append(arguments[3]);
  out->append(arguments[1].empty() ? "" : ")");
}

void RenderQuote(const Arguments& arguments, std::string* out) {
  for (const std::string_view name : {"text", "quote", "content"}) {
    if (!arguments[name].empty()) {
      out->append("\n").append(arguments[name]).append("\n");
      return;
    }
  }
  out->append("\n").append(arguments[1]).append("\n");
}

void RenderHorizontalList(const Arguments& arguments, std::string* out) {
  for (std::size_t i = 1; i <= arguments.size(); ++i) out->append(i > 1 ? ", " : "").append(arguments[i]);
}

void RenderJoined(const Arguments& arguments, std::string* out) {
  for (std::size_t i = 1; i <= arguments.size(); ++i) out->append(arguments[i]);
}

template <std::size_t index>
void RenderArgument(const Arguments& arguments, std::string* out) {
  *out += arguments[index];
}

void RenderLast(const Arguments& arguments, std::string* out) { *out += arguments.last(); }

void RenderNumber(const Arguments& arguments, std::string* out) { *out += Grouped(arguments[1]); }

void RenderSpace(const Arguments&, std::string* out) { *out += " "; }

void RenderDash(const Arguments&, std::string* out) { *out += " – "; }

void RenderIsotope(const Arguments& arguments, std::string* out) {
  *out += arguments[1];
  if (!arguments[2].empty()) out->append("-").append(arguments[2]);
}

using Renderer = void (*)(const Arguments&, std::string*);

// Templates by how they are rendered. All others are dropped.
const std::vector<std::pair<Renderer, std::vector<std::string_view>>>& TemplatesByRenderer() {
  static const std::vector<std::pair<Renderer, std::vector<std::string_view>>> templates = {
      {RenderConvert, {"convert", "cvt"}},
      {RenderVal, {"val"}},
      {RenderFraction, {"frac", "sfrac"}},
      {RenderNumber, {"formatnum", "nts", "num"}},
      {RenderAsOf, {"as of"}},
      {RenderCirca, {"circa", "c."}},
      {RenderJapanese, {"nihongo"}},
      {RenderQuote, {"quote", "cquote", "quotation", "blockquote", "poemquote"}},
      {RenderHorizontalList, {"hlist", "unbulleted list"}},
      {RenderJoined, {"chem"}},
      {RenderIsotope, {"simplenuclide", "simplenuclide2", "nuclide"}},
      {RenderArgument<2>, {"lang"}},
      {RenderLast, {"transl", "lsj", "columns-list", "eqm"}},
      {RenderArgument<1>, {"nobold",    "nowrap",      "nobr",      "small",   "smaller",        "big",        "larger",
                           "sc",        "smallcaps",   "sup",       "sub",     "math",           "mvar",       "angbr",
                           "abbr",      "tooltip",     "keypress",  "vanchor", "visible anchor", "not a typo", "sic",
                           "railgauge", "track gauge", "plainlist", "flag",    "flagcountry",    "longitem"}},
      {RenderSpace, {"nbsp", "spaces", "space", "pad"}},
      {RenderDash, {"spaced ndash", "spnd", "snd", "ndash", "mdash"}},
  };
  return templates;
}

Renderer RendererOf(std::string_view name) {
  static const std::unordered_map<std::string_view, Renderer> renderers = [] {
    std::unordered_map<std::string_view, Renderer> by_name;
    for (const auto& [renderer, names] : TemplatesByRenderer())
      for (const std::string_view known : names) by_name[known] = renderer;
    return by_name;
  }();
  if (name.starts_with("lang-")) return RenderArgument<1>;  // {{lang-ru|слово}}
  const auto found = renderers.find(name);
  return found == renderers.end() ? nullptr : found->second;
}

}  // namespace

std::string_view Trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

std::string LowerAscii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '_') c = ' ';
  }
  return lower;
}

void RenderTemplate(std::span<const std::string_view> parts, std::string* out) {
  const std::string_view head = Trimmed(parts[0]);
  // A parser function has its first argument after a colon: {{formatnum:12345}}.
  const std::size_t colon = head.find(':');
  constexpr std::size_t kLongestName = 40;
  if (std::min(colon, head.size()) > kLongestName) return;
  const Renderer renderer = RendererOf(LowerAscii(head.substr(0, colon)));
  if (renderer == nullptr) return;
  std::vector<std::string_view> arguments(parts.begin() + 1, parts.end());
  if (colon != std::string_view::npos) arguments.insert(arguments.begin(), head.substr(colon + 1));
  renderer(Arguments(arguments), out);
}

}  // namespace still::shards

#include "shards/text/html_entities.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

namespace still::shards {
namespace {

constexpr std::size_t kLongestReference = 12;

// The names of consecutive code points, in order. A code point without a name has "-".
struct NamedRange {
  char32_t first;
  std::string_view names;
};
constexpr NamedRange kNamedRanges[] = {
    {0x22, "quot"},
    {0x26, "amp"},
    {0x3C, "lt"},
    {0x3E, "gt"},
    {0xA0,
     "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute "
     "micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig "
     "Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash "
     "Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute "
     "ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc "
     "uuml yacute thorn yuml"},
    {0x152, "OElig oelig"},
    {0x160, "Scaron scaron"},
    {0x178, "Yuml"},
    {0x192, "fnof"},
    {0x391,
     "Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho - Sigma Tau Upsilon Phi "
     "Chi Psi Omega"},
    {0x3B1,
     "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigmaf sigma tau upsilon "
     "phi chi psi omega"},
    {0x2002, "ensp emsp"},
    {0x2009, "thinsp"},
    {0x200C, "zwnj zwj lrm rlm"},
    {0x2013, "ndash mdash"},
    {0x2018, "lsquo rsquo sbquo - ldquo rdquo bdquo - dagger Dagger bull"},
    {0x2026, "hellip"},
    {0x2030, "permil - prime Prime"},
    {0x2039, "lsaquo rsaquo"},
    {0x2044, "frasl"},
    {0x20AC, "euro"},
    {0x2122, "trade"},
    {0x2190, "larr uarr rarr darr harr"},
    {0x2200, "forall - part exist - empty - nabla isin notin - ni - - - prod - sum minus"},
    {0x221A, "radic - - prop infin"},
    {0x2227, "and or cap cup int"},
    {0x223C, "sim"},
    {0x2248, "asymp"},
    {0x2260, "ne equiv - - le ge"},
    {0x2282, "sub sup"},
};

using NameTable = std::unordered_map<std::string_view, char32_t>;

NameTable MakeNameTable() {
  NameTable table;
  for (const NamedRange& range : kNamedRanges) {
    char32_t code_point = range.first;
    for (std::string_view rest = range.names; !rest.empty(); ++code_point) {
      const std::string_view name = rest.substr(0, rest.find(' '));
      if (name != "-") table.emplace(name, code_point);
      rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    }
  }
  return table;
}

// Returns the code point of `name`, which stands between & and ;, or 0 when there is no such reference.
char32_t CodePointOf(std::string_view name) {
  if (!name.starts_with('#')) {
    static const NameTable table = MakeNameTable();
    const auto found = table.find(name);
    return found == table.end() ? 0 : found->second;
  }
  name.remove_prefix(1);
  const bool hexadecimal = name.starts_with('x') || name.starts_with('X');
  if (hexadecimal) name.remove_prefix(1);
  std::uint32_t value = 0;
  const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), value, hexadecimal ? 16 : 10);
  const bool surrogate = value >= 0xD800 && value < 0xE000;
  if (error != std::errc() || stop != name.data() + name.size() || surrogate || value > 0x10FFFF) return 0;
  return value;
}

}  // namespace

void AppendUtf8(char32_t code_point, std::string* out) {
  char bytes[U8_MAX_LENGTH];
  std::size_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, code_point);
  out->append(bytes, size);
}

std::size_t DecodeEntity(std::string_view text, std::string* out) {
  if (!text.starts_with('&')) return 0;
  const std::size_t end = text.substr(0, kLongestReference).find(';');
  if (end == std::string_view::npos) return 0;
  const char32_t code_point = CodePointOf(text.substr(1, end - 1));
  if (code_point == 0) return 0;
  AppendUtf8(code_point, out);
  return end + 1;
}

}  // namespace still::shards

#include "shards/text/wikitext.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "shards/text/html_entities.h"
#include "shards/text/wikitext_templates.h"

namespace still::shards {
namespace {

// Limits the depth of frames. A frame copies its text at most once when it closes, so the depth bounds the work. The
// limit of MediaWiki itself is 40.
constexpr std::size_t kDeepestFrame = 40;
constexpr std::size_t kLongestTag = 1000;

// These elements are dropped together with what they enclose.
constexpr std::string_view kDroppedElements[] = {
    "ref",   "math",   "chem",     "ce",       "gallery",    "table",           "timeline",     "score",   "graph",
    "hiero", "source", "imagemap", "mapframe", "references", "syntaxhighlight", "templatedata", "inputbox"};
// The contents of these elements are not wikitext.
constexpr std::string_view kVerbatimElements[] = {"nowiki", "pre"};
constexpr std::string_view kBlockElements[] = {"p",  "div", "li", "ul", "ol", "dl", "dd", "dt",   "blockquote",
                                               "hr", "h1",  "h2", "h3", "h4", "h5", "h6", "poem", "center"};
constexpr std::string_view kExternalSchemes[] = {"http://", "https://", "//", "ftp://", "mailto:", "news:", "irc://"};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool Contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Turns wikitext into text, and keeps line structure and headings for Tidy. Open constructs are frames on an explicit
// stack. The text of a frame is the tail of out_ from Frame::start. It is replaced by its rendering when the frame
// closes.
class Parser {
 public:
  explicit Parser(std::string_view wikitext) : in_(wikitext) { out_.reserve(wikitext.size()); }

  std::string Run() {
    StartLine();
    while (at_ < in_.size()) {
      const std::size_t plain_end = std::min(in_.find_first_of("\n{}[]|<&'_", at_), in_.size());
      out_.append(in_, at_, plain_end - at_);
      at_ = plain_end;
      if (at_ < in_.size()) Markup();
    }
    DropUnclosed();
    return std::move(out_);
  }

 private:
  enum Kind : std::uint8_t { kTemplate, kTable, kLink, kExternalLink, kKinds };
  struct Frame {
    Kind kind;
    std::size_t start;      // in out_
    std::size_t first_bar;  // in bars_
  };

  bool At(std::string_view text) const { return in_.substr(at_).starts_with(text); }
  bool TopIs(Kind kind) const { return !frames_.empty() && frames_.back().kind == kind; }

  // Reads one construct at a character that may be markup.
  void Markup() {
    switch (in_[at_]) {
      case '\n':
        while (TopIs(kExternalLink)) Abandon();
        Literal(1);
        return StartLine();
      case '{':
        if (At("{{")) return Open(kTemplate, 2);
        return Literal(1);
      case '}':
        if (At("}}") && open_[kTemplate] > 0) return CloseTemplate();
        return Literal(1);
      case '[': return OpenBracket();
      case ']': return CloseBracket();
      case '|':
        if (TopIs(kTemplate) || TopIs(kLink)) bars_.push_back(out_.size());
        return Literal(1);
      case '<': return Tag();
      case '&':
        if (const std::size_t size = DecodeEntity(in_.substr(at_), &out_); size > 0) {
          at_ += size;
          return;
        }
        return Literal(1);
      case '\'': return Quotes();
      default: return MagicWord();
    }
  }

  void Literal(std::size_t size) {
    out_.append(in_, at_, size);
    at_ += size;
  }

  // Reads what is markup only at the start of a line. Never loops over more than this line.
  void StartLine() {
    const std::size_t end = std::min(in_.find('\n', at_), in_.size());
    const std::string_view line = Trimmed(in_.substr(at_, end - at_));
    if (line.empty()) {
      while (TopIs(kLink) || TopIs(kExternalLink)) Abandon();
    } else if (line.size() > 4 && line.starts_with("==") && line.ends_with("==")) {
      DropUnclosed();
      if (!out_.empty() && out_.back() != '\n') out_.push_back('\n');
    } else if (const std::size_t indent = std::min(line.find_first_not_of(": "), line.size());
               line.substr(indent).starts_with("{|")) {
      at_ = in_.find("{|", at_);
      Open(kTable, 2);
    } else if (line.starts_with("|}") && open_[kTable] > 0 && (TopIs(kTable) || !line.starts_with("|}}"))) {
      while (!TopIs(kTable)) Abandon();
      at_ = in_.find("|}", at_) + 2;
      Close({});
    }
  }

  void Open(Kind kind, std::size_t markup_size) {
    at_ += markup_size;
    frames_.push_back({kind, out_.size(), bars_.size()});
    ++open_[kind];
  }

  // Forgets the innermost frame. What opened it was not markup, and its text stays.
  void Abandon() {
    --open_[frames_.back().kind];
    bars_.resize(frames_.back().first_bar);
    frames_.pop_back();
  }

  // Replaces the innermost frame by `text`.
  void Close(std::string_view text) {
    const bool too_deep = frames_.size() > kDeepestFrame;
    out_.resize(frames_.back().start);
    if (!too_deep) out_.append(text);
    Abandon();
  }

  // Drops the contents of templates and tables that are still open: they never end, and their contents are not prose.
  void DropUnclosed() {
    const auto first = std::find_if(frames_.begin(), frames_.end(),
                                    [](const Frame& frame) { return frame.kind == kTemplate || frame.kind == kTable; });
    if (first != frames_.end()) out_.resize(first->start);
    frames_.clear();
    bars_.clear();
    open_ = {};
  }

  // Returns the text of the innermost frame, split at its bars.
  std::vector<std::string_view> Parts() const {
    const std::string_view text = out_;
    std::vector<std::string_view> parts;
    std::size_t start = frames_.back().start;
    for (std::size_t i = frames_.back().first_bar; i < bars_.size(); ++i) {
      parts.push_back(text.substr(start, bars_[i] - start));
      start = bars_[i] + 1;
    }
    parts.push_back(text.substr(start));
    return parts;
  }

  void CloseTemplate() {
    while (!TopIs(kTemplate)) Abandon();
    at_ += 2;
    std::string text;
    if (frames_.size() <= kDeepestFrame) RenderTemplate(Parts(), &text);
    Close(text);
  }

  void OpenBracket() {
    if (At("[[")) return Open(kLink, 2);
    for (const std::string_view scheme : kExternalSchemes) {
      if (in_.substr(at_ + 1).starts_with(scheme)) return Open(kExternalLink, 1);
    }
    Literal(1);
  }

  void CloseBracket() {
    if (TopIs(kExternalLink)) {
      at_ += 1;
      return Close(frames_.size() <= kDeepestFrame ? ExternalLinkText() : "");
    }
    if (!At("]]") || !TopIs(kLink)) return Literal(1);
    at_ += 2;
    Close(frames_.size() <= kDeepestFrame ? LinkText() : "");
  }

  // Renders [http://address text] -> text, [http://address] -> nothing.
  std::string ExternalLinkText() const {
    const std::string_view text = std::string_view(out_).substr(frames_.back().start);
    const std::size_t space = text.find_first_of(" \t");
    return space == std::string_view::npos ? "" : std::string(text.substr(space + 1));
  }

  // Renders [[target]] -> target, [[target|text]] -> text. Files, categories and links to other languages give nothing.
  std::string LinkText() const {
    const std::size_t first_bar = frames_.back().first_bar;
    const std::string_view text = std::string_view(out_).substr(frames_.back().start);
    const bool piped = first_bar < bars_.size();
    std::string_view target = Trimmed(piped ? text.substr(0, bars_[first_bar] - frames_.back().start) : text);
    const bool forced_visible = target.starts_with(':');  // [[:Category:Physics]]
    if (forced_visible) target.remove_prefix(1);
    const std::size_t colon = target.find(':');
    if (!forced_visible && colon != std::string_view::npos && colon <= 12) {
      static constexpr std::string_view kHidden[] = {"file", "image", "category", "media"};
      const std::string_view prefix = target.substr(0, colon);
      const bool language = !piped && prefix.size() >= 2 && prefix.size() <= 3 &&
                            std::all_of(prefix.begin(), prefix.end(), [](char c) { return c >= 'a' && c <= 'z'; });
      if (Contains(kHidden, LowerAscii(Trimmed(prefix))) || language) return "";
    }
    return std::string(piped ? text.substr(bars_[first_bar] - frames_.back().start + 1) : target);
  }

  void Tag() {
    if (At("<!--")) {
      const std::size_t end = FindOnce("-->");
      at_ = end == std::string_view::npos ? at_ + 4 : end + 3;
      return;
    }
    const std::string_view window = in_.substr(at_, kLongestTag);
    const bool closing = window.size() > 1 && window[1] == '/';
    const std::size_t name_begin = closing ? 2 : 1;
    const std::size_t end = window.find_first_of("<>", name_begin);
    if (name_begin >= window.size() || !IsLetter(window[name_begin]) || end == std::string_view::npos ||
        window[end] != '>') {
      return Literal(1);
    }
    const std::string_view attributes = window.substr(name_begin, end - name_begin);
    const std::string name = LowerAscii(attributes.substr(0, attributes.find_first_of(" \t\n/")));
    if (name.find(':') != std::string::npos) return Literal(1);  // <http://…>
    at_ += end + 1;
    if (!closing && !attributes.ends_with('/')) {
      if (Contains(kDroppedElements, name)) return Element(name, false);
      if (Contains(kVerbatimElements, name)) return Element(name, true);
    }
    if (name == "br") {
      out_.push_back(' ');
    } else if (Contains(kBlockElements, name)) {
      out_.push_back('\n');
    } else if (name == "sup" && !closing && !out_.empty() && IsDigit(out_.back()) && at_ < in_.size() &&
               (IsDigit(in_[at_]) || At("-") || At("−"))) {
      out_.push_back('^');  // 10<sup>9</sup> is not 109
    }
  }

  // Skips the rest of an element whose opening tag was just read.
  void Element(std::string_view name, bool keep) {
    const std::size_t end = FindOnce("</" + std::string(name));
    if (end == std::string_view::npos) return;
    for (std::size_t i = at_; keep && i < end;) {
      const std::size_t size = DecodeEntity(in_.substr(i, end - i), &out_);
      if (size == 0) out_.push_back(in_[i]);
      i += std::max<std::size_t>(size, 1);
    }
    at_ = std::min(in_.find('>', end), in_.size() - 1) + 1;
  }

  // Returns the place of the next `closer`, which is in lower case, in any case. A closer that was missing once is
  // missing in all text that follows. It is not searched for again, so the search stays linear over the whole text.
  std::size_t FindOnce(const std::string& closer) {
    if (std::find(missing_.begin(), missing_.end(), closer) != missing_.end()) return std::string_view::npos;
    for (std::size_t i = in_.find(closer[0], at_); i != std::string_view::npos; i = in_.find(closer[0], i + 1)) {
      if (LowerAscii(in_.substr(i, closer.size())) == closer) return i;
    }
    missing_.push_back(closer);
    return std::string_view::npos;
  }

  // Drops '' (italic), ''' (bold) and ''''' (both). Other counts leave some apostrophes.
  void Quotes() {
    const std::size_t run = std::min(in_.find_first_not_of('\'', at_), in_.size()) - at_;
    at_ += run;
    if (run == 1 || run == 4) out_.push_back('\'');
    if (run > 5) out_.append(run - 5, '\'');
  }

  void MagicWord() {
    if (!At("__")) return Literal(1);
    const std::string_view window = in_.substr(at_, 40);
    const std::size_t end = window.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 2);
    if (end == std::string_view::npos || end == 2 || !window.substr(end).starts_with("__")) return Literal(2);
    at_ += end + 2;
  }

  std::string_view in_;
  std::size_t at_ = 0;
  std::string out_;
  std::vector<Frame> frames_;
  std::array<std::size_t, kKinds> open_{};  // frames of each kind
  std::vector<std::size_t> bars_;           // positions in out_ of the bars of all frames
  std::vector<std::string> missing_;
};

// Returns the length in bytes of the white space that `text` starts with: space, tab, no-break and thin spaces.
std::size_t SpaceAt(std::string_view text) {
  if (text[0] == ' ' || text[0] == '\t') return 1;
  if (text.starts_with("\u00A0")) return 2;
  if (text.starts_with("\u2009") || text.starts_with("\u202F")) return 3;
  return 0;
}

// Leaves one space between words and none before punctuation. Removes parentheses that are empty because of what was
// dropped.
std::string TidySpacing(std::string_view line) {
  std::string out;
  bool space = false;
  for (std::size_t i = 0; i < line.size();) {
    if (const std::size_t size = SpaceAt(line.substr(i)); size > 0) {
      space = true;
      i += size;
      continue;
    }
    const char c = line[i++];
    const bool after_parenthesis = out.ends_with('(');
    const bool word_ends = i == line.size() || SpaceAt(line.substr(i)) > 0 || line[i] == ')';
    if ((c == ',' || c == ';') && (after_parenthesis || out.ends_with(','))) continue;
    if (c == ')') {
      out.resize(out.find_last_not_of(" ,;") + 1);
      if (out.ends_with('(')) {
        out.pop_back();
        space = out.ends_with(' ');
        while (out.ends_with(' ')) out.pop_back();
        continue;
      }
    }
    const bool attaches = c == ')' || (word_ends && (c == ',' || c == '.' || c == ';' || c == ':'));
    if (space && !out.empty() && !after_parenthesis && !attaches) out.push_back(' ');
    space = false;
    out.push_back(c);
  }
  return out;
}

bool HasWord(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](char c) { return IsLetter(c) || IsDigit(c) || (c & 0x80) != 0; });
}

// Removes line markers, empty lines, and the headings of sections that have no text left.
std::string Tidy(std::string_view text) {
  struct Heading {
    std::size_t level;
    std::string title;
  };
  std::vector<Heading> pending;  // each deeper than the one before
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = Trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('|')) continue;  // a row of a table that was opened by a template
    const std::size_t level = std::min(line.find_first_not_of('='), line.size());
    if (level > 0 && line.size() > 2 * level && line.ends_with('=')) {
      while (!pending.empty() && pending.back().level >= level) pending.pop_back();
      pending.push_back({level, TidySpacing(line.substr(level, line.find_last_not_of('=') + 1 - level))});
      continue;
    }
    line.remove_prefix(std::min(line.find_first_not_of("*#:; "), line.size()));
    const std::string tidy = TidySpacing(line);
    if (!HasWord(tidy)) continue;
    for (const Heading& heading : pending) out.append(heading.title).append("\n");
    pending.clear();
    out.append(tidy).append("\n");
  }
  return out;
}

}  // namespace

std::string PlainText(std::string_view wikitext) { return Tidy(Parser(wikitext).Run()); }

}  // namespace still::shards

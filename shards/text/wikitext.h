// Turns wikitext into readable plain text.
//
// It drops comments, references, mathematics, galleries, tables, files, categories, hatnotes, infoboxes, and every
// template that is not known to carry text or numbers. It keeps paragraphs, headings and list items, one per line and
// without their markers. It keeps the visible text of links, and the numbers of {{convert}}, {{formatnum}} and the
// like.
//
// Templates live on the wiki and not in the page, so none is expanded: wikitext_templates.h knows how common ones read.
// The work is one pass and linear in any input. Malformed markup never fails: it loses its markers. A template or table
// that is never closed loses its contents up to the next heading.
#pragma once

#include <string>
#include <string_view>

namespace still::shards {

// Returns the plain text of `wikitext`, which is UTF-8. Lines end in LF, and there are no blank lines.
std::string PlainText(std::string_view wikitext);

}  // namespace still::shards

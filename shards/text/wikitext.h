// Wikitext to readable plain text.
//
// What goes: comments, references, mathematics, galleries, tables, files, categories, hatnotes, infoboxes and every
// template not known to carry text or numbers. What stays: paragraphs, headings and list items, one a line, without
// their markers; the visible text of links; the numbers of {{convert}}, {{formatnum}} and their like.
//
// Templates live on the wiki, not in the page, so nothing is expanded: wikitext_templates.h knows how the common ones
// read. One pass, linear in the input whatever it contains; malformed markup loses its markers or, where a template or
// table is never closed, its contents up to the next heading, and never fails.
#pragma once

#include <string>
#include <string_view>

namespace still::shards {

// `wikitext` is UTF-8. Lines end in LF; no blank lines.
std::string PlainText(std::string_view wikitext);

}  // namespace still::shards

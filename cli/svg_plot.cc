#include "cli/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "cli/table.h"
#include "cli/text.h"

namespace still::cli {
namespace {

constexpr double kWidth = 960, kMargin = 20, kTitleHeight = 40, kPanelHeight = 260, kAxisSpace = 52;
constexpr double kLegendRow = 18, kBarRow = 24, kBarLabel = 250;
constexpr std::size_t kPointsDrawn = 240, kLegendEntries = 24, kLabelColumns = 32;

// The colours of Okabe and Ito, which colour-blind people tell apart. Black is left to the reference.
constexpr std::array<const char*, 7> kColours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                 "#E69F00", "#56B4E9", "#8A7A00"};
constexpr std::array<const char*, 4> kDashes = {"none", "6 3", "2 2", "8 3 2 3"};

std::string ColourOf(std::size_t i) { return kColours[i % kColours.size()]; }
std::string DashOf(std::size_t i) { return kDashes[i / kColours.size() % kDashes.size()]; }

std::string Xml(const std::string& text) {
  std::string escaped;
  for (const char c : Escaped(text)) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::string TextAt(double x, double y, const char* anchor, const std::string& text, const char* style = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor, style,
                     Xml(text));
}

std::string LineAt(double x1, double y1, double x2, double y2, const char* style) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1, x2, y2, style);
}

constexpr const char* kBold = " font-weight=\"bold\"";
constexpr const char* kGrid = "stroke=\"#ddd\"";
constexpr const char* kAxis = "stroke=\"#333\"";

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void Cover(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // Returns a range that can be drawn: it is neither empty nor without extent.
  Range Usable() const {
    if (low > high) return {0, 1};
    return low == high ? Range{low - 0.5, high + 0.5} : *this;
  }
  double Share(double value) const { return (value - low) / (high - low); }
};

std::string Points(const LineSeries& series, const Range& x, const Range& y, double left, double top, double width,
                   double height) {
  std::string points;
  const std::size_t stride = std::max<std::size_t>(1, series.x.size() / kPointsDrawn);
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (i % stride != 0 && i + 1 != series.x.size()) continue;
    if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) continue;
    points += fmt::format("{}{:.1f},{:.1f}", points.empty() ? "" : " ", left + width * x.Share(series.x[i]),
                          top + height * (1 - y.Share(series.y[i])));
  }
  return points;
}

std::string Panel(const LineChart& chart, double left, double top, double width) {
  Range x, y;
  for (const LineSeries& series : chart.series) {
    for (const double value : series.x) x.Cover(value);
    for (const double value : series.y) y.Cover(value);
  }
  const bool empty = x.low > x.high || y.low > y.high;
  x = x.Usable();
  y = y.Usable();
  const double inner = left + kAxisSpace, inner_width = width - kAxisSpace - 10, bottom = top + kPanelHeight;
  std::string svg = TextAt(inner, top - 10, "start", chart.title, kBold);
  for (const double tick : Ticks(y.low, y.high)) {
    const double at = bottom - kPanelHeight * y.Share(tick);
    svg += LineAt(inner, at, inner + inner_width, at, kGrid) +
           TextAt(inner - 6, at + 4, "end", fmt::format("{:.6g}", tick));
  }
  for (const double tick : Ticks(x.low, x.high)) {
    const double at = inner + inner_width * x.Share(tick);
    svg += LineAt(at, bottom, at, bottom + 4, kAxis) + TextAt(at, bottom + 18, "middle", fmt::format("{:.6g}", tick));
  }
  svg += LineAt(inner, bottom, inner + inner_width, bottom, kAxis) + LineAt(inner, top, inner, bottom, kAxis);
  svg += TextAt(inner + inner_width / 2, bottom + 36, "middle", empty ? "nothing trained yet" : chart.x_title);
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    svg += fmt::format(
        "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\" stroke-dasharray=\"{}\" points=\"{}\"/>\n",
        ColourOf(i), DashOf(i), Points(chart.series[i], x, y, inner, top, inner_width, kPanelHeight));
  }
  return svg;
}

std::string Legend(const LineChart& chart, double top) {
  std::string svg;
  for (std::size_t i = 0; i < std::min(chart.series.size(), kLegendEntries); ++i) {
    const double x = kMargin + kAxisSpace + static_cast<double>(i % 3) * 290;
    const double y = top + static_cast<double>(i / 3) * kLegendRow;
    svg += LineAt(
        x, y - 4, x + 26, y - 4,
        fmt::format("stroke=\"{}\" stroke-width=\"2.5\" stroke-dasharray=\"{}\"", ColourOf(i), DashOf(i)).c_str());
    svg += TextAt(x + 34, y, "start", Clipped(chart.series[i].label, kLabelColumns));
  }
  if (chart.series.size() > kLegendEntries)
    svg += TextAt(kWidth - kMargin, top, "end", fmt::format("and {} more", chart.series.size() - kLegendEntries));
  return svg;
}

std::string Bars(const BarChart& chart, double top) {
  Range range{0, 0};
  for (const Bar& bar : chart.bars) range.Cover(bar.value.value_or(0));
  if (chart.reference) range.Cover(*chart.reference);
  range = range.Usable();
  const double left = kMargin + kBarLabel, width = kWidth - left - kMargin - 60;
  const double height = static_cast<double>(chart.bars.size()) * kBarRow;
  std::string svg = TextAt(left, top - 10, "start", chart.title, kBold);
  for (std::size_t i = 0; i < chart.bars.size(); ++i) {
    const Bar& bar = chart.bars[i];
    const double y = top + static_cast<double>(i) * kBarRow;
    const double length = bar.value && std::isfinite(*bar.value) ? width * range.Share(*bar.value) : 0;
    svg += TextAt(left - 8, y + 16, "end", Clipped(bar.label, kLabelColumns));
    svg += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>\n", left,
                       y + 3, length, kBarRow - 6, ColourOf(i));
    svg += TextAt(left + length + 6, y + 16, "start", bar.value ? fmt::format("{:.4f}", *bar.value) : "not made");
  }
  if (chart.reference) {
    const double x = left + width * range.Share(*chart.reference);
    svg += LineAt(x, top, x, top + height + 4, "stroke=\"#000\" stroke-dasharray=\"4 3\"");
    svg += TextAt(x, top + height + 18, "middle", fmt::format("{} {:.4f}", chart.reference_label, *chart.reference));
  }
  return svg + LineAt(left, top, left, top + height, kAxis);
}

}  // namespace

std::vector<double> Ticks(double low, double high) {
  const double rough = (high - low) / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double digit = rough / power;
  const double step = power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step && ticks.size() < 12; ++k)
    ticks.push_back(k == 0 ? 0 : k * step);
  return ticks;
}

LineSeries Smoothed(const LineSeries& series, std::size_t window) {
  LineSeries smooth{.label = series.label};
  std::vector<double> recent;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.y[i])) continue;
    recent.push_back(series.y[i]);
    if (recent.size() > std::max<std::size_t>(1, window)) recent.erase(recent.begin());
    double sum = 0;
    for (const double value : recent) sum += value;
    smooth.x.push_back(series.x[i]);
    smooth.y.push_back(sum / static_cast<double>(recent.size()));
  }
  return smooth;
}

std::string SvgOf(const std::string& title, const std::vector<LineChart>& lines, const BarChart& bars) {
  const double panels = kTitleHeight + kMargin + 20;
  std::size_t entries = 0;
  for (const LineChart& chart : lines) entries = std::max(entries, std::min(chart.series.size(), kLegendEntries));
  const double legend = panels + kPanelHeight + 66;
  const double bars_top = legend + static_cast<double>((entries + 2) / 3) * kLegendRow + 40;
  const double height = bars_top + static_cast<double>(bars.bars.size()) * kBarRow + 40;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
      kWidth, height);
  svg += TextAt(kMargin, kTitleHeight - 8, "start", title, " font-weight=\"bold\" font-size=\"18\"");
  const double width = (kWidth - 2 * kMargin) / static_cast<double>(std::max<std::size_t>(1, lines.size()));
  for (std::size_t i = 0; i < lines.size(); ++i)
    svg += Panel(lines[i], kMargin + static_cast<double>(i) * width, panels, width);
  if (!lines.empty()) svg += Legend(lines[0], legend);
  return svg + Bars(bars, bars_top) + "</svg>\n";
}

}  // namespace still::cli

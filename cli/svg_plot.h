// Draws the charts of `still report` into one SVG file without a library. The same numbers give the same bytes.
// coordinator/http/charts.js cannot replace it: that code needs a browser's DOM and follows live data and the pointer,
// while a report must show its picture without a script, in Markdown, and without a coordinator.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace still::cli {

struct LineSeries {
  std::string label;
  std::vector<double> x;
  std::vector<double> y;  // NaN: no point
};

struct LineChart {
  std::string title;
  std::string x_title;
  std::vector<LineSeries> series;
};

struct Bar {
  std::string label;
  std::optional<double> value;  // none: an empty bar with the text "not made"
};

struct BarChart {
  std::string title;
  std::vector<Bar> bars;
  std::optional<double> reference;  // drawn as a dashed line across the bars
  std::string reference_label;
};

// Returns an SVG document: the line charts side by side, below them one legend, below that the bars.
std::string SvgOf(const std::string& title, const std::vector<LineChart>& lines, const BarChart& bars);

// Replaces each value by the mean of itself and up to `window` - 1 values before it. Leaves out points that are not
// finite.
LineSeries Smoothed(const LineSeries& series, std::size_t window);

// Returns three to eight round numbers within [low, high], for an axis.
std::vector<double> Ticks(double low, double high);

}  // namespace still::cli

// Charts as SVG: lines over steps and horizontal bars, in one picture, without a library. The text is the same for the
// same numbers.
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
  std::optional<double> value;  // none: an empty bar, "not made"
};

struct BarChart {
  std::string title;
  std::vector<Bar> bars;
  std::optional<double> reference;  // a dashed line across, with its label
  std::string reference_label;
};

// The line charts side by side over one legend, the bars below.
std::string SvgOf(const std::string& title, const std::vector<LineChart>& lines, const BarChart& bars);

// The mean of each value and those up to `window` - 1 before it; points that are not finite are left out.
LineSeries Smoothed(const LineSeries& series, std::size_t window);

// Three to eight round numbers within [low, high], for an axis.
std::vector<double> Ticks(double low, double high);

}  // namespace still::cli

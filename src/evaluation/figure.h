// SPDX-License-Identifier: Apache-2.0
// A figure or table of an evaluation as numbers: ours beside what was published. python/deeptm/draw.py draws its JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace deeptm {

// Bars: `what` is a group, `series` a bar in it. Lines: `what` is a number on the x axis, `series` a line.
enum class Chart : std::uint8_t { kNone, kBars, kLines };

struct FigureRow {
  std::string what, series;
  std::optional<double> ours{}, published{};
  std::optional<double> unfitted{};  // ours on the machine that was not fitted
  std::string note{};                // why a number is not there, or how good a search was
};

struct Figure {
  std::string name, title;  // `name` is that of its files
  std::string kind;         // "simulated" or "measured"
  std::string unit;         // of the numbers
  std::string axis;         // what `what` is
  Chart chart = Chart::kBars;
  std::vector<FigureRow> rows{};
  std::vector<std::string> notes{};  // how to read it, what it does not show
};

nlohmann::json to_json(const Figure& figure);
std::string to_csv(const Figure& figure);
// For people: a line a row, at most `most_rows` of them.
std::string to_text(const Figure& figure, std::size_t most_rows = 200);
// A table with a line for each series and a column for each `what`: "ours / published". Nothing where they are many.
std::string to_markdown(const Figure& figure);

// NAME.json and NAME.csv in the folder.
Result<void> write_figure(const std::filesystem::path& folder, const Figure& figure);

}  // namespace deeptm

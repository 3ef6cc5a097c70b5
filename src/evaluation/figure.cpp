// SPDX-License-Identifier: Apache-2.0
#include "evaluation/figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/csv.h"
#include "base/files.h"
#include "base/json_file.h"

namespace deeptm {
namespace {

constexpr std::array<std::string_view, 3> kCharts = {"none", "bars", "lines"};

nlohmann::json optional(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

std::string shown(const std::optional<double>& value) {
  if (!value) return "-";
  const bool plain = *value == 0.0 || (std::abs(*value) >= 1e-3 && std::abs(*value) < 1e5);
  return plain ? fmt::format("{:.3f}", *value) : fmt::format("{:.3g}", *value);
}

// "0.512 / 0.500"; one of the two where the other is not there.
std::string beside_published(const FigureRow& row) {
  if (!row.published) return shown(row.ours);
  return fmt::format("{} / {}", shown(row.ours), shown(row.published));
}

}  // namespace

nlohmann::json to_json(const Figure& figure) {
  nlohmann::json rows = nlohmann::json::array();
  for (const FigureRow& row : figure.rows) {
    rows.push_back({{"what", row.what},
                    {"series", row.series},
                    {"ours", optional(row.ours)},
                    {"published", optional(row.published)},
                    {"unfitted", optional(row.unfitted)},
                    {"note", row.note}});
  }
  return {{"name", figure.name}, {"title", figure.title}, {"kind", figure.kind},
          {"unit", figure.unit}, {"axis", figure.axis},   {"chart", kCharts[static_cast<std::size_t>(figure.chart)]},
          {"rows", rows},        {"notes", figure.notes}};
}

std::string to_csv(const Figure& figure) {
  std::string text = "what,series,ours,published,unfitted,kind,unit,note\n";
  const auto number = [](const std::optional<double>& value) { return value ? fmt::format("{}", *value) : ""; };
  for (const FigureRow& row : figure.rows) {
    text += fmt::format("{},{},{},{},{},{},{},{}\n", csv_field(row.what), csv_field(row.series), number(row.ours),
                        number(row.published), number(row.unfitted), figure.kind, csv_field(figure.unit),
                        csv_field(row.note));
  }
  return text;
}

std::string to_text(const Figure& figure, std::size_t most_rows) {
  constexpr const char* kLine = "  {:<16} {:<34} {:>10} {:>10} {:>9} {:>10}  {}\n";
  std::string text = fmt::format("{} ({}; {})\n", figure.title, figure.kind, figure.unit);
  text += fmt::format(fmt::runtime(kLine), figure.axis, "", "ours", "published", "differs", "unfitted", "");
  for (std::size_t r = 0; r < std::min(most_rows, figure.rows.size()); ++r) {
    const FigureRow& row = figure.rows[r];
    const std::string differs = row.ours && row.published ? fmt::format("{:+.3g}", *row.ours - *row.published) : "";
    text += fmt::format(fmt::runtime(kLine), row.what, row.series, shown(row.ours), shown(row.published), differs,
                        row.unfitted ? shown(row.unfitted) : "", row.note);
  }
  if (figure.rows.size() > most_rows) text += fmt::format("  ... {} rows\n", figure.rows.size());
  for (const std::string& note : figure.notes) text += fmt::format("  {}\n", note);
  return text;
}

std::string to_markdown(const Figure& figure) {
  constexpr std::size_t kMostColumns = 8;
  std::vector<std::string> columns, lines;
  const auto add = [](std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const FigureRow& row : figure.rows) {
    add(columns, row.what);
    add(lines, row.series);
  }
  if (columns.size() > kMostColumns) return "";
  std::string text = fmt::format("**{}** ({}; {}; ours / published)\n\n| |", figure.title, figure.kind, figure.unit);
  for (const std::string& column : columns) text += fmt::format(" {} |", column);
  text += "\n|---|";
  for (std::size_t c = 0; c < columns.size(); ++c) text += "---|";
  for (const std::string& line : lines) {
    text += fmt::format("\n| {} |", line);
    for (const std::string& column : columns) {
      const auto row = std::find_if(figure.rows.begin(), figure.rows.end(),
                                    [&](const FigureRow& each) { return each.what == column && each.series == line; });
      text += row == figure.rows.end() ? " |" : fmt::format(" {} |", beside_published(*row));
    }
  }
  text += "\n\n";
  for (const std::string& note : figure.notes) text += note + "\n";
  return text + "\n";
}

Result<void> write_figure(const std::filesystem::path& folder, const Figure& figure) {
  if (auto written = write_json(folder / (figure.name + ".json"), to_json(figure)); !written) return written;
  return write_file(folder / (figure.name + ".csv"), to_csv(figure));
}

}  // namespace deeptm

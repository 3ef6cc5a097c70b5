// SPDX-License-Identifier: Apache-2.0
#include "evaluation/figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/files.h"
#include "base/json_file.h"

namespace deeptm {
namespace {

constexpr std::array<std::string_view, 3> kCharts = {"none", "bars", "lines"};

nlohmann::json optional(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

// A field of CSV: quoted where it must be.
std::string field(std::string_view text) {
  if (text.find_first_of(",\"\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string shown(const std::optional<double>& value) {
  if (!value) return "-";
  const bool plain = *value == 0.0 || (std::abs(*value) >= 1e-3 && std::abs(*value) < 1e5);
  return plain ? fmt::format("{:.3f}", *value) : fmt::format("{:.3g}", *value);
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
    text += fmt::format("{},{},{},{},{},{},{},{}\n", field(row.what), field(row.series), number(row.ours),
                        number(row.published), number(row.unfitted), figure.kind, field(figure.unit), field(row.note));
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

Result<void> write_figure(const std::filesystem::path& folder, const Figure& figure) {
  if (auto written = write_json(folder / (figure.name + ".json"), to_json(figure)); !written) return written;
  return write_file(folder / (figure.name + ".csv"), to_csv(figure));
}

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#include "report/run_view.h"

#include <fmt/format.h>

#include "base/bytes.h"

namespace deeptm {
namespace {

using nlohmann::json;

json card(std::string name, std::string value, std::string note) {
  return {{"name", std::move(name)}, {"value", std::move(value)}, {"note", std::move(note)}};
}

std::optional<double> number(const json& object, const char* field) {
  const auto at = object.find(field);
  return at != object.end() && at->is_number() ? std::optional(at->get<double>()) : std::nullopt;
}

std::string text(const json& object, const char* field) {
  const auto at = object.find(field);
  return at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

std::string seconds(double value) {
  return value >= 1 ? fmt::format("{:.3f} s", value) : fmt::format("{:.1f} ms", value * 1e3);
}
std::string bytes(double value) { return format_bytes(static_cast<std::uint64_t>(value)); }
std::string share(double value) { return fmt::format("{:.1f} %", 100 * value); }

json headline(const json& record) {
  json cards = json::array();
  if (const auto performance = number(record, "performance"))
    cards.push_back(
        card("performance", fmt::format("{:.3f}", *performance), "of stock, which has all the memory it wants"));
  if (const auto step = number(record, "step_seconds")) {
    const auto stock = number(record, "step_seconds_stock");
    cards.push_back(card("a step", seconds(*step), stock ? "stock: " + seconds(*stock) : "median"));
  }
  const auto limit = number(record, "fast_limit_bytes"), peak = number(record, "live_peak_bytes");
  if (limit && peak && *peak > 0) {
    cards.push_back(card("fast memory", bytes(*limit),
                         fmt::format("{} of the {} that tensors need", share(*limit / *peak), bytes(*peak))));
    if (*limit < *peak) cards.push_back(card("memory saved", bytes(*peak - *limit), "of tensors, at the peak"));
  }
  const auto in = number(record, "bytes_in_per_step"), out = number(record, "bytes_out_per_step");
  if (in && out) cards.push_back(card("moved a step", bytes(*in) + " in", bytes(*out) + " out"));
  if (const auto wait = number(record, "wait_seconds_per_step"))
    cards.push_back(card("waits a step", seconds(*wait),
                         fmt::format("{:.0f} times", number(record, "waits_per_step").value_or(0))));
  if (const auto same = record.find("bit_identical"); same != record.end() && same->is_boolean())
    cards.push_back(card("results", same->get<bool>() ? "identical" : "DIFFERENT", "to stock, bit by bit"));
  return cards;
}

json row(const char* name, const std::optional<std::string>& predicted, const std::optional<std::string>& measured) {
  json row = {{"name", name}};
  if (predicted) row["predicted"] = *predicted;
  if (measured) row["measured"] = *measured;
  return row;
}

template <class Format>
std::optional<std::string> shown(const std::optional<double>& value, Format format) {
  return value ? std::optional(format(*value)) : std::nullopt;
}

json measured(const json& record, const json& step) {
  const auto predicted = [&](const char* field) { return step.is_object() ? number(step, field) : std::nullopt; };
  json view = {{"rows", json::array()}};
  view["rows"].push_back(
      row("step", shown(predicted("seconds"), seconds), shown(number(record, "step_seconds"), seconds)));
  view["rows"].push_back(
      row("bytes in", shown(predicted("bytes_in"), bytes), shown(number(record, "bytes_in_per_step"), bytes)));
  view["rows"].push_back(
      row("bytes out", shown(predicted("bytes_out"), bytes), shown(number(record, "bytes_out_per_step"), bytes)));
  view["rows"].push_back(row("waits", shown(predicted("stall_seconds"), seconds),
                             shown(number(record, "wait_seconds_per_step"), seconds)));
  const auto step_seconds = predicted("seconds");
  view["predicted_seconds"] = step_seconds ? json(*step_seconds) : json();
  view["step_seconds"] = record.value("each_step_seconds", json::array());
  view["waits"] = record.value("kernel_waits", json::array());
  return view;
}

// Every field, nested ones by "a.b".
void flatten(const json& value, const std::string& name, json& rows) {
  if (value.is_object()) {
    for (const auto& [field, inner] : value.items()) flatten(inner, name.empty() ? field : name + '.' + field, rows);
  } else if (!value.is_null()) {
    rows.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
  }
}

json configuration(const json& record) {
  json rows = json::array();
  for (const char* field : {"command", "config_hash", "config", "slow_tier", "plan", "drift", "machine", "versions"}) {
    if (const auto at = record.find(field); at != record.end()) flatten(*at, field, rows);
  }
  return rows;
}

}  // namespace

Result<RunView> run_view(const json& record, const json& step) {
  for (const char* field : {"kind", "command", "config_hash", "step_seconds"}) {
    if (!record.is_object() || !record.contains(field))
      return fail(fmt::format("{} is missing: not what run or train --json writes", field));
  }
  RunView view;
  view.kind = text(record, "kind");
  view.subtitle = text(record, "command");
  view.headline = headline(record);
  view.measured = measured(record, step);
  view.configuration = configuration(record);
  return view;
}

json planned_headline(const json& step) {
  const double all_fast = step.at("all_fast_seconds").get<double>(), taken = step.at("seconds").get<double>();
  return json::array(
      {card("performance", fmt::format("{:.3f}", all_fast / taken), "of the step with everything in fast memory"),
       card("a step", seconds(taken), "all fast: " + seconds(all_fast)),
       card("fast memory", bytes(step.at("limit").get<double>()), "the limit"),
       card("moved a step", bytes(step.at("bytes_in").get<double>()) + " in",
            bytes(step.at("bytes_out").get<double>()) + " out"),
       card("kernels stand still", seconds(step.at("stall_seconds").get<double>()), "for copies")});
}

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#include "evaluation/capacity_report.h"

#include <fmt/format.h>

#include "base/csv.h"
#include "launch/summary.h"

namespace deeptm {
namespace {

constexpr const char* kLine = "  {:<14} {:<18} {:>6} {:>9}  {:<22} {:>9} {:>8} {:>11} {:>8} {:>9} {:>9} {}\n";

nlohmann::json optional(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

double share_of_peak(const GraphCapacity& graph, const CapacityPoint& point) {
  return static_cast<double>(point.row.fast_bytes) / static_cast<double>(graph.peak_bytes);
}

// Nothing where nothing has a price.
std::optional<double> share_of_dollars(const CapacityCurve& curve, const Row& row) {
  return curve.priced() ? std::optional(row.memory_dollars / curve.all_fast_dollars) : std::nullopt;
}

nlohmann::json to_json(const GraphCapacity& graph, const CapacityCurve& curve, const CapacityPoint& point) {
  const Row& row = point.row;
  nlohmann::json json = {{"machine", curve.machine->name},
                         {"policy", curve.policy},
                         {"fast_bytes", row.fast_bytes},
                         {"fast_share", share_of_peak(graph, point)}};
  if (!point.planned()) {
    json["error"] = row.error.empty() ? "ignores the limit" : row.error;
    return json;
  }
  nlohmann::json tiers = nlohmann::json::object();
  for (std::size_t t = 0; t < row.tier_bytes.size(); ++t) tiers[curve.machine->tiers[t].name] = row.tier_bytes[t];
  json.update({{"tier_bytes", tiers},
               {"dollars", row.memory_dollars},
               {"share_of_all_fast_dollars", optional(share_of_dollars(curve, row))},
               {"performance", row.performance},
               {"step_seconds", row.step_seconds},
               {"verified", row.verified},
               {"on_frontier", point.on_frontier},
               {"next_gib", nullptr}});
  if (point.next) {
    json["next_gib"] = {{"performance", point.next->performance},
                        {"dollars", point.next->dollars},
                        {"dollars_per_point", optional(point.next->dollars_per_point())}};
  }
  return json;
}

nlohmann::json to_json(const GraphCapacity& graph, double target) {
  nlohmann::json points = nlohmann::json::array(), curves = nlohmann::json::array();
  for (const CapacityCurve& curve : graph.curves) {
    const auto point = [&](const std::optional<std::size_t>& p) {
      return p ? to_json(graph, curve, curve.points[*p]) : nlohmann::json();
    };
    curves.push_back({{"machine", curve.machine->name},
                      {"policy", curve.policy},
                      {"all_fast_dollars", curve.all_fast_dollars},
                      {"all_fast_step_seconds", curve.all_fast_seconds},
                      {"least", point(curve.least)},
                      {"cheapest", point(curve.cheapest)},
                      {"falls_below_again", curve.falls_below_again(target)}});
    for (std::size_t p = 0; p < curve.points.size(); ++p) points.push_back(point(p));
  }
  nlohmann::json bounds = nlohmann::json::array();
  for (const CapacityBound& bound : graph.bounds) {
    const bool there = bound.note.empty();
    bounds.push_back({{"machine", bound.machine->name},
                      {"more_than_bytes", there ? nlohmann::json(bound.bytes) : nlohmann::json()},
                      {"dollars", there ? nlohmann::json(bound.dollars) : nlohmann::json()},
                      {"note", bound.note}});
  }
  return {{"graph", graph.graph.name},
          {"batch", graph.graph.batch},
          {"peak_bytes", graph.peak_bytes},
          {"curves", curves},
          {"points", points},
          {"bounds", bounds},
          {"cheapest", graph.cheapest ? curves[*graph.cheapest]["cheapest"] : nlohmann::json()}};
}

// "pm 12.1 GiB", and so on for each slow tier that is used.
std::string slow_memory(const CapacityCurve& curve, const Row& row) {
  std::string text;
  for (std::size_t t = 1; t < row.tier_bytes.size(); ++t) {
    if (row.tier_bytes[t] == 0) continue;
    text +=
        fmt::format("{}{} {}", text.empty() ? "" : ", ", curve.machine->tiers[t].name, format_bytes(row.tier_bytes[t]));
  }
  return text;
}

std::string percent(double share) { return fmt::format("{:.1f}%", 100 * share); }

std::string table_line(const GraphCapacity& graph, const CapacityCurve& curve, std::size_t p) {
  const CapacityPoint& point = curve.points[p];
  const Row& row = point.row;
  const std::string share = percent(share_of_peak(graph, point)), bytes = format_bytes(row.fast_bytes);
  if (!point.planned()) {
    return fmt::format("  {:<14} {:<18} {:>6} {:>9}  {}\n", curve.machine->name, curve.policy, share, bytes,
                       row.error.empty() ? "ignores the limit" : row.error);
  }
  const auto a_point = point.next && curve.priced() ? point.next->dollars_per_point() : std::nullopt;
  return fmt::format(fmt::runtime(kLine), curve.machine->name, curve.policy, share, bytes, slow_memory(curve, row),
                     curve.priced() ? fmt::format("{:.2f}", row.memory_dollars) : "",
                     curve.priced() ? percent(*share_of_dollars(curve, row)) : "",
                     fmt::format("{:.3f}", row.performance), format_seconds(row.step_seconds),
                     point.next ? fmt::format("{:+.4f}", point.next->performance) : "",
                     a_point ? fmt::format("{:.2f}", *a_point) : "",
                     fmt::format("{}{}", point.on_frontier && curve.priced() ? "*" : " ", curve.least == p ? "<" : ""));
}

std::string described(const GraphCapacity& graph, const CapacityCurve& curve, std::size_t p) {
  const CapacityPoint& point = curve.points[p];
  const auto share = share_of_dollars(curve, point.row);
  const std::string dollars =
      share ? fmt::format("${:.2f}, {} of everything fast; ", point.row.memory_dollars, percent(*share)) : "";
  return fmt::format("{} ({} of the peak) on {} by {}: {}performance {:.3f}", format_bytes(point.row.fast_bytes),
                     percent(share_of_peak(graph, point)), curve.machine->name, curve.policy, dollars,
                     point.row.performance);
}

std::string described(const GraphCapacity& graph, const CapacityBound& bound) {
  if (!bound.note.empty()) return fmt::format("  bound: none on {}: {}\n", bound.machine->name, bound.note);
  const double share = static_cast<double>(bound.bytes) / static_cast<double>(graph.peak_bytes);
  return fmt::format("  bound: every plan needs more than {} ({} of the peak) on {}{}\n", format_bytes(bound.bytes),
                     percent(share), bound.machine->name,
                     bound.dollars > 0 ? fmt::format(", and ${:.2f}", bound.dollars) : "");
}

std::string conclusions(const GraphCapacity& graph, double target) {
  std::string text;
  for (const CapacityCurve& curve : graph.curves) {
    if (!curve.least) {
      text += fmt::format("  least: not reached on {} by {} at these sizes\n", curve.machine->name, curve.policy);
      continue;
    }
    text += fmt::format("  least: {}\n", described(graph, curve, *curve.least));
    if (curve.falls_below_again(target)) {
      text += "    a larger size is below the target again: keep the plan of this one there\n";
    }
  }
  for (const CapacityBound& bound : graph.bounds) text += described(graph, bound);
  if (graph.cheapest && graph.curves[*graph.cheapest].priced()) {
    const CapacityCurve& curve = graph.curves[*graph.cheapest];
    text += fmt::format("  cheapest: {}\n", described(graph, curve, *curve.cheapest));
  }
  return text;
}

std::string table(const GraphCapacity& graph, double target) {
  std::string text =
      fmt::format("{}{}: {} of tensors at the peak; target {} of the speed with all of it fast\n", graph.graph.name,
                  graph.graph.batch != 0 ? fmt::format(", batch {}", graph.graph.batch) : "",
                  format_bytes(graph.peak_bytes), percent(target));
  text += fmt::format(fmt::runtime(kLine), "machine", "policy", "fast", "", "slow", "dollars", "of all", "performance",
                      "step", "next GiB", "$ a point", "");
  for (const CapacityCurve& curve : graph.curves) {
    for (std::size_t p = 0; p < curve.points.size(); ++p) text += table_line(graph, curve, p);
  }
  return text + conclusions(graph, target);
}

}  // namespace

nlohmann::json to_json(const std::vector<GraphCapacity>& graphs, const CapacityRequest& request) {
  nlohmann::json of_graphs = nlohmann::json::array(), of_all = nlohmann::json::array();
  for (const GraphCapacity& graph : graphs) of_graphs.push_back(to_json(graph, request.target));
  for (const LeastForAll& least : least_for_all(graphs)) {
    of_all.push_back({{"machine", least.machine},
                      {"policy", least.policy},
                      {"least_fast_bytes", least.bytes ? nlohmann::json(*least.bytes) : nlohmann::json()},
                      {"graph", least.graph}});
  }
  nlohmann::json prices = nlohmann::json::object();
  for (const auto& machine : request.machines) {
    for (const MachineTier& tier : machine->tiers) prices[machine->name][tier.name] = tier.price_per_gb;
  }
  return {{"kind", "simulated"},      {"mode", to_string(request.mode)},
          {"target", request.target}, {"tolerance", request.tolerance},
          {"prices_per_gb", prices},  {"graphs", of_graphs},
          {"all_graphs", of_all}};
}

std::string to_csv(const std::vector<GraphCapacity>& graphs) {
  std::string text =
      "graph,batch,machine,policy,fast_bytes,fast_share,performance,step_seconds,dollars,on_frontier,least,error\n";
  for (const GraphCapacity& graph : graphs) {
    for (const CapacityCurve& curve : graph.curves) {
      for (std::size_t p = 0; p < curve.points.size(); ++p) {
        const CapacityPoint& point = curve.points[p];
        const Row& row = point.row;
        const auto number = [&](double value) { return point.planned() ? fmt::format("{}", value) : ""; };
        text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{}\n", csv_field(graph.graph.name), graph.graph.batch,
                            csv_field(curve.machine->name), csv_field(curve.policy), row.fast_bytes,
                            share_of_peak(graph, point), number(row.performance), number(row.step_seconds),
                            number(row.memory_dollars), point.on_frontier, curve.least == p, csv_field(row.error));
      }
    }
  }
  return text;
}

std::string to_text(const std::vector<GraphCapacity>& graphs, const CapacityRequest& request) {
  std::string text;
  for (const GraphCapacity& graph : graphs) text += table(graph, request.target) + "\n";
  if (graphs.size() > 1) {
    for (const LeastForAll& least : least_for_all(graphs)) {
      text += fmt::format("least for all graphs on {} by {}: {} ({})\n", least.machine, least.policy,
                          least.bytes ? format_bytes(*least.bytes) : "not reached", least.graph);
    }
    text += "\n";
  }
  return text + fmt::format(
                    "Simulated. *: on the frontier of dollars and step time. <: the least that reaches the target, to "
                    "{} of the peak.\nDollars: of the fast limit and of the slow memory that the plan needs.\n",
                    percent(request.tolerance));
}

}  // namespace deeptm

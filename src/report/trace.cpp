// SPDX-License-Identifier: Apache-2.0
#include "report/trace.h"

#include <array>
#include <string>

#include "simulator/simulator.h"

namespace deeptm {
namespace {

using nlohmann::json;

// Rows of the picture.
enum Track : int { kKernels = 1, kStalls, kIn, kOut };
constexpr std::array<std::pair<Track, const char*>, 4> kTracks = {
    {{kKernels, "kernels"}, {kStalls, "stalls"}, {kIn, "copies in"}, {kOut, "copies out"}}};

json complete(Track track, std::string name, const char* category, const Span& span) {
  return {{"ph", "X"},
          {"pid", 1},
          {"tid", track},
          {"name", std::move(name)},
          {"cat", category},
          {"ts", span.start * 1e6},
          {"dur", (span.end - span.start) * 1e6}};
}

json named(const char* what, int thread, const std::string& name) {
  return {{"ph", "M"}, {"pid", 1}, {"tid", thread}, {"name", what}, {"args", {{"name", name}}}};
}

json counters(const Machine& machine, const Timeline& timeline, KernelIndex k) {
  json bytes = json::object();
  const std::size_t tiers = machine.tiers.size();
  for (std::size_t t = 0; t < tiers; ++t) bytes[machine.tiers[t].name] = timeline.occupancy[k * tiers + t];
  return {
      {"ph", "C"}, {"pid", 1}, {"name", "bytes"}, {"ts", timeline.kernels[k].start * 1e6}, {"args", std::move(bytes)}};
}

}  // namespace

json trace(const StepGraph& graph, const Machine& machine, const StepCosts& costs, const Plan& plan) {
  const Timeline timeline = simulate(graph, machine, costs, plan);
  json events = json::array();
  events.push_back(named("process_name", 0, "a step by " + plan.policy + " on " + machine.name + " (simulated)"));
  for (const auto& [track, name] : kTracks) events.push_back(named("thread_name", track, name));
  double before = 0.0;
  for (KernelIndex k = 0; k < graph.kernels.size(); ++k) {
    const Span& span = timeline.kernels[k];
    if (span.start > before)
      events.push_back(complete(kStalls, "before " + graph.kernels[k].name, "stall", {before, span.start}));
    json kernel = complete(kKernels, graph.kernels[k].name, "kernel", span);
    kernel["args"] = {{"kernel", k}, {"type", graph.kernels[k].type}};
    events.push_back(std::move(kernel));
    events.push_back(counters(machine, timeline, k));
    before = span.end;
  }
  for (std::size_t m = 0; m < plan.moves.size(); ++m) {
    const Move& move = plan.moves[m];
    if (move.drop || (move.from != 0 && move.to != 0)) continue;
    json copy = complete(move.to == 0 ? kIn : kOut, graph.tensors[move.tensor].name, "copy", timeline.moves[m]);
    copy["args"] = {{"bytes", move.bytes()}, {"from_boundary", move.start}, {"due_before_kernel", move.deadline}};
    events.push_back(std::move(copy));
  }
  return {{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}, {"otherData", {{"kind", "simulated"}}}};
}

}  // namespace deeptm

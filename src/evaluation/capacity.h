// SPDX-License-Identifier: Apache-2.0
// How much of which memory to buy for training steps: performance and dollars over sizes of fast memory, policies and
// machines, each point planned, verified and simulated.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "evaluation/evaluation.h"

namespace deeptm {

struct CapacityRequest {
  struct Graph {  // of the evaluation
    std::string name;
    std::uint32_t batch = 0;
  };
  std::vector<Graph> graphs;
  std::vector<std::shared_ptr<const Machine>>
      machines;                       // each with prices of all its tiers, or of none; no two of one name
  std::vector<std::string> policies;  // that work in the mode
  CopyMode mode = CopyMode::kSync;
  std::vector<FastLimit> sizes;  // of fast memory; at most the peak and what the machine takes
  double target = 0.9;           // performance
  double tolerance = 0.005;      // of the least size that reaches it, as a share of the peak
  bool bounded = false;          // with what no plan can do without
};

// What another GiB of fast memory adds, and what it costs when as much slow memory is not bought.
struct NextGiB {
  double performance = 0.0, dollars = 0.0;

  std::optional<double> dollars_per_point() const;  // a point is 0.01; nothing where there is no gain
};

struct CapacityPoint {
  Row row;                   // `error`: nothing else counts
  bool on_frontier = false;  // no other point of the graph costs less and is as fast, or is faster at that price
  std::optional<NextGiB> next{};

  bool planned() const { return row.error.empty() && !row.ignores_limit; }
};

// A policy on a machine.
struct CapacityCurve {
  std::shared_ptr<const Machine> machine;
  std::string policy;
  double all_fast_dollars = 0.0, all_fast_seconds = 0.0;  // with everything in fast memory
  std::vector<CapacityPoint> points{};                    // by size of fast memory
  std::optional<std::size_t> least{}, cheapest{};         // of the points that reach the target

  bool priced() const { return all_fast_dollars > 0; }
  // Larger than the least, and below the target: there the plan of the least is the better one, and fits.
  bool falls_below_again(double target) const;
};

// No plan whatever reaches the target on a machine with `bytes` of fast memory, and so none costs less than `dollars`,
// as the peak's other bytes have to be somewhere.
struct CapacityBound {
  std::shared_ptr<const Machine> machine;
  std::uint64_t bytes = 0;
  double dollars = 0.0;
  std::string note{};  // why there is none
};

struct GraphCapacity {
  CapacityRequest::Graph graph;
  std::uint64_t peak_bytes = 0;
  std::vector<CapacityCurve> curves{};    // by machine, then policy
  std::vector<CapacityBound> bounds{};    // by machine, where they were asked for
  std::optional<std::size_t> cheapest{};  // the curve whose cheapest is the cheapest of all
};

// Asks for every size of every curve, then bisects between the smallest that reaches the target and the one before it.
// Deterministic. Fails as Evaluation::ask() does, and where the program lacks a policy.
Result<std::vector<GraphCapacity>> plan_capacity(Evaluation& evaluation, const CapacityRequest& request);

// The least fast memory with which a policy reaches the target for every graph.
struct LeastForAll {
  std::string machine, policy;
  std::optional<std::uint64_t> bytes{};  // nothing: one of them does not reach it
  std::string graph{};                   // the one that needs the most, or does not reach it
};
std::vector<LeastForAll> least_for_all(const std::vector<GraphCapacity>& graphs);

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
// A step on a machine, with a fast limit: what policies plan for.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"
#include "optimizer/policy.h"
#include "simulator/verifier.h"

namespace deeptm {

// A graph on a machine, ready for policies.
struct Setting {
  StepGraph graph;
  Machine machine;
  StepCosts costs;

  Problem problem(std::uint64_t fast_bytes, CopyMode mode) const { return {graph, machine, costs, fast_bytes, mode}; }
};

// A step graph's file; with a batch other than 0 it is scaled to it.
Result<StepGraph> load_graph(const std::string& file, std::uint32_t batch);
Setting setting_of(StepGraph graph, Machine machine);
// The same with a machine's name or file.
Result<Setting> load_setting(const std::string& graph_file, const std::string& machine, std::uint32_t batch);

// Of all of a setting that a plan or its price depends on.
Fnv hash_of(const Setting& setting);

// What a policy did whose plan has this fault: a slow tier that is too small is not the policy's.
std::string_view complaint(const Fault& fault);

// Bytes, or a share of the graph's peak of live tensors.
std::uint64_t fast_bytes_of(const FastLimit& limit, const StepGraph& graph);

}  // namespace deeptm

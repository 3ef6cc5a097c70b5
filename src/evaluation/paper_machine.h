// SPDX-License-Identifier: Apache-2.0
// The machine of the DeepTM paper as far as it is unknown: constants that it does not print, and the search for those
// that explain what it measured of others' policies (first touch, AutoTM, Sentinel). Its own policies are not looked
// at, so that what the found machine says of them is a prediction. No constant is of one policy or one model.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "evaluation/minimise.h"
#include "evaluation/setting.h"

namespace deeptm {

// A free number of a machine: what it is, between which values it is physical, and why there.
struct FreeConstant {
  std::string_view name, unit;
  Range range;
  std::string_view why;
};
inline constexpr std::size_t kFreeConstants = 6;
// FLOP/s; bytes per second of all of a kernel's threads from and to either tier; seconds of a read of a micro tensor in
// the slow tier, where a write keeps the ratio that the machine had.
using Constants = std::array<double, kFreeConstants>;
using FreeConstants = std::array<FreeConstant, kFreeConstants>;

// Synchronous: kernels on the CPU; asynchronous: on the GPU.
const FreeConstants& free_constants(CopyMode mode);

// Of the machine as it is; what leaves the range is its end.
Constants constants_of(const Machine& machine, const FreeConstants& free);
// The machine with these: curves by threads are scaled as wholes, copies stay as they are.
Machine with_constants(const Machine& machine, const Constants& constants);

// A measured performance, and the plan that ours is to be had with.
struct Target {
  std::shared_ptr<const StepGraph> graph;
  std::shared_ptr<const Plan> plan;
  double performance = 0.0;
};

struct Fit {
  Constants constants{};
  double rms = 0.0;  // root mean square of what ours differs by
  int evaluations = 0;
};

class MachineFit {
 public:
  MachineFit(Machine base, const FreeConstants& free, unsigned jobs);

  // Ours of each target on the base with these constants.
  std::vector<double> performances(const Constants& constants, const std::vector<Target>& targets) const;

  // The least root mean square: the downhill simplex over the constants' logarithms from each start, until `is_off`, if
  // given, says that nobody wants to know any more. Plans are taken as they are, whatever the constants.
  Fit fit(const std::vector<Target>& targets, const std::vector<Constants>& starts,
          const std::function<bool()>& is_off = {}) const;
  // Two that are always the same, a third of each range (of its logarithms) from either end.
  std::vector<Constants> fixed_starts() const;

  // The nearest that any constants in range bring ours to each target alone, as ours.
  std::vector<double> nearest(const std::vector<Target>& targets, const Constants& start) const;

 private:
  std::vector<Range> box() const;
  double mean_square(const Constants& constants, const std::vector<Target>& targets) const;

  Machine base_;
  const FreeConstants& free_;
  unsigned jobs_;
};

}  // namespace deeptm

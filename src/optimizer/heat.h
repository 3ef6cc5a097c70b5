// SPDX-License-Identifier: Apache-2.0
// The DeepTM paper's heat of tensors ("Optimizer"): four characteristics of what is alive, each brought to 0..1 between
// its least and its most, weighed:
//
//     H = w_f frequency - w_r recency - w_s size + w_l lifetime        hot when H >= 0
//
// and its Algorithm 1, which changes weights from kernel to kernel so that what is hot fills fast memory.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "optimizer/policy.h"
#include "optimizer/upcoming.h"

namespace deeptm {

enum Characteristic : std::uint8_t { kFrequency, kRecency, kSize, kLifetime };
using HeatWeights = std::array<double, 4>;  // by characteristic

// Of the living tensors of one moment: their characteristics, brought to 0..1, and bytes. Columns of equal length.
struct LivingTensors {
  std::array<std::vector<double>, 4> characteristics;
  std::vector<double> bytes;

  std::array<double, 4> of(std::size_t i) const {
    return {characteristics[0][i], characteristics[1][i], characteristics[2][i], characteristics[3][i]};
  }
};

struct HeatOptions {
  HeatWeights weights = {1, 1, 1, 1};  // to start with; 0: does not count, and stays 0
  bool adapts = true;                  // Algorithm 1
  // Th is not 0 but what the last tensor has that fits when the hottest come first: for a characteristic alone, of
  // which no weight changes the sign.
  bool ranked = false;
  // The paper's formula adds lifetime, its text wants long-lived tensors in slow memory: then it is subtracted.
  bool lifetime_cools = false;
};

inline double heat_of(const HeatWeights& weights, const std::array<double, 4>& of, bool lifetime_cools) {
  const double lifetime = weights[kLifetime] * of[kLifetime];
  return weights[kFrequency] * of[kFrequency] - weights[kRecency] * of[kRecency] - weights[kSize] * of[kSize] +
         (lifetime_cools ? -lifetime : lifetime);
}

// Algorithm 1 for one kernel: while the hot bytes are at or outside 0.9 and 1.1 of `fast_bytes`, the weight of size
// (where at least 2.5 times as much lives) or else of recency grows or shrinks by 2 %. As printed it need not end: it
// ends after kMostWeightChanges, or where the weight leaves 0.01..100, and then answers false.
inline constexpr int kMostWeightChanges = 200;
bool adapt_weights(const LivingTensors& living, double fast_bytes, bool lifetime_cools, HeatWeights& weights);

// Heat at every boundary of a step. What is alive in kernel b counts at boundary b; its uses count from kernel b on.
class HeatTrace {
 public:
  // Only tensors of `counted` (by tensor) count; `problem.fast_bytes` is theirs. O(kernels * tensors alive).
  HeatTrace(const Problem& problem, const TensorUses& uses, const std::vector<bool>& counted,
            const HeatOptions& options = {});

  // H - Th: hot from 0 on. `upcoming` stands at the boundary. Constant time.
  double heat(TensorIndex t, const Upcoming& upcoming) const;
  // More is alive in this kernel than fits.
  bool crowded(std::uint32_t kernel) const { return at_[kernel].crowded; }
  const HeatWeights& weights(std::uint32_t boundary) const { return at_[boundary].weights; }
  // Kernels at which Algorithm 1 was ended without success.
  std::uint32_t given_up() const { return given_up_; }

 private:
  struct Moment {
    HeatWeights weights{};
    std::array<double, 4> least{}, range{};  // of characteristics; range 0: all are equal
    double threshold = 0.0;
    bool crowded = false;
  };
  std::array<double, 4> raw(TensorIndex t, const Upcoming& upcoming) const;
  static double scaled(const Moment& moment, std::size_t c, double value);
  double threshold(const HeatWeights& weights, double fast_bytes) const;
  void measure(const std::vector<TensorIndex>& living, const Upcoming& upcoming, Moment& moment);

  const StepGraph& graph_;
  HeatOptions options_;
  std::vector<Moment> at_;
  LivingTensors living_;  // of the boundary that is measured
  std::uint32_t given_up_ = 0;
};

}  // namespace deeptm

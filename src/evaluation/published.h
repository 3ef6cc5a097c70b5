// SPDX-License-Identifier: Apache-2.0
// What the DeepTM paper prints (H. Zhou et al., IEEE TPDS 35(11):1920-1935, 2024, doi 10.1109/TPDS.2024.3431910). Bars
// and curves were read off its figures, to two or three points.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "plan/plan.h"

namespace deeptm::published {

// The order of every table below, and the names of the step graphs.
inline constexpr std::array<std::string_view, 5> kModels = {"vgg19", "alexnet", "mobilenet", "inception_v4",
                                                            "resnet152"};
using ByModel = std::array<double, kModels.size()>;

inline constexpr std::string_view kAutoTmSync = "autotm-sync", kAutoTmAsync = "autotm-async";

// A row of a figure whose columns are models; the policy by our name.
struct OfPolicy {
  std::string_view policy;
  ByModel values{};
};

// Its figure 14: performance with a fifth of the peak in DRAM, batch 512. DeepTM's own rows come first.
std::span<const OfPolicy> performance(CopyMode mode);
inline constexpr std::size_t kOwnRows = 2;

// Its table I. Peaks in GB, batch 128 and 512.
struct Counts {
  std::uint32_t kernels, tensors;
  double peak_128, peak_512;
};
std::span<const Counts, kModels.size()> counts();

// Its figure 15, batch 512: seconds and GB of planning.
std::span<const OfPolicy> planning_seconds();
std::span<const OfPolicy> planning_gigabytes();

// Its figure 17: least DRAM, as a share of the peak, for 90 % of the speed of unlimited DRAM. Batch 128 or 512.
std::span<const OfPolicy> least_fast_share(std::uint32_t batch);

// Its figure 16: seconds of a run and dollars of memory, at kFigurePrice per GB of DRAM and not its text's kTextPrice.
struct Bill {
  std::string_view policy;  // empty: a bar whose label we do not trust
  ByModel seconds{}, dollars{};
};
std::span<const Bill> bills();
inline constexpr double kTextPrice = 23.81, kFigurePrice = 16.61, kSlowPrice = 7.85;
// Its text: saved by beta .25, .5, .75 against DRAM and PM at 1:4.
inline constexpr std::array<double, 3> kSavedByBeta = {0.242, 0.201, 0.064};
inline constexpr double kSavedAtEqualSpeed = 0.29;  // against AutoTM

// Its figure 18: bandwidth that copies reach of their path's best, ResNet152, kernels 800 to 1130.
inline constexpr double kUtilisationTogether = 0.80, kUtilisationApart = 0.40;  // its text: "above", "about"

// Its figure 3 and text: ResNet152, batch 128, AutoTM, a quarter of the peak: seconds of a step, and without the
// latency of micro tensors in persistent memory.
inline constexpr double kMicroSeconds = 2.47, kMicroIdealSeconds = 1.96;

// What a table has for a policy and a model, if it does.
std::optional<double> value_of(std::span<const OfPolicy> rows, std::string_view policy, std::string_view model);

// The number of a model in kModels; their count if it is none of them.
std::size_t model_index(std::string_view model);

}  // namespace deeptm::published

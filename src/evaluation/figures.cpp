// SPDX-License-Identifier: Apache-2.0
#include "evaluation/figures.h"

#include <array>

namespace deeptm {
namespace {

constexpr std::array<FigureGroup, 9> kGroups = {{
    {"models", "kernels, tensors, peaks (table I)", model_counts, true},
    {"performance", "policies at fast:slow = 1:4 (figure 14)", performance_figures, true},
    {"ablations", "parts of DeepTM left out", ablation_figures, true},
    {"ratio", "how much of the peak is fast (ours)", ratio_figures, true},
    {"micro", "what micro tensors cost (figure 3)", micro_tensor_figures, true},
    {"utilisation", "bandwidth that copies reach (figure 18)", utilisation_figures, true},
    {"planning", "time and memory of planning (figure 15)", planning_figures, true},
    {"least-fast", "least fast memory for 90 % of the speed (figure 17)", least_fast_figures, false},
    {"cost", "price of memory (figure 16)", cost_figures, false},
}};

}  // namespace

std::span<const FigureGroup> figure_groups() { return kGroups; }

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
// The tables and figures of the DeepTM paper's evaluation, each made anew on the fitted machines.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "evaluation/evaluation.h"
#include "evaluation/figure.h"
#include "evaluation/fit_stage.h"

namespace deeptm {

struct Testbeds {
  FittedTestbed cpu;                 // copies between kernels
  std::optional<FittedTestbed> gpu;  // beside them

  std::vector<const FittedTestbed*> all() const { return gpu ? std::vector{&cpu, &*gpu} : std::vector{&cpu}; }
};

// Each fails as Evaluation::ask() does.
using MakeFigures = Result<std::vector<Figure>> (*)(Evaluation&, const Testbeds&);

Result<std::vector<Figure>> model_counts(Evaluation& evaluation, const Testbeds& on);          // table I
Result<std::vector<Figure>> performance_figures(Evaluation& evaluation, const Testbeds& on);   // figure 14
Result<std::vector<Figure>> ablation_figures(Evaluation& evaluation, const Testbeds& on);      // parts left out
Result<std::vector<Figure>> ratio_figures(Evaluation& evaluation, const Testbeds& on);         // ours: the share varied
Result<std::vector<Figure>> micro_tensor_figures(Evaluation& evaluation, const Testbeds& on);  // figure 3, section III
Result<std::vector<Figure>> utilisation_figures(Evaluation& evaluation, const Testbeds& on);   // figure 18
Result<std::vector<Figure>> planning_figures(Evaluation& evaluation, const Testbeds& on);      // figure 15
Result<std::vector<Figure>> least_fast_figures(Evaluation& evaluation, const Testbeds& on);    // figure 17
Result<std::vector<Figure>> cost_figures(Evaluation& evaluation, const Testbeds& on);          // figure 16

struct FigureGroup {
  std::string_view name, summary;
  MakeFigures make;
  bool quick;  // part of a quick evaluation
};
std::span<const FigureGroup> figure_groups();

}  // namespace deeptm

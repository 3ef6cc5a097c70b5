// SPDX-License-Identifier: Apache-2.0
#include "optimizer/linear_program.h"

#include <fmt/format.h>
#include <highs/interfaces/highs_c_api.h>

#include <algorithm>
#include <memory>

namespace deeptm {
namespace {

void called_back(int type, const char*, const HighsCallbackDataOut* out, HighsCallbackDataIn* in, void* given) {
  const auto& limits = *static_cast<const LinearProgram::Limits*>(given);
  if (type == kHighsCallbackMipLogging) {
    limits.progress(out->running_time, out->mip_gap);
  } else if (limits.stop()) {
    in->user_interrupt = 1;
  }
}

}  // namespace

LinearProgram::Column LinearProgram::add_column(double cost, double lower, double upper) {
  cost_.push_back(cost);
  lower_.push_back(lower);
  upper_.push_back(upper);
  return static_cast<Column>(cost_.size()) - 1;
}

LinearProgram::Column LinearProgram::add_binary(double cost) {
  const Column column = add_column(cost, 0.0, 1.0);
  integrality_.resize(columns(), kHighsVarTypeContinuous);
  integrality_.back() = kHighsVarTypeInteger;
  return column;
}

void LinearProgram::add_row(double lower, const std::vector<Term>& terms, double upper) {
  row_start_.push_back(static_cast<int>(column_.size()));
  row_lower_.push_back(lower);
  row_upper_.push_back(upper);
  // HiGHS refuses a column twice in a row.
  std::vector<Term> sorted = terms;
  std::sort(sorted.begin(), sorted.end(), [](const Term& a, const Term& b) { return a.column < b.column; });
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i > 0 && sorted[i].column == sorted[i - 1].column) {
      factor_.back() += sorted[i].factor;
    } else {
      column_.push_back(sorted[i].column);
      factor_.push_back(sorted[i].factor);
    }
  }
}

Result<LinearProgram::Solution> LinearProgram::solve(const Limits& limits) const {
  if (columns() == 0) return Solution();  // HiGHS has no solution of nothing
  const std::unique_ptr<void, void (*)(void*)> highs(Highs_create(), Highs_destroy);
  Highs_setBoolOptionValue(highs.get(), "output_flag", 0);
  Highs_setIntOptionValue(highs.get(), "threads", 1);
  Highs_setIntOptionValue(highs.get(), "random_seed", 1);
  Highs_setDoubleOptionValue(highs.get(), "mip_rel_gap", limits.relative_gap);
  Highs_setIntOptionValue(highs.get(), "mip_max_nodes", limits.nodes);
  if (limits.seconds < kInfinity) Highs_setDoubleOptionValue(highs.get(), "time_limit", limits.seconds);
  std::vector<int> integrality = integrality_;
  integrality.resize(columns(), kHighsVarTypeContinuous);
  const auto passed =
      Highs_passMip(highs.get(), static_cast<HighsInt>(columns()), static_cast<HighsInt>(rows()),
                    static_cast<HighsInt>(column_.size()), kHighsMatrixFormatRowwise, kHighsObjSenseMinimize, 0.0,
                    cost_.data(), lower_.data(), upper_.data(), row_lower_.data(), row_upper_.data(), row_start_.data(),
                    column_.data(), factor_.data(), integrality.data());
  if (passed == kHighsStatusError) return fail("the solver refuses the linear program");
  if (!limits.start.empty()) {
    std::vector<HighsInt> at;
    std::vector<double> values;
    for (const Term& term : limits.start) at.push_back(term.column), values.push_back(term.factor);
    Highs_setSparseSolution(highs.get(), static_cast<HighsInt>(at.size()), at.data(), values.data());
  }
  Highs_setCallback(highs.get(), called_back, const_cast<Limits*>(&limits));
  if (limits.progress) Highs_startCallback(highs.get(), kHighsCallbackMipLogging);
  if (limits.stop) {
    for (const int type : {kHighsCallbackSimplexInterrupt, kHighsCallbackIpmInterrupt, kHighsCallbackMipInterrupt})
      Highs_startCallback(highs.get(), type);
  }
  if (limits.interior_point) Highs_setStringOptionValue(highs.get(), "solver", "ipm");
  Highs_run(highs.get());
  const HighsInt status = Highs_getModelStatus(highs.get());
  HighsInt found = 0;
  Highs_getIntInfoValue(highs.get(), "primal_solution_status", &found);
  if (found != kHighsSolutionStatusFeasible) {
    return fail(fmt::format("the solver found no solution of {} columns and {} rows (HiGHS model status {})", columns(),
                            rows(), status));
  }
  Solution solution;
  solution.objective = Highs_getObjectiveValue(highs.get());
  if (!integrality_.empty()) Highs_getDoubleInfoValue(highs.get(), "mip_gap", &solution.gap);
  if (integrality_.empty() && status != kHighsModelStatusOptimal) return fail("the solver stopped before the optimum");
  solution.values.resize(columns());
  Highs_getSolution(highs.get(), solution.values.data(), nullptr, nullptr, nullptr);
  return solution;
}

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
// Table I: what the steps are.
#include "evaluation/figures.h"
#include "evaluation/published.h"
#include "graph/lifetimes.h"

namespace deeptm {

Result<std::vector<Figure>> model_counts(Evaluation& evaluation, const Testbeds& on) {
  Figure counts{"models", "Kernels and tensors of a step", "measured", "count", "model", Chart::kNone};
  Figure peaks{"peaks", "Peak of live tensors", "measured", "GB", "model"};
  for (const std::string& model : evaluation.options().models) {
    const published::Counts& printed = published::counts()[published::model_index(model)];
    for (const std::uint32_t batch : {128U, kPaperBatch}) {
      const auto setting = evaluation.setting(on.cpu.fitted, model, batch);
      if (!setting) return tl::unexpected(setting.error());
      const StepGraph& graph = (*setting)->graph;
      if (batch == kPaperBatch) {
        counts.rows.push_back({model, "kernels", static_cast<double>(graph.kernels.size()), printed.kernels});
        counts.rows.push_back({model, "tensors", static_cast<double>(graph.tensors.size()), printed.tensors});
      }
      peaks.rows.push_back({model, "batch " + std::to_string(batch), static_cast<double>(live_peak_bytes(graph)) / 1e9,
                            batch == 128 ? printed.peak_128 : printed.peak_512});
    }
  }
  counts.notes.emplace_back(
      "Ours are recorded from TensorFlow 2.21.0 (a tensor is one lifetime of one buffer), theirs counted in 1.14.");
  peaks.notes.emplace_back(
      "The printed peaks of all but VGG19 are too small for these batches: its activations alone are "
      "larger. Recorded with batches 2 and 4 and scaled.");
  return std::vector{counts, peaks};
}

}  // namespace deeptm

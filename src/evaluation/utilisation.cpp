// SPDX-License-Identifier: Apache-2.0
#include "evaluation/utilisation.h"

#include <algorithm>

namespace deeptm {

double best_bytes_per_second(const CopyPath& path) {
  double best = 0.0;
  for (const auto& [bytes, rate] : path.by_size.points()) best = std::max(best, rate);
  return std::min(best, path.by_threads.at(path.threads));
}

Utilisation utilisation(const StepGraph& graph, const Machine& machine, const Plan& plan, const Timeline& timeline,
                        std::size_t windows) {
  struct Seconds {
    double best = 0.0, taken = 0.0;
    double share() const { return taken > 0 ? best / taken : 0.0; }
  };
  std::vector<Seconds> by_window(windows);
  Seconds all;
  const std::size_t boundaries = graph.kernels.size() + 1;
  for (std::size_t m = 0; m < plan.moves.size(); ++m) {
    const Move& move = plan.moves[m];
    if (move.drop) continue;
    const double best = static_cast<double>(move.bytes()) / best_bytes_per_second(*machine.path(move.from, move.to));
    const double taken = timeline.moves[m].end - timeline.moves[m].start;
    Seconds& window = by_window[move.start * windows / boundaries];
    for (Seconds* seconds : {&all, &window}) {
      seconds->best += best;
      seconds->taken += taken;
    }
  }
  Utilisation found{all.share(), {}};
  for (const Seconds& window : by_window) found.by_window.push_back(window.share());
  return found;
}

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#include "evaluation/bisection.h"

namespace deeptm {

Result<void> find_least_shares(Evaluation& evaluation, std::vector<LeastShare>& searches) {
  while (true) {
    std::vector<Question> questions;
    std::vector<LeastShare*> askers;
    for (LeastShare& search : searches) {
      if (search.search.is_done() || !search.note.empty()) continue;
      search.question.fast_share = search.search.next();
      questions.push_back(search.question);
      askers.push_back(&search);
    }
    if (questions.empty()) return {};
    const auto answers = evaluation.ask(questions);
    if (!answers) return tl::unexpected(answers.error());
    for (std::size_t i = 0; i < askers.size(); ++i) {
      const auto& answer = (*answers)[i];
      const bool bounded = askers[i]->question.bounded;
      const auto reached = bounded ? bound_of(answer) : performance_of(answer);
      if (!answer || (bounded && !reached)) askers[i]->note = note_of(answer);
      const bool enough = reached && *reached >= askers[i]->performance;
      if (enough) askers[i]->answer = answer;
      askers[i]->search.tell(enough);
    }
  }
}

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#include "cli/training_options.h"

#include <fmt/format.h>

#include "base/files.h"
#include "cli/output.h"
#include "evaluation/interrupt.h"

namespace deeptm::cli {

void TrainingOptions::add_to(CLI::App& app) {
  const std::string group = "Policies that learn (Ctrl-C: the best plan so far)";
  const auto add = [&](const std::string& name, auto& value, const std::string& help) {
    return options_.emplace_back(app.add_option(name, value, help)->group(group));
  };
  add("--episodes", dqn_.episodes, "steps of training")->capture_default_str();
  // Read as 64 bits, -1 would be the largest seed of all.
  add("--seed", dqn_.seed, "of every random choice")->check(CLI::NonNegativeNumber)->capture_default_str();
  add("--agent", agent_, "an agent's file: it decides, nothing is trained");
  add("--save-agent", save_agent_, "keep the agent in this file");
  add("--curve", curve_, "write the learning curve to this CSV file");
}

Result<void> TrainingOptions::prepare(const Policy& policy) {
  for (const CLI::Option* option : options_) {
    if (option->count() > 0 && !policy.learns)
      return fail(fmt::format("--policy {} does not learn: no {}", policy.name, option->get_name()));
    if (option->count() > 0 && !agent_.empty() && option->get_name() != "--agent")
      return fail(fmt::format("--agent decides as it is, nothing is trained: no {}", option->get_name()));
  }
  if (auto checked = check(dqn_); !checked) return fail("--" + checked.error().message);
  for (const std::string& file : {save_agent_, curve_}) {
    if (auto writable = check_output(file); !writable) return writable;
  }
  if (agent_.empty()) return {};
  auto agent = read_agent(agent_);
  if (!agent) return tl::unexpected(agent.error());
  const QNetworkSizes sizes = agent->network.sizes();
  if (sizes.inputs != kPlacementInputs || sizes.actions != kPlacementActions) {
    return fail(fmt::format("{}: an agent of {} inputs and {} actions; placing tensors takes {} and {}", agent_,
                            sizes.inputs, sizes.actions, kPlacementInputs, kPlacementActions));
  }
  given_ = std::move(*agent);
  return {};
}

Training TrainingOptions::training() {
  Training training;
  const std::uint32_t learn_every = training.dqn.learn_every;
  training.dqn = dqn_;
  training.dqn.learn_every = learn_every;
  if (given_) training.agent = &*given_;
  training.stop = interrupted;
  if (!curve_.empty()) training.episode = [this](const Episode& episode) { episodes_.push_back(episode); };
  if (!save_agent_.empty()) training.trained = [this](Agent&& agent) { trained_ = std::move(agent); };
  return training;
}

std::string TrainingOptions::curve_csv() const {
  std::string text = "episode,greedy,step_rewards,reward,loss,performance,best_performance\n";
  for (const Episode& e : episodes_) {
    text += fmt::format("{},{},{},{},{},{},{}\n", e.number, e.greedy, e.step_rewards, e.reward, e.loss, e.performance,
                        e.best_performance);
  }
  return text;
}

Result<void> TrainingOptions::write() const {
  if (!curve_.empty()) {
    if (auto written = write_file(curve_, curve_csv()); !written) return written;
  }
  if (trained_) return write_agent(save_agent_, *trained_);
  return {};
}

}  // namespace deeptm::cli

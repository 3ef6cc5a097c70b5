// SPDX-License-Identifier: Apache-2.0
#include "cli/workload_options.h"

namespace deeptm::cli {

void add_workload_options(CLI::App& app, Workload& workload) {
  const CLI::Range positive(1, 1'000'000);
  app.add_option("--framework", workload.framework, "tensorflow or torch")
      ->check(CLI::IsMember({"tensorflow", "torch"}))
      ->capture_default_str();
  app.add_option("--batch", workload.batch, "samples of a step")->check(positive)->capture_default_str();
  app.add_option("--image", workload.image, "pixels of a side, or tokens of a sequence [the model's own]")
      ->check(positive);
  app.add_option("--warmup", workload.warmup, "steps before those that are timed")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  app.add_option("--warmup-seconds", workload.warmup_seconds, "more of them, until they took so long")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  app.add_option("--data", workload.data, "fashion-mnist or random")
      ->check(CLI::IsMember({"fashion-mnist", "random"}))
      ->capture_default_str();
  app.add_option("--optimizer", workload.optimizer, "sgd, momentum or adam")
      ->check(CLI::IsMember({"sgd", "momentum", "adam"}))
      ->capture_default_str();
  app.add_option(
         "--batch-norm", workload.batch_norm,
         "keras: of several kernels, as Keras 3 composes it; fused: one kernel, as TensorFlow 1 and nGraph ran it")
      ->check(CLI::IsMember({"keras", "fused"}))
      ->capture_default_str();
  app.add_option("--seed", workload.seed, "of weights and data")->capture_default_str();
}

}  // namespace deeptm::cli

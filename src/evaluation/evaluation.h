// SPDX-License-Identifier: Apache-2.0
// What the figures of an evaluation are made with: graphs, and cells of (model, batch, machine, policy, limit) that are
// computed side by side and kept, so that an evaluation that was interrupted goes on.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/comparison.h"
#include "evaluation/result_cache.h"

namespace deeptm {

// A machine, and how copies run on it.
struct Testbed {
  std::shared_ptr<const Machine> machine;
  CopyMode mode = CopyMode::kSync;
};

struct Question {
  Testbed on;
  std::string model;
  std::uint32_t batch = 0;
  std::string policy;       // with its options
  double fast_share = 0.2;  // of the peak of live tensors
  bool keeps_plan = false;
  bool bounded = false;          // with the bound
  std::uint64_t less_bytes = 0;  // off the limit
};

class Evaluation {
 public:
  struct Options {
    std::vector<std::string> models;
    bool quick = false;
    bool alexnet_weights_move = false;  // AutoTM's, as the paper's must have
    unsigned jobs = 1;
    std::filesystem::path graphs, cache{};               // folders
    std::function<void(const std::string&)> progress{};  // as Comparison::Options::progress
  };
  explicit Evaluation(Options options);

  const Options& options() const { return options_; }
  const ResultCache& cache() const { return cache_; }
  // A graph of the caller's instead of one in Options::graphs.
  void add_graph(const std::string& model, std::uint32_t batch, StepGraph graph);
  Result<std::shared_ptr<const Setting>> setting(const Testbed& on, const std::string& model, std::uint32_t batch);

  // A row for each question, in their order. Nothing where this program does not have the policy. Fails when a graph
  // can't be read, or on Ctrl-C: then searches still run in threads, and the program has to be left.
  using Answers = std::vector<std::optional<Row>>;
  Result<Answers> ask(const std::vector<Question>& questions);

 private:
  Result<Cell> cell_of(const Question& question, const Policy& policy);

  Options options_;
  ResultCache cache_;
  std::map<std::pair<std::string, std::uint32_t>, StepGraph> graphs_;
  std::map<std::string, std::shared_ptr<const Setting>> settings_;
  std::vector<std::unique_ptr<Comparison>> asked_;  // threads of one that was interrupted look at it
};

// What there is to say beside an answer: the error, or the gap that a search ended at if it is above one percent, and
// whether AutoTM moved weights, which it does where they would fill fast memory (AlexNet).
std::string note_of(const std::optional<Row>& answer);
std::optional<double> performance_of(const std::optional<Row>& answer);
std::optional<double> bound_of(const std::optional<Row>& answer);

}  // namespace deeptm

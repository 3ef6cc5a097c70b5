// SPDX-License-Identifier: Apache-2.0
// Runs the cells of a comparison side by side, each planned, verified and simulated, with the bound. What was computed
// before by the same program is read from the cache.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "cli/comparison_row.h"
#include "cli/planning_options.h"

namespace deeptm::cli {

// One row to be. Without a policy: the hardware cache (simulator/two_level_memory.h).
struct Cell {
  std::shared_ptr<const Setting> setting;
  std::optional<Policy> policy;
  CopyMode mode = CopyMode::kSync;
  Row row;  // what it is for
};

class Comparison {
 public:
  struct Options {
    unsigned jobs = 1;
    std::filesystem::path cache;  // a folder; empty: none
    bool shows_progress = false;  // on standard error
  };
  Comparison(std::vector<Cell> cells, Options options);

  // Calls `print` with each finished row, in the order of the cells. False when interrupted (Ctrl-C); then rows() are
  // those that were done, and searches still run in threads: leave the program.
  bool run(const std::function<void(const Row&)>& print);
  const std::vector<Row>& rows() const { return done_; }

 private:
  using Bounded = Result<double>;  // the best performance that the limit allows
  struct Task {
    std::size_t cell = 0;
    std::string bound_hash{};  // of the bound of that cell and those of the same limit behind it; empty: its row

    bool bounds() const { return !bound_hash.empty(); }
  };

  void work(unsigned worker);
  std::optional<Task> next_task();
  void show_progress() const;
  Row evaluate(const Cell& cell, unsigned worker);
  Row compute(const Cell& cell, const Problem& problem) const;
  Row simulate_cache(const Cell& cell) const;
  std::optional<Row> from_cache(const Cell& cell) const;
  Bounded compute_bound(const Cell& cell, std::string_view hash) const;
  std::filesystem::path cached(std::string_view hash) const;
  bool same_limit(const Cell& a, const Cell& b) const;

  std::vector<Cell> cells_;
  Options options_;
  std::uint64_t program_ = 0;  // hash of the program: another build may plan otherwise
  std::vector<Task> tasks_;
  mutable std::mutex mutex_;  // guards what is below
  std::condition_variable changed_;
  std::size_t next_ = 0;
  std::vector<std::optional<Row>> rows_;  // by cell
  std::vector<std::optional<Bounded>> bounds_;
  std::vector<Row> done_;
  std::vector<std::string> status_;  // by worker
};

}  // namespace deeptm::cli

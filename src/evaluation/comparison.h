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

#include "evaluation/comparison_row.h"
#include "evaluation/result_cache.h"
#include "evaluation/setting.h"

namespace deeptm {

// One row to be. Without a policy: the hardware cache (simulator/two_level_memory.h).
struct Cell {
  std::shared_ptr<const Setting> setting;
  std::optional<Policy> policy;
  CopyMode mode = CopyMode::kSync;
  Row row;                  // what it is for
  bool bounded = true;      // with the bound, the same for all cells of a limit
  bool keeps_plan = false;  // in the row, and in the cache
};

class Comparison {
 public:
  struct Options {
    unsigned jobs = 1;
    std::filesystem::path cache;  // a folder; empty: none
    // Told now and then how far it is, in one line; an empty one before a row is printed and at the end. May be empty.
    std::function<void(const std::string&)> progress{};
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
  static Row compute(const Cell& cell, const Problem& problem);
  static Row simulate_cache(const Cell& cell);
  std::optional<Row> from_cache(const Cell& cell) const;
  void keep(const Cell& cell, const Row& row) const;
  Bounded compute_bound(const Cell& cell, std::string_view hash) const;
  static void add_bound(Row& row, const Bounded& bound);
  bool same_limit(const Cell& a, const Cell& b) const;

  std::vector<Cell> cells_;
  Options options_;
  ResultCache cache_;
  std::vector<Task> tasks_;
  mutable std::mutex mutex_;  // guards what is below
  std::condition_variable changed_;
  std::size_t next_ = 0;
  std::vector<std::optional<Row>> rows_;  // by cell
  std::vector<std::optional<Bounded>> bounds_;
  std::vector<Row> done_;
  std::vector<std::string> status_;  // by worker
};

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#include "evaluation/comparison.h"

#include <fmt/format.h>

#include <chrono>
#include <new>
#include <thread>

#include "base/hash.h"
#include "cost/money.h"
#include "evaluation/allocation_meter.h"
#include "evaluation/interrupt.h"
#include "graph/lifetimes.h"
#include "optimizer/bound.h"
#include "optimizer/deeptm_recompute.h"
#include "plan/plan_json.h"
#include "simulator/simulator.h"
#include "simulator/two_level_memory.h"
#include "simulator/verifier.h"

namespace deeptm {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A result depends on a setting, a limit, a mode and what is asked of them.
std::string config_hash(Fnv of_setting, const Cell& cell, std::string_view what) {
  of_setting.add(cell.row.fast_bytes);
  of_setting.add(to_string(cell.mode));
  of_setting.add(what);
  return fmt::format("{:016x}", of_setting.value());
}

Problem problem_of(const Cell& cell) { return cell.setting->problem(cell.row.fast_bytes, cell.mode); }

}  // namespace

Comparison::Comparison(std::vector<Cell> cells, Options options)
    : cells_(std::move(cells)),
      options_(std::move(options)),
      cache_(options_.cache),
      rows_(cells_.size()),
      bounds_(cells_.size()),
      status_(options_.jobs) {
  Fnv of_setting;
  for (std::size_t c = 0; c < cells_.size(); ++c) {
    Cell& cell = cells_[c];
    if (c == 0 || cells_[c - 1].setting != cell.setting) of_setting = hash_of(*cell.setting);
    cell.row.config_hash = config_hash(of_setting, cell, cell.row.policy);
    if (cell.bounded && (c == 0 || !same_limit(cells_[c - 1], cell))) {
      tasks_.push_back({c, config_hash(of_setting, cell, "bound")});
    }
    tasks_.push_back({c, ""});
  }
}

bool Comparison::same_limit(const Cell& a, const Cell& b) const {
  return a.setting == b.setting && a.row.fast_bytes == b.row.fast_bytes && a.mode == b.mode;
}

// The hardware cache: nothing is planned, so there is nothing to verify.
Row Comparison::simulate_cache(const Cell& cell) {
  Row row = cell.row;
  row.has_plan = false;
  const Setting& setting = *cell.setting;
  const auto done = simulate_two_level_memory(setting.graph, setting.machine, setting.costs, row.fast_bytes);
  if (!done) {
    row.error = done.error().message;
    return row;
  }
  row.planner = fmt::format("hits={} misses={} steps={}", done->hits, done->misses, done->steps);
  row.step_seconds = done->step_seconds;
  row.performance = setting.costs.all_fast_seconds() / row.step_seconds;
  // A cache's contents are in the slow tier, too.
  row.fast_peak_bytes = row.fast_bytes;
  row.slow_peak_bytes = live_peak_bytes(setting.graph);
  row.tier_bytes = {row.fast_peak_bytes, row.slow_peak_bytes};
  row.memory_dollars = memory_dollars(setting.machine, row.tier_bytes);
  return row;
}

Row Comparison::compute(const Cell& cell, const Problem& problem) {
  if (!cell.policy) return simulate_cache(cell);
  Row row = cell.row;
  const Setting& setting = *cell.setting;
  const auto start = std::chrono::steady_clock::now();
  const AllocationMeter meter;
  auto plan = cell.policy->plan(problem);
  row.plan_seconds = seconds_since(start);
  row.plan_peak_bytes = meter.peak_bytes();
  if (!plan) {
    row.error = plan.error().message;
    return row;
  }
  row.planner = plan->options;
  if (const auto fault = verify(setting.graph, setting.machine, *plan)) {
    row.error = fmt::format("{}: {}", complaint(*fault), fault->text);
    return row;
  }
  row.verified = true;
  row.ignores_limit = plan->fast_bytes > cell.row.fast_bytes;
  const Timeline timeline = simulate(setting.graph, setting.machine, setting.costs, *plan);
  row.step_seconds = timeline.step_seconds;
  row.fast_peak_bytes = timeline.peak_bytes[0];
  row.tier_bytes = {plan->fast_bytes};
  for (std::size_t tier = 1; tier < setting.machine.tiers.size(); ++tier) {
    row.tier_bytes.push_back(timeline.peak_bytes[tier]);
    row.slow_peak_bytes += timeline.peak_bytes[tier];
  }
  row.memory_dollars = memory_dollars(setting.machine, row.tier_bytes);
  row.performance = setting.costs.all_fast_seconds() / row.step_seconds;
  if (cell.keeps_plan) row.plan = std::make_shared<const Plan>(std::move(*plan));
  return row;
}

void Comparison::keep(const Cell& cell, const Row& row) const {
  cache_.keep(row.config_hash, to_json(row));
  if (!row.plan) return;
  const Setting& setting = *cell.setting;
  cache_.keep(row.config_hash + "-plan",
              nlohmann::json::parse(plan_to_json(*row.plan, setting.graph, setting.machine)));
}

std::optional<Row> Comparison::from_cache(const Cell& cell) const {
  const auto kept = cache_.find(cell.row.config_hash);
  if (!kept) return std::nullopt;
  try {
    Row row = cell.row;
    read_results(*kept, row);
    if (!cell.keeps_plan) return row;
    const auto plan = cache_.find(cell.row.config_hash + "-plan");
    if (!plan) return std::nullopt;
    auto read = plan_from_json(plan->dump(), cell.setting->graph, cell.setting->machine);
    if (!read) return std::nullopt;
    row.plan = std::make_shared<const Plan>(std::move(*read));
    return row;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;  // damaged: computed again
  }
}

Row Comparison::evaluate(const Cell& cell, unsigned worker) {
  if (auto row = from_cache(cell)) return std::move(*row);
  Problem problem = problem_of(cell);
  if (options_.progress) {
    problem.progress = [this, worker, &cell](std::string_view how_far) {
      const std::lock_guard lock(mutex_);
      status_[worker] = fmt::format("{} {} {}: {}", cell.row.graph, cell.row.fast, cell.row.policy, how_far);
    };
  }
  Row row = cell.row;
  try {
    row = compute(cell, problem);
  } catch (const std::bad_alloc&) {
    row.error = "planning takes more memory than there is";
  }
  if (row.error.empty()) keep(cell, row);
  return row;
}

Comparison::Bounded Comparison::compute_bound(const Cell& cell, std::string_view hash) const {
  if (const auto kept = cache_.find(hash); kept && kept->is_number()) return kept->get<double>();
  const auto bound = lower_bound(problem_of(cell));
  if (!bound) return tl::unexpected(bound.error());
  const double performance = cell.setting->costs.all_fast_seconds() / bound->seconds;
  cache_.keep(hash, performance);
  return performance;
}

std::optional<Comparison::Task> Comparison::next_task() {
  const std::lock_guard lock(mutex_);
  if (next_ == tasks_.size() || interrupted()) return std::nullopt;
  return tasks_[next_++];
}

void Comparison::work(unsigned worker) {
  while (const auto task = next_task()) {
    const Cell& cell = cells_[task->cell];
    {
      const std::lock_guard lock(mutex_);
      status_[worker] =
          fmt::format("{} {} {}", cell.row.graph, cell.row.fast, task->bounds() ? "bound" : cell.row.policy);
    }
    if (task->bounds()) {
      const Bounded bounded = compute_bound(cell, task->bound_hash);
      const std::lock_guard lock(mutex_);
      for (std::size_t c = task->cell; c < cells_.size() && same_limit(cells_[c], cell); ++c) bounds_[c] = bounded;
    } else {
      Row row = evaluate(cell, worker);
      const std::lock_guard lock(mutex_);
      rows_[task->cell] = std::move(row);
    }
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  status_[worker].clear();
  changed_.notify_all();
}

void Comparison::show_progress() const {
  std::string running;
  for (const std::string& status : status_) {
    if (!status.empty()) running += (running.empty() ? "" : "; ") + status;
  }
  options_.progress(fmt::format("{} of {}: {}", done_.size(), cells_.size(), running.substr(0, 100)));
}

void Comparison::add_bound(Row& row, const Bounded& bound) {
  if (bound) {
    row.bound = *bound;
  } else {
    row.error = "no bound: " + bound.error().message;
  }
}

bool Comparison::run(const std::function<void(const Row&)>& print) {
  const Interruptible here;
  std::vector<std::thread> workers;
  for (unsigned w = 0; w < options_.jobs; ++w) workers.emplace_back([this, w] { work(w); });

  std::unique_lock lock(mutex_);
  std::size_t printed = 0;
  const auto print_done = [&](bool gaps) {
    for (; printed < cells_.size(); ++printed) {
      const bool bounded = cells_[printed].bounded;
      const bool done = rows_[printed] && (bounds_[printed] || !bounded);
      if (!done && !gaps) break;
      if (!done) continue;
      if (options_.progress) options_.progress("");
      done_.push_back(std::move(*rows_[printed]));
      const auto& policy = cells_[printed].policy;
      if (bounded && !(policy && recomputes(*policy))) add_bound(done_.back(), *bounds_[printed]);
      print(done_.back());
    }
  };
  while (printed < cells_.size() && !interrupted()) {
    changed_.wait_for(lock, std::chrono::milliseconds(200));
    print_done(false);
    if (options_.progress && printed < cells_.size()) show_progress();
  }
  if (interrupted()) {
    print_done(true);
    for (std::thread& worker : workers) worker.detach();
    return false;
  }
  lock.unlock();
  for (std::thread& worker : workers) worker.join();
  return true;
}

}  // namespace deeptm

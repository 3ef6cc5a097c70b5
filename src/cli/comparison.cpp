// SPDX-License-Identifier: Apache-2.0
#include "cli/comparison.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <new>
#include <thread>

#include "base/files.h"
#include "base/hash.h"
#include "cli/allocation_meter.h"
#include "cli/output.h"
#include "cost/money.h"
#include "graph/lifetimes.h"
#include "optimizer/bound.h"
#include "simulator/simulator.h"
#include "simulator/two_level_memory.h"
#include "simulator/verifier.h"

namespace deeptm::cli {
namespace {

std::atomic<bool> interrupted = false;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A result depends on all that config_hash() goes over: a setting, ...
Fnv hash_of(const Setting& setting) {
  Fnv hash;
  hash.add(fingerprint(setting.graph));
  for (const Kernel& kernel : setting.graph.kernels) hash.add(kernel.name);  // layers are found by them
  hash.add(setting.machine.name);
  hash.add(std::uint64_t{setting.costs.overlaps_memory});
  for (const KernelCost& kernel : setting.costs.kernels) {
    hash.add(kernel.compute_seconds);
    hash.add(kernel.fast_seconds);
  }
  for (const AccessCost& access : setting.costs.accesses) {
    for (const double seconds : access.extra_seconds) hash.add(seconds);
  }
  for (const CopyPath& path : setting.machine.copies) {
    hash.add(std::uint64_t{path.from} << 8 | path.to);
    for (const std::uint64_t size : {1ULL << 12, 1ULL << 16, 1ULL << 20, 1ULL << 24, 1ULL << 28, 1ULL << 32}) {
      hash.add(copy_seconds(path, size, size));
    }
  }
  for (const MachineTier& tier : setting.machine.tiers) {
    hash.add(tier.capacity_bytes);
    hash.add(tier.price_per_gb);
  }
  hash.add(setting.machine.copy_cores);
  hash.add(std::uint64_t{setting.machine.compute.threads});
  return hash;
}

// ... a limit, a mode and what is asked of them.
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
      rows_(cells_.size()),
      bounds_(cells_.size()),
      status_(options_.jobs) {
  if (!options_.cache.empty()) {
    Fnv hash;
    if (const auto program = read_file("/proc/self/exe")) hash.add(std::string_view(*program));
    program_ = hash.value();
  }
  Fnv of_setting;
  for (std::size_t c = 0; c < cells_.size(); ++c) {
    Cell& cell = cells_[c];
    if (c == 0 || cells_[c - 1].setting != cell.setting) of_setting = hash_of(*cell.setting);
    cell.row.config_hash = config_hash(of_setting, cell, cell.row.policy);
    if (c == 0 || !same_limit(cells_[c - 1], cell)) tasks_.push_back({c, config_hash(of_setting, cell, "bound")});
    tasks_.push_back({c, ""});
  }
}

bool Comparison::same_limit(const Cell& a, const Cell& b) const {
  return a.setting == b.setting && a.row.fast_bytes == b.row.fast_bytes && a.mode == b.mode;
}

std::filesystem::path Comparison::cached(std::string_view hash) const {
  return options_.cache / fmt::format("{}-{:016x}.json", hash, program_);
}

// The hardware cache: nothing is planned, so there is nothing to verify.
Row Comparison::simulate_cache(const Cell& cell) const {
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
  const std::array<std::uint64_t, 2> bytes = {row.fast_bytes, live_peak_bytes(setting.graph)};
  row.memory_dollars = memory_dollars(setting.machine, bytes);
  return row;
}

Row Comparison::compute(const Cell& cell, const Problem& problem) const {
  if (!cell.policy) return simulate_cache(cell);
  Row row = cell.row;
  const Setting& setting = *cell.setting;
  const auto start = std::chrono::steady_clock::now();
  const AllocationMeter meter;
  const auto plan = cell.policy->plan(problem);
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
  Timeline timeline = simulate(setting.graph, setting.machine, setting.costs, *plan);
  row.step_seconds = timeline.step_seconds;
  timeline.peak_bytes[0] = plan->fast_bytes;  // what is bought is the limit
  row.memory_dollars = memory_dollars(setting.machine, timeline.peak_bytes);
  row.performance = setting.costs.all_fast_seconds() / row.step_seconds;
  return row;
}

std::optional<Row> Comparison::from_cache(const Cell& cell) const {
  if (options_.cache.empty()) return std::nullopt;
  const auto text = read_file(cached(cell.row.config_hash));
  if (!text) return std::nullopt;
  try {
    Row row = cell.row;
    read_results(nlohmann::json::parse(*text), row);
    return row;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;  // damaged: computed again
  }
}

Row Comparison::evaluate(const Cell& cell, unsigned worker) {
  if (auto row = from_cache(cell)) return std::move(*row);
  Problem problem = problem_of(cell);
  if (options_.shows_progress) {
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
  if (!options_.cache.empty() && row.error.empty()) {
    (void)write_json(cached(cell.row.config_hash), to_json(row));
  }
  return row;
}

Comparison::Bounded Comparison::compute_bound(const Cell& cell, std::string_view hash) const {
  const auto file = cached(hash);
  if (!options_.cache.empty()) {
    if (const auto text = read_file(file)) {
      const auto json = nlohmann::json::parse(*text, nullptr, false);
      if (json.is_number()) return json.get<double>();
    }
  }
  const auto bound = lower_bound(problem_of(cell));
  if (!bound) return tl::unexpected(bound.error());
  const double performance = cell.setting->costs.all_fast_seconds() / bound->seconds;
  if (!options_.cache.empty()) (void)write_json(file, performance);
  return performance;
}

std::optional<Comparison::Task> Comparison::next_task() {
  const std::lock_guard lock(mutex_);
  if (next_ == tasks_.size() || interrupted) return std::nullopt;
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
  fmt::print(stderr, "\r\033[K{} of {}: {}", done_.size(), cells_.size(), running.substr(0, 100));
}

bool Comparison::run(const std::function<void(const Row&)>& print) {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  struct sigaction before {};
  ::sigaction(SIGINT, &action, &before);
  std::vector<std::thread> workers;
  for (unsigned w = 0; w < options_.jobs; ++w) workers.emplace_back([this, w] { work(w); });

  std::unique_lock lock(mutex_);
  std::size_t printed = 0;
  const auto print_done = [&](bool gaps) {
    for (; printed < cells_.size(); ++printed) {
      const bool done = rows_[printed] && bounds_[printed];
      if (!done && !gaps) break;
      if (!done) continue;
      if (options_.shows_progress) fmt::print(stderr, "\r\033[K");
      done_.push_back(std::move(*rows_[printed]));
      if (const Bounded& bound = *bounds_[printed]) {
        done_.back().bound = *bound;
      } else {
        done_.back().error = "no bound: " + bound.error().message;
      }
      print(done_.back());
    }
  };
  while (printed < cells_.size() && !interrupted) {
    changed_.wait_for(lock, std::chrono::milliseconds(200));
    print_done(false);
    if (options_.shows_progress && printed < cells_.size()) show_progress();
  }
  if (interrupted) {
    print_done(true);
    for (std::thread& worker : workers) worker.detach();
    return false;
  }
  lock.unlock();
  for (std::thread& worker : workers) worker.join();
  ::sigaction(SIGINT, &before, nullptr);
  return true;
}

}  // namespace deeptm::cli

// SPDX-License-Identifier: Apache-2.0
// AutoTM's policies: its integer program (autotm_program.h), and what the paper does around it.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "optimizer/address_pool.h"
#include "optimizer/autotm_program.h"
#include "simulator/simulator.h"
#include "simulator/verifier.h"

namespace deeptm {
namespace {

// The paper stops at a gap of 1 % or after 3,600 s. Fewer seconds here, and nodes, which keep plans reproducible.
constexpr double kGap = 0.01, kMostSeconds = 600;
constexpr int kMostNodes = 200'000;
constexpr int kMostRounds = 25;  // of the address pass

using Clock = std::chrono::steady_clock;

class AutoTm {
 public:
  AutoTm(const Problem& problem, const AutoTmOptions& options, double most_seconds)
      : problem_(problem), options_(options), most_seconds_(most_seconds) {}

  Result<Plan> plan() { return with_margin(everywhere()); }

  // The paper's pool of fast memory needs addresses, which the program does not know: kernels at which they pass the
  // limit get less room and everything is solved again. By how much less is 0.98 in the paper, and what `scale_of`
  // says, for ten neighbours, too, in its code.
  Result<Plan> with_addresses(bool as_in_code) {
    std::vector<std::uint64_t> limits = everywhere();
    for (int round = 0; round < kMostRounds; ++round) {
      auto plan = with_margin(limits);
      if (!plan) return plan;
      const PoolUse use = use_of_pool(problem_.graph, *plan);
      plan->options += fmt::format(" rounds={} pool={:.4f}", round + 1, share(use.bytes));
      if (use.bytes <= problem_.fast_bytes || seconds_left() <= 0) return plan;
      tighten(limits, use, as_in_code);
    }
    return fail(fmt::format("AutoTM's addresses pass the limit after {} rounds", kMostRounds));
  }

 private:
  std::vector<std::uint64_t> everywhere() const {
    return std::vector<std::uint64_t>(problem_.graph.kernels.size(), problem_.fast_bytes);
  }
  double share(std::uint64_t bytes) const {
    return static_cast<double>(bytes) / static_cast<double>(std::max<std::uint64_t>(1, problem_.fast_bytes));
  }
  double seconds_left() const { return most_seconds_ - std::chrono::duration<double>(Clock::now() - start_).count(); }

  void tighten(std::vector<std::uint64_t>& limits, const PoolUse& use, bool as_in_code) const {
    const std::size_t kernels = limits.size(), reach = as_in_code ? 10 : 0;
    const double scale = as_in_code ? std::max(0.90, 1.0 - (share(use.bytes) - 1.0) / 2.0) : 0.98;
    std::vector<bool> tightened(kernels);
    for (std::size_t k = 0; k < kernels; ++k) {
      if (use.by_kernel[k] <= problem_.fast_bytes) continue;
      const std::size_t begin = k < reach ? 0 : k - reach, end = std::min(kernels, k + reach + 1);
      std::fill(tightened.begin() + static_cast<std::ptrdiff_t>(begin),
                tightened.begin() + static_cast<std::ptrdiff_t>(end), true);
    }
    for (std::size_t k = 0; k < kernels; ++k) {
      if (tightened[k]) limits[k] = static_cast<std::uint64_t>(static_cast<double>(limits[k]) * scale);
    }
  }

  // The solver's whole numbers are whole within a tolerance, and rounding them can pass the limit by some bytes; then
  // it is solved again with a little less room.
  Result<Plan> with_margin(const std::vector<std::uint64_t>& limits) {
    Result<Plan> plan;
    for (const double margin : {0.0, 1e-5, 1e-3}) {
      std::vector<std::uint64_t> less = limits;
      for (std::uint64_t& limit : less) limit -= static_cast<std::uint64_t>(static_cast<double>(limit) * margin);
      plan = solve(less);
      if (!plan || !verify(problem_.graph, problem_.machine, *plan)) return plan;
    }
    return plan;
  }

  Result<Plan> solve(const std::vector<std::uint64_t>& limits) {
    const auto program = AutoTmProgram::build(problem_, options_, limits);
    if (!program) return tl::unexpected(program.error());
    if (problem_.progress) problem_.progress(fmt::format("integer program of {} columns", program->columns()));
    LinearProgram::Limits stop = stop_at();
    if (options_.moves == AutoTmMoves::kBesideKernels) {
      // Far larger than the synchronous program, which gives it a plan to start from.
      AutoTmOptions simpler = options_;
      simpler.moves = AutoTmMoves::kBetweenKernels;
      const auto first = AutoTmProgram::build(problem_, simpler, limits);
      const auto solved = first->solve(stop);
      if (!solved) return tl::unexpected(solved.error());
      stop = stop_at();
      stop.start = program->start_from(*first, *solved);
    }
    auto solved = program->solve(stop);
    if (!solved) return tl::unexpected(solved.error());
    solved->plan.options =
        fmt::format("columns={} rows={} gap={:.4f}", program->columns(), program->rows(), solved->gap);
    return std::move(solved->plan);
  }

  LinearProgram::Limits stop_at() const {
    LinearProgram::Limits limits{.relative_gap = kGap, .nodes = kMostNodes, .seconds = std::max(1.0, seconds_left())};
    limits.stop = [this] { return problem_.is_stopped(); };
    if (!problem_.progress) return limits;
    limits.progress = [this](double seconds, double gap) {
      problem_.progress(fmt::format("integer program: {:.0f} s, gap {:.1f} %", seconds, 100 * gap));
    };
    return limits;
  }

  const Problem& problem_;
  AutoTmOptions options_;
  double most_seconds_;
  Clock::time_point start_ = Clock::now();
};

Result<Plan> plan_autotm(const Problem& problem, AutoTmMoves moves, const PolicyOptions& options) {
  const AutoTmOptions chosen{
      .moves = moves, .weights_move = options.contains("weights"), .rounded = options.contains("rounded")};
  if (!options.contains("addresses")) return AutoTm(problem, chosen, kMostSeconds).plan();
  // The paper's factor and its code's: the better one.
  auto paper = AutoTm(problem, chosen, kMostSeconds / 2).with_addresses(false);
  auto code = AutoTm(problem, chosen, kMostSeconds / 2).with_addresses(true);
  if (!paper || !code) return paper ? paper : code;
  // One that ran out of time may not fit.
  const auto rank = [&](const Plan& plan) {
    const bool fits = use_of_pool(problem.graph, plan).bytes <= problem.fast_bytes;
    return std::pair(!fits, simulate(problem.graph, problem.machine, problem.costs, plan).step_seconds);
  };
  return rank(*code) < rank(*paper) ? code : paper;
}

}  // namespace

Result<Plan> plan_autotm_static(const Problem& problem, const PolicyOptions& options) {
  return plan_autotm(problem, AutoTmMoves::kNone, options);
}
Result<Plan> plan_autotm_sync(const Problem& problem, const PolicyOptions& options) {
  return plan_autotm(problem, AutoTmMoves::kBetweenKernels, options);
}
Result<Plan> plan_autotm_async(const Problem& problem, const PolicyOptions& options) {
  return plan_autotm(problem, AutoTmMoves::kBesideKernels, options);
}

}  // namespace deeptm

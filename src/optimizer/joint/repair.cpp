// SPDX-License-Identifier: Apache-2.0
#include "optimizer/joint/repair.h"

#include <algorithm>
#include <cmath>

#include "base/bytes.h"

namespace deeptm::joint {
namespace {

// The least by `value` first.
template <class Value>
void sort_by(std::vector<std::uint32_t>& items, Value value) {
  std::sort(items.begin(), items.end(),
            [&](auto a, auto b) { return std::pair(value(a), a) < std::pair(value(b), b); });
}

}  // namespace

Repair::Repair(const Problem& problem, const Chains& chains)
    : problem_(problem),
      chains_(chains),
      opening_(problem.graph.kernels.size() + 1),
      points_at_(problem.graph.kernels.size()),
      room_(problem.graph.kernels.size(), 0.0) {
  for (std::uint32_t g = 0; g < chains.gaps.size(); ++g) opening_[chains.gaps[g].begin].push_back(g);
  for (std::uint32_t p = 0; p < chains.points.size(); ++p) {
    points_at_[chains.points[p].kernel].push_back(p);
  }
}

// Units, or all of it; all or nothing where tensors are not split.
double Repair::whole(const Chain& chain, double bytes) const {
  const auto unit = static_cast<double>(problem_.unit_bytes);
  if (bytes >= chain.bytes) return chain.bytes;
  return splits_ ? std::max(0.0, std::floor(bytes / unit) * unit) : 0.0;
}

// A mean leaves a little of nearly everything out; thinning takes back what is too much.
double Repair::near(const Chain& chain, float share) const {
  constexpr double kGenerous = 0.02, kMostly = 0.5;
  return whole(chain, chain.bytes * (share + (splits_ ? kGenerous : kMostly)));
}

// What its neighbours leave to a gap.
double Repair::most(const Chain& chain, std::uint32_t gap) const {
  const std::uint32_t i = gap - chain.first_gap;
  if (i == 0 && (chain.round || chain.starts_slow)) return 0.0;
  if (i == chain.points && chain.ends_slow) return 0.0;
  double most = chain.bytes;
  if (i > 0) most = std::min(most, bytes_.point[chain.first_point + i - 1]);
  if (i < chain.points) most = std::min(most, bytes_.point[chain.first_point + i]);
  if (i == chain.points && chain.round) most = std::min(most, bytes_.point[chain.first_point]);
  return most;
}

void Repair::start(const Shares& shares, const Options& options) {
  splits_ = options.splits;
  const std::vector<double>& free = options.free;
  room_ = Room(problem_.graph.kernels.size(), static_cast<double>(problem_.fast_bytes));
  for (std::uint32_t k = 0; k < free.size(); ++k) {
    if (free[k] > 0) room_.take(k, free[k]);
  }
  for (std::uint32_t k = 0; k < chains_.pinned_bytes.size(); ++k) {
    if (chains_.pinned_bytes[k] > 0) room_.take(k, chains_.pinned_bytes[k]);
  }
  bytes_.point.assign(chains_.points.size(), 0.0);
  bytes_.gap.assign(chains_.gaps.size(), 0.0);
  for (std::uint32_t p = 0; p < chains_.points.size(); ++p) {
    const Chain& chain = chain_of_point(p);
    bytes_.point[p] = near(chain, shares.point[p]);
    room_.take(chains_.points[p].kernel, bytes_.point[p]);
  }
  for (std::uint32_t g = 0; g < chains_.gaps.size(); ++g) {
    const Chain& chain = chain_of_gap(g);
    bytes_.gap[g] = std::min(most(chain, g), near(chain, shares.gap[g]));
    room_.take(chains_.gaps[g], bytes_.gap[g]);
  }
}

void Repair::shrink_gap(std::uint32_t gap, double bytes) {
  if (bytes >= bytes_.gap[gap]) return;
  room_.take(chains_.gaps[gap], bytes - bytes_.gap[gap]);
  bytes_.gap[gap] = bytes;
}

void Repair::shrink_point(std::uint32_t point, double bytes) {
  room_.take(chains_.points[point].kernel, bytes - bytes_.point[point]);
  bytes_.point[point] = bytes;
  const Chain& chain = chain_of_point(point);
  shrink_gap(chain.gap_before(point - chain.first_point), bytes);
  shrink_gap(chain.gap_behind(point - chain.first_point), bytes);
}

// By gap: whether what is kept through it is nowhere else.
std::vector<bool> Repair::dirty_gaps() const {
  std::vector<bool> dirty(chains_.gaps.size());
  for (const Chain& chain : chains_.chains) {
    bool now = true;
    for (int turn = 0; turn < (chain.round ? 2 : 1); ++turn) {
      for (std::uint32_t i = 0; i < chain.points; ++i) {
        const std::uint32_t before = chain.gap_before(i);
        dirty[before] = now;
        if (bytes_.gap[before] == 0.0) now = i == 0 && chain.born_used;
        if (chains_.points[chain.first_point + i].written) now = true;
      }
    }
    dirty[chain.first_gap + chain.points] = now;
  }
  return dirty;
}

void Repair::thin() {
  open_ = {};
  for (std::uint32_t g = 0; g < chains_.gaps.size(); ++g) {
    if (chains_.gaps[g].steps > 0) open_.emplace(regrets_.gap[g], g);
  }
  for (KernelIndex k = 0; k < problem_.graph.kernels.size(); ++k) {
    for (const std::uint32_t g : opening_[k]) open_.emplace(regrets_.gap[g], g);
    const double over = -room_.left(k);
    if (over > 0) thin_kernel(k, over);
  }
}

// The least regretted first, gaps through it and what it uses itself.
void Repair::thin_kernel(KernelIndex k, double over) {
  std::vector<std::uint32_t>& points = points_at_[k];
  sort_by(points, [&](auto p) { return regret(p); });
  for (auto p = points.begin(); over > 0;) {
    const std::optional<std::uint32_t> gap = least_regretted(k);
    const bool is_point = p != points.end() && (!gap || regret(*p) < regrets_.gap[*gap]);
    if (!gap && !is_point) break;
    const std::uint32_t g = gap.value_or(0);
    const double before = is_point ? bytes_.point[*p] : bytes_.gap[g];
    const double left = std::max(0.0, before - over);
    if (is_point) {
      shrink_point(*p, whole(chain_of_point(*p), left));
      over -= before - bytes_.point[*p];
      ++p;
    } else {
      shrink_gap(g, whole(chain_of_gap(g), left));
      if (bytes_.gap[g] == before) break;  // so little of a byte that it rounds to nothing
      over -= before - bytes_.gap[g];
    }
  }
}

// Of a byte that is slow at a point: with what is kept around it, or without its copies.
double Repair::regret(std::uint32_t p) const {
  const Chain& chain = chain_of_point(p);
  double regret = regrets_.slow[p];
  bool kept = false;
  for (const std::uint32_t gap : {chain.gap_before(p - chain.first_point), chain.gap_behind(p - chain.first_point)}) {
    if (bytes_.gap[gap] == 0.0) continue;
    regret += regrets_.gap[gap];
    kept = true;
  }
  return kept ? regret : regret - regrets_.copies[p];
}

// Of the gaps that are kept through the kernel.
std::optional<std::uint32_t> Repair::least_regretted(KernelIndex k) {
  for (; !open_.empty(); open_.pop()) {
    const std::uint32_t g = open_.top().second;
    const Gap& gap = chains_.gaps[g];
    const bool behind = gap.end <= k && (gap.steps == 0 || k < gap.begin);
    if (!behind && bytes_.gap[g] > 0) return g;
  }
  return std::nullopt;
}

void Repair::keep_more() {
  std::vector<std::uint32_t> order;
  for (std::uint32_t g = 0; g < chains_.gaps.size(); ++g) {
    if (bytes_.gap[g] < most(chain_of_gap(g), g)) order.push_back(g);
  }
  sort_by(order, [&](auto g) { return -regrets_.gap[g]; });
  for (const std::uint32_t g : order) {
    const double limit = most(chain_of_gap(g), g);
    const double room = bytes_.gap[g] + std::max(0.0, room_.left(chains_.gaps[g]));
    const double bytes = room >= limit ? limit : whole(chain_of_gap(g), room);
    if (bytes <= bytes_.gap[g]) continue;
    room_.take(chains_.gaps[g], bytes - bytes_.gap[g]);
    bytes_.gap[g] = bytes;
  }
}

void Repair::use_more(double dearness) {
  const auto saved = [&](std::uint32_t p) { return regrets_.slow[p] - dearness * regrets_.copies[p]; };
  std::vector<std::uint32_t> order;
  for (std::uint32_t p = 0; p < chains_.points.size(); ++p) {
    if (saved(p) > 0 && bytes_.point[p] < chain_of_point(p).bytes) order.push_back(p);
  }
  sort_by(order, [&](auto p) { return -saved(p); });
  for (const std::uint32_t p : order) {
    const Chain& chain = chain_of_point(p);
    const KernelIndex k = chains_.points[p].kernel;
    const double room = bytes_.point[p] + std::max(0.0, room_.left(k));
    const double bytes = room >= chain.bytes ? chain.bytes : whole(chain, room);
    if (bytes <= bytes_.point[p]) continue;
    room_.take(k, bytes - bytes_.point[p]);
    bytes_.point[p] = bytes;
  }
}

// What is dirty has to be copied out, too.
void Repair::find_regrets(const Prices::Costs& costs) {
  regrets_ = {costs.kept, costs.slow, costs.copies};
  const std::vector<bool> dirty = dirty_gaps();
  for (std::uint32_t g = 0; g < dirty.size(); ++g) {
    const double out = dirty[g] ? costs.out[g] : 0.0;
    regrets_.gap[g] = (costs.in[g] + out - costs.kept[g]) / chain_of_gap(g).bytes;
  }
  for (std::uint32_t p = 0; p < regrets_.slow.size(); ++p) {
    regrets_.slow[p] /= chain_of_point(p).bytes;
    regrets_.copies[p] /= chain_of_point(p).bytes;
  }
}

Placement Repair::run(const Prices::Costs& costs, const Shares& shares, const Options& options) {
  start(shares, options);
  find_regrets(costs);
  thin();
  if (options.dearness != kNoMore) use_more(options.dearness);
  keep_more();
  return bytes_;
}

}  // namespace deeptm::joint

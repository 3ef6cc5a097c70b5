// SPDX-License-Identifier: Apache-2.0
#include "optimizer/joint/channels.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace deeptm::joint {

Channels::Channels(const std::vector<double>& seconds, std::uint32_t wanted) {
  const double whole = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  double now = 0.0;
  for (std::uint32_t k = 0; k < seconds.size(); ++k) {
    const bool full =
        !begin_.empty() && seconds_.back() > 0 && now >= whole * static_cast<double>(begin_.size()) / wanted;
    if (begin_.empty() || (full && begin_.size() < wanted)) {
      begin_.push_back(k);
      seconds_.push_back(0.0);
    }
    slot_of_.push_back(slots() - 1);
    seconds_.back() += seconds[k];
    now += seconds[k];
  }
  slot_of_.push_back(slots() - 1);
  begin_.push_back(static_cast<std::uint32_t>(seconds.size()));
}

void Channels::set(const ByDirection& price, const std::vector<double>& room, const std::array<double, 2>& rate) {
  price_ = price;
  room_ = room;
  const std::uint32_t count = slots();
  if (count == 0) return;
  for (auto& costs : costs_) costs.resize(std::size_t{2} * count);
  for (std::uint32_t s = 0; s < 2 * count; ++s) {
    const std::uint32_t slot = s % count;
    const double turn = s < count ? 0.0 : room_.back();
    const double out = rate[kOut] * price_[kOut][slot];
    costs_[kOutLater][s] = out + room_[begin_[slot]] + turn;
    costs_[kInBefore][s] = rate[kIn] * price_[kIn][slot] - (room_[begin_[slot + 1]] + turn);
    costs_[kOutEarly][s] = out;
  }
  for (std::size_t key = 0; key < kKeys; ++key) {
    const auto& costs = costs_[key];
    auto& table = tables_[key];
    table.resize(static_cast<std::size_t>(std::bit_width(2 * count)));
    table[0].resize(std::size_t{2} * count);
    std::iota(table[0].begin(), table[0].end(), 0U);
    for (std::size_t power = 1; power < table.size(); ++power) {
      const std::uint32_t half = 1U << (power - 1);
      table[power].resize(2 * count - (2 * half - 1));
      for (std::uint32_t s = 0; s < table[power].size(); ++s) {
        const std::uint32_t a = table[power - 1][s], b = table[power - 1][s + half];
        table[power][s] = costs[a] <= costs[b] ? a : b;
      }
    }
  }
}

// Counted through two steps.
std::uint32_t Channels::cheapest_slot(Key key, const Gap& gap) const {
  const std::uint32_t count = slots();
  const std::uint32_t to = std::min(slot_of_[gap.end] + (gap.steps > 0 ? count : 0), 2 * count - 1) + 1;
  const std::uint32_t from = std::min(slot_of_[gap.begin], to - 1);
  const auto power = static_cast<std::size_t>(std::bit_width(std::max(1U, to - from)) - 1);
  const auto& row = tables_[key][power];
  const std::uint32_t a = row[from], b = row[to - (1U << power)];
  return costs_[key][a] <= costs_[key][b] ? a : b;
}

Channels::Choice Channels::cheapest_early(const Gap& kept) const {
  const std::uint32_t slot = cheapest_slot(kOutEarly, kept) % slots();
  return {slot, price_[kOut][slot], 0.0};
}

Channels::Choice Channels::cheapest(Direction direction, const Gap& gap) const {
  const std::uint32_t s = cheapest_slot(direction == kOut ? kOutLater : kInBefore, gap);
  const std::uint32_t slot = s % slots();
  const double turn = s < slots() ? 0.0 : room_.back();
  const double end = room_[gap.end] + (gap.steps > 0 ? room_.back() : 0.0);
  const double room =
      direction == kOut ? room_[begin_[slot]] + turn - room_[gap.begin] : end - (room_[begin_[slot + 1]] + turn);
  return {slot, price_[direction][slot], std::max(0.0, room)};
}

}  // namespace deeptm::joint

// SPDX-License-Identifier: Apache-2.0
#include "optimizer/joint/channels.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace deeptm::joint {

Channels::Channels(const std::vector<double>& seconds, std::uint32_t wanted)
    : kernels_(static_cast<std::uint32_t>(seconds.size())) {
  const double enough = 0.5 * std::accumulate(seconds.begin(), seconds.end(), 0.0) / wanted;
  for (std::uint32_t k = 0; k < kernels_; ++k) {
    const bool full = !seconds_.empty() && seconds_.back() > 0 && (seconds_.back() >= enough || seconds[k] >= enough);
    if (seconds_.empty() || full) {
      begin_.push_back(k);
      seconds_.push_back(0.0);
      first_.push_back(k);
      last_.push_back(k);
    }
    if (seconds[k] > 0) {
      if (seconds_.back() == 0) first_.back() = k;
      last_.back() = k;
    }
    seconds_.back() += seconds[k];
    slot_of_.push_back(slots() - 1);
  }
  // Kernels without time at the end are part of what is before them.
  if (slots() > 1 && seconds_.back() == 0.0) {
    begin_.pop_back();
    seconds_.pop_back();
    for (std::uint32_t& slot : slot_of_) slot = std::min(slot, slots() - 1);
  }
  slot_of_.push_back(slots() - 1);
  begin_.push_back(kernels_);
}

void Channels::set(const std::array<ByDirection, 2>& price, const std::vector<double>& room,
                   const std::array<double, 2>& rate) {
  price_ = price;
  room_ = room;
  rate_ = rate;
  const std::uint32_t count = slots();
  if (count == 0) return;
  for (const Place place : {kBeside, kStall}) {
    for (Table& table : tables_[place]) table.costs.resize(std::size_t{2} * count);
    for (std::uint32_t s = 0; s < 2 * count; ++s) {
      const std::uint32_t slot = s % count;
      const double turn = s < count ? 0.0 : room_.back();
      const std::uint32_t until = place == kBeside ? first_[slot] + 1 : begin_[slot];
      const std::uint32_t from = place == kBeside ? last_[slot] : begin_[slot + 1];
      const double out = rate[kOut] * price_[place][kOut][slot], in = rate[kIn] * price_[place][kIn][slot];
      tables_[place][kOutLater].costs[s] = out + room_[until] + turn;
      tables_[place][kInBefore].costs[s] = in - (room_[from] + turn);
      tables_[place][kOutEarly].costs[s] = out;
    }
    for (Table& table : tables_[place]) fill(table);
  }
}

void Channels::fill(Table& table) const {
  const std::uint32_t count = 2 * slots();
  auto& lowest = table.lowest;
  lowest.resize(static_cast<std::size_t>(std::bit_width(count)));
  lowest[0].resize(count);
  std::iota(lowest[0].begin(), lowest[0].end(), 0U);
  for (std::size_t power = 1; power < lowest.size(); ++power) {
    const std::uint32_t half = 1U << (power - 1);
    lowest[power].resize(count - (2 * half - 1));
    for (std::uint32_t s = 0; s < lowest[power].size(); ++s) {
      const std::uint32_t a = lowest[power - 1][s], b = lowest[power - 1][s + half];
      lowest[power][s] = table.costs[a] <= table.costs[b] ? a : b;
    }
  }
}

// Those with kernels in the gap, some at its ends in part.
Channels::Slots Channels::beside(const Gap& gap) const {
  if (gap.steps == 0 && gap.begin >= gap.end) return {};
  const std::uint32_t count = slots();
  return {gap.begin == kernels_ ? count : slot_of_[gap.begin],
          std::min((gap.end > 0 ? slot_of_[gap.end - 1] + 1 : 0) + (gap.steps > 0 ? count : 0), 2 * count)};
}

// Those with boundaries in it, its ends among them.
Channels::Slots Channels::around(const Gap& gap) const {
  const std::uint32_t count = slots();
  return {slot_of_[gap.begin], std::min(slot_of_[gap.end] + 1 + (gap.steps > 0 ? count : 0), 2 * count)};
}

std::uint32_t Channels::cheapest_slot(const Table& table, const Slots& slots) const {
  const auto power = static_cast<std::size_t>(std::bit_width(std::max(1U, slots.to - slots.from)) - 1);
  const auto& row = table.lowest[power];
  const std::uint32_t a = row[slots.from], b = row[slots.to - (1U << power)];
  return table.costs[a] <= table.costs[b] ? a : b;
}

// In slot s of two steps. Bytes are there as long as any kernel runs beside their copy.
Channels::Choice Channels::choice(Place place, Direction direction, const Gap& gap, std::uint32_t s) const {
  const std::uint32_t slot = s % slots(), turn = s / slots();
  Gap waits;
  if (direction == kOut) {
    waits = {gap.begin, place == kBeside ? first_[slot] + 1 : begin_[slot], turn};
  } else {
    waits = {place == kBeside ? last_[slot] : begin_[slot + 1], gap.end, gap.steps - std::min(turn, gap.steps)};
  }
  if (waits.steps == 0 && waits.begin >= waits.end) waits = {};
  return {true, place, slot, price_[place][direction][slot], over(room_, waits), waits};
}

Channels::Choice Channels::cheapest_early(const Gap& kept) const {
  Choice best;
  for (const Place place : {kBeside, kStall}) {
    const Slots slots_there = place == kBeside ? beside(kept) : around(kept);
    if (slots_there.empty()) continue;
    const std::uint32_t slot = cheapest_slot(tables_[place][kOutEarly], slots_there) % slots();
    const Choice found{true, place, slot, price_[place][kOut][slot], 0.0};
    if (!best.found || found.second < best.second) best = found;
  }
  return best;
}

Channels::Choice Channels::cheapest(Direction direction, const Gap& gap) const {
  Choice best;
  const auto consider = [&](const Choice& found) {
    if (!best.found || cost(direction, found) < cost(direction, best)) best = found;
  };
  for (const Place place : {kBeside, kStall}) {
    Slots there = place == kBeside ? beside(gap) : around(gap);
    if (there.empty()) continue;
    // Of the slot nearest to the use only a part may be in the gap; then nothing waits for it.
    Choice nearest = choice(place, direction, gap, direction == kOut ? there.from : there.to - 1);
    const bool part = direction == kOut ? begin_[nearest.slot] < gap.begin : begin_[nearest.slot + 1] > gap.end;
    if (part) {
      nearest.waits = {};
      nearest.room = 0.0;
    }
    consider(nearest);
    direction == kOut ? ++there.from : --there.to;
    if (there.empty()) continue;
    consider(
        choice(place, direction, gap, cheapest_slot(tables_[place][direction == kOut ? kOutLater : kInBefore], there)));
  }
  return best;
}

}  // namespace deeptm::joint

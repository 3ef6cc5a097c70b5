// SPDX-License-Identifier: Apache-2.0
#include "emulation/emulator.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"
#include "emulation/paced_copier.h"

namespace deeptm {
namespace {

std::uint64_t nanoseconds(double seconds) { return static_cast<std::uint64_t>(std::llround(seconds * 1e9)); }

}  // namespace

EmulatorHooks real_hooks(std::uint32_t queues) {
  auto copiers = std::make_shared<std::vector<std::unique_ptr<PacedCopier>>>();
  for (std::uint32_t q = 0; q < queues; ++q) copiers->push_back(std::make_unique<PacedCopier>());
  return {now_nanoseconds, wait_until_nanoseconds,
          [copiers](std::uint32_t queue, std::uint64_t bytes, std::uint64_t start, std::uint64_t end) {
            return (*copiers)[queue]->submit(bytes, start, end);
          },
          [copiers](std::uint32_t queue, std::uint64_t ticket) { (*copiers)[queue]->wait(ticket); }};
}

Emulator::Emulator(EmulationSchedule schedule, EmulatorHooks hooks)
    : schedule_(std::move(schedule)),
      hooks_(std::move(hooks)),
      follower_(schedule_),
      queue_free_(schedule_.queues(), 0),
      latest_(schedule_.moves.size()) {}

void Emulator::register_kernel(std::uint32_t number, std::string_view name) {
  const std::lock_guard lock(mutex_);
  follower_.register_kernel(number, name);
}

std::optional<std::uint32_t> Emulator::begin(std::int64_t step, std::uint32_t number) {
  const std::lock_guard lock(mutex_);
  const auto scheduled = follower_.begin(step, number);
  if (scheduled) carry_out(step, *scheduled);
  return scheduled;
}

void Emulator::delay(std::uint32_t scheduled) {
  const std::uint64_t length = nanoseconds(schedule_.kernels[scheduled].delay_seconds);
  if (length == 0) return;
  hooks_.wait_until(hooks_.now() + length);
  const std::lock_guard lock(mutex_);
  totals_.delay_nanoseconds += length;
}

void Emulator::end(std::int64_t step, std::uint32_t scheduled) {
  if (scheduled + std::size_t{1} != schedule_.kernels.size()) return;
  const std::lock_guard lock(mutex_);
  carry_out(step, scheduled + 1);
}

Emulator::Totals Emulator::totals() const {
  const std::lock_guard lock(mutex_);
  Totals totals = totals_;
  totals.steps = follower_.totals().steps;
  totals.kernels = follower_.totals().kernels;
  return totals;
}

void Emulator::carry_out(std::int64_t step, std::uint32_t boundary) {
  const auto actions = follower_.due(step, boundary);
  if (actions.empty()) return;
  const std::uint64_t before = hooks_.now();
  for (const MoveAction& action : actions) {
    if (action.start) start(action.move);
    if (action.wait) wait(action.move);
  }
  totals_.stall_nanoseconds += hooks_.now() - before;
}

void Emulator::start(std::uint32_t m) {
  const ScheduledMove& move = schedule_.moves[m];
  std::uint64_t& free = queue_free_[move.queue];
  const std::uint64_t begins = std::max(hooks_.now(), free);
  free = begins + nanoseconds(move.seconds);
  latest_[m] = {free, hooks_.copy(move.queue, move.bytes, begins, free), true};
  totals_.copied_bytes += move.bytes;
}

void Emulator::wait(std::uint32_t m) {
  const Latest& latest = latest_[m];
  if (!latest.any) return;
  hooks_.wait_until(latest.end);
  const std::uint64_t paced = hooks_.now();
  hooks_.wait_for_copy(schedule_.moves[m].queue, latest.ticket);
  totals_.late_nanoseconds += hooks_.now() - paced;
}

}  // namespace deeptm

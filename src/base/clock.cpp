// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <chrono>
#include <thread>

namespace deeptm {

std::uint64_t now_nanoseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

void wait_until_nanoseconds(std::uint64_t time) {
  constexpr std::uint64_t kSpun = 100'000;  // a sleep may last that much longer than asked for
  const std::uint64_t now = now_nanoseconds();
  if (time > now + kSpun) std::this_thread::sleep_for(std::chrono::nanoseconds(time - now - kSpun));
  while (now_nanoseconds() < time) {
  }
}

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#include "base/at_once.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <thread>
#include <vector>

namespace deeptm {

double seconds_of(unsigned threads, const std::function<void(unsigned)>& body) {
  std::barrier all_there(static_cast<std::ptrdiff_t>(threads));
  std::vector<std::chrono::steady_clock::time_point> start(threads), end(threads);
  std::vector<std::jthread> running;
  try {
    for (unsigned i = 0; i < threads; ++i) {
      running.emplace_back([&, i] {
        all_there.arrive_and_wait();
        start[i] = std::chrono::steady_clock::now();
        body(i);
        end[i] = std::chrono::steady_clock::now();
      });
    }
  } catch (...) {  // no more threads: those that run wait for nobody
    for (auto missing = running.size(); missing < threads; ++missing) all_there.arrive_and_drop();
    throw;
  }
  running.clear();  // joins
  return std::chrono::duration<double>(*std::max_element(end.begin(), end.end()) -
                                       *std::min_element(start.begin(), start.end()))
      .count();
}

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <string_view>

// What is said about bad input is one line.
inline void require_one_line(std::string_view message) {
  if (message.empty() || message.find('\n') != std::string_view::npos) std::abort();
}

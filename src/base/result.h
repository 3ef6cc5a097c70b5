// SPDX-License-Identifier: Apache-2.0
// Errors are values: one line that names what failed and what would work.
#pragma once

#include <algorithm>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace deeptm {

struct Error {
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

// What a message quotes may hold any bytes; it stays one line.
inline tl::unexpected<Error> fail(std::string message) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  std::replace_if(message.begin(), message.end(), is_control, ' ');
  return tl::unexpected<Error>(Error{std::move(message)});
}

}  // namespace deeptm

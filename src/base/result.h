// SPDX-License-Identifier: Apache-2.0
// Errors are values: one line that names what failed and what would work.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace deeptm {

struct Error {
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(std::string message) { return tl::unexpected<Error>(Error{std::move(message)}); }

}  // namespace deeptm

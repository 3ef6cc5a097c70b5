// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace deeptm {

// A field of CSV (RFC 4180): quoted where it has to be.
std::string csv_field(std::string_view text);

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace deeptm {

// XXH3, 128 bits, as 32 hexadecimal digits: tells damage and difference, keeps no secrets.
std::string digest(std::string_view bytes);

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

namespace deeptm {

// Calls body(i) for i < threads at once; seconds from the first start to the last end.
double seconds_of(unsigned threads, const std::function<void(unsigned)>& body);

}  // namespace deeptm

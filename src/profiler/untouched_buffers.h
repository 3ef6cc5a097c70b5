// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace deeptm {

// Whether kernels of this type hand an input's buffer on as their output without reading or writing its bytes, like
// Reshape. A kernel of any other type whose output is in the buffer of an input has overwritten it in place.
bool hands_buffers_on(std::string_view kernel_type);

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#ifndef DEEPTM_ADAPTERS_TENSORFLOW_RUNTIME_HANDLE_H_
#define DEEPTM_ADAPTERS_TENSORFLOW_RUNTIME_HANDLE_H_

#include "deeptm/runtime.h"

namespace deeptm_tensorflow {

// The runtime of this process, made at the first call, because TensorFlow asks for the allocator while it is still
// being imported. NULL where another process of the run holds the fast limit: then TensorFlow's own allocator and
// device serve, and a line has said so. A configuration that cannot work ends the process with exit code 2.
deeptm_runtime* runtime();

// One line on standard error, "deeptm: ...".
void say(int level, const char* message);

}  // namespace deeptm_tensorflow

#endif  // DEEPTM_ADAPTERS_TENSORFLOW_RUNTIME_HANDLE_H_

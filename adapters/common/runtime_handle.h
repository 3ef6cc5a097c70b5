// SPDX-License-Identifier: Apache-2.0
#ifndef DEEPTM_ADAPTERS_COMMON_RUNTIME_HANDLE_H_
#define DEEPTM_ADAPTERS_COMMON_RUNTIME_HANDLE_H_

#include "deeptm/runtime.h"

namespace deeptm_adapter {

// The runtime of this process, made at the first call, because a framework may ask for its allocator while it is still
// being imported. NULL where another process of the run holds the fast limit: then the framework's own allocator
// serves, and a line has said so. A configuration that cannot work ends the process with exit code 2.
deeptm_runtime* runtime();

// Each adapter's own: the environment variable with its configuration, and why the framework's settings hide its
// tensors, or nullptr.
const char* config_variable();
const char* unusable();

// One line on standard error, "deeptm: ...".
void say(int level, const char* message);

}  // namespace deeptm_adapter

#endif  // DEEPTM_ADAPTERS_COMMON_RUNTIME_HANDLE_H_

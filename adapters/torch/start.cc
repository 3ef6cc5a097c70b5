// SPDX-License-Identifier: Apache-2.0
#include "adapter.h"
#include "runtime_handle.h"

const char* deeptm_adapter::config_variable() { return "DEEPTM_PYTORCH_CONFIG"; }

const char* deeptm_adapter::unusable() { return nullptr; }

// autoload/deeptm_autoload.py calls the first at the end of `import torch`, the other in a process that was forked and is
// to have ordinary memory. Of one that is being spawned it cannot know yet, so that it is asked.
extern "C" __attribute__((visibility("default"))) void deeptm_pytorch_start(int (*loads_data)()) {
  deeptm_pytorch::own_tensors(loads_data);
}
extern "C" __attribute__((visibility("default"))) void deeptm_pytorch_leave() { deeptm_pytorch::leave_tensors(); }

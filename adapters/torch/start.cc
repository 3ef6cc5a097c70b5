// SPDX-License-Identifier: Apache-2.0
#include "adapter.h"
#include "runtime_handle.h"

const char* deeptm_adapter::config_variable() { return "DEEPTM_PYTORCH_CONFIG"; }

const char* deeptm_adapter::unusable() { return nullptr; }

// autoload/deeptm_autoload.py calls it at the end of `import torch`.
extern "C" __attribute__((visibility("default"))) void deeptm_pytorch_start(int (*loads_data)(), int is_spawned) {
  deeptm_pytorch::own_tensors(loads_data, is_spawned != 0);
}

// SPDX-License-Identifier: Apache-2.0
#ifndef DEEPTM_ADAPTERS_TENSORFLOW_PYTHON_HOOK_H_
#define DEEPTM_ADAPTERS_TENSORFLOW_PYTHON_HOOK_H_

namespace deeptm_tensorflow {

// What the script has printed goes out, if this thread may see to it: other threads may hold Python's lock for ever.
void flush_python_output();

}  // namespace deeptm_tensorflow

#endif  // DEEPTM_ADAPTERS_TENSORFLOW_PYTHON_HOOK_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef DEEPTM_ADAPTERS_COMMON_PYTHON_H_
#define DEEPTM_ADAPTERS_COMMON_PYTHON_H_

namespace deeptm_adapter {

// Runs Python in the user's process, in a namespace of its own; nothing where there is no Python. For a thread that
// holds Python's lock, or that nobody waits for.
void run_python(const char* code);

// What the script has printed goes out, if this thread may see to it: other threads may hold Python's lock for ever.
void flush_python_output();

}  // namespace deeptm_adapter

#endif  // DEEPTM_ADAPTERS_COMMON_PYTHON_H_

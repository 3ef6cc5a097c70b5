// SPDX-License-Identifier: Apache-2.0
#include "python.h"

#include <dlfcn.h>

#include <string>

namespace deeptm_adapter {
namespace {

template <class F>
F python(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace

void run_python(const char* code) {
  const auto initialized = python<int (*)()>("Py_IsInitialized");
  const auto ensure = python<int (*)()>("PyGILState_Ensure");
  const auto release = python<void (*)(int)>("PyGILState_Release");
  const auto run_string = python<int (*)(const char*)>("PyRun_SimpleString");
  if (!initialized || !ensure || !release || !run_string || initialized() == 0) return;  // not a Python program
  const int state = ensure();
  run_string(("exec('''" + std::string(code) + "''', {})").c_str());
  release(state);
}

void flush_python_output() {
  const auto holds_lock = python<int (*)()>("PyGILState_Check");
  if (holds_lock && holds_lock() != 0) run_python("import sys; sys.stdout.flush(); sys.stderr.flush()");
}

}  // namespace deeptm_adapter

// SPDX-License-Identifier: Apache-2.0
// What has to be said to TensorFlow's Python side, in the user's process but in none of the user's files: XLA would
// compile a step into one kernel that nobody can look into, so jit_compile is dropped.
#include "python_hook.h"

#include <dlfcn.h>

#include <string>

namespace deeptm_tensorflow {
namespace {

constexpr const char* kHook = R"py(
def hook():
    import functools
    from tensorflow.python.eager.polymorphic_function import polymorphic_function

    init = polymorphic_function.Function.__init__

    @functools.wraps(init)
    def without_jit(self, *args, **kwargs):
        kwargs.pop("jit_compile", None)
        init(self, *args, **kwargs)

    polymorphic_function.Function.__init__ = without_jit

try:
    hook()
except (ImportError, AttributeError) as error:
    import sys
    print(f"deeptm: warning: jit_compile cannot be switched off ({error}): do not use it", file=sys.stderr)
)py";

template <class F>
F python(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
}

// For a thread that holds Python's lock, or that nobody waits for. In a namespace of its own, not in the script's.
void run(const char* code) {
  const auto initialized = python<int (*)()>("Py_IsInitialized");
  const auto ensure = python<int (*)()>("PyGILState_Ensure");
  const auto release = python<void (*)(int)>("PyGILState_Release");
  const auto run_string = python<int (*)(const char*)>("PyRun_SimpleString");
  if (!initialized || !ensure || !release || !run_string || initialized() == 0) return;  // not a Python program
  const int state = ensure();
  run_string(("exec('''" + std::string(code) + "''', {})").c_str());
  release(state);
}

}  // namespace

void flush_python_output() {
  const auto holds_lock = python<int (*)()>("PyGILState_Check");
  if (holds_lock && holds_lock() != 0) run("import sys; sys.stdout.flush(); sys.stderr.flush()");
}

}  // namespace deeptm_tensorflow

// TensorFlow calls this, if a plug-in has it, once the library is loaded. A constructor would run while the dynamic
// linker's lock is held, and might then wait for Python's lock, whose holder may wait for the linker.
extern "C" __attribute__((visibility("default"))) void TF_InitKernel() {
  deeptm_tensorflow::run(deeptm_tensorflow::kHook);
}

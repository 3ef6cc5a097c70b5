// SPDX-License-Identifier: Apache-2.0
// What has to be said to TensorFlow's Python side, in the user's process but in none of the user's files: XLA would
// compile a step into one kernel that nobody can look into, so jit_compile is dropped; and a script's own number of
// inter-op threads is reported, since with more than one the order of kernels, and so the result, varies.
#include <dlfcn.h>

#include <cstdio>

namespace {

constexpr const char* kHook = R"py(
def _deeptm_hook():
    import functools, sys
    from tensorflow.python.eager import context
    from tensorflow.python.eager.polymorphic_function import polymorphic_function

    init = polymorphic_function.Function.__init__

    @functools.wraps(init)
    def without_jit(self, *args, **kwargs):
        kwargs.pop("jit_compile", None)
        init(self, *args, **kwargs)

    polymorphic_function.Function.__init__ = without_jit

    threads = context.Context.inter_op_parallelism_threads

    def set_threads(self, number):
        if number != 1:
            print(f"deeptm: note: the script sets {number} inter-op threads: the order of kernels, and so the last "
                  "bits of the result, vary from run to run", file=sys.stderr)
        threads.fset(self, number)

    context.Context.inter_op_parallelism_threads = threads.setter(set_threads)

_deeptm_hook()
)py";

// Runs when TensorFlow, at the end of its import, loads this library.
__attribute__((constructor)) void install_python_hook() {
  const auto ensure = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "PyGILState_Ensure"));
  const auto release = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "PyGILState_Release"));
  const auto run = reinterpret_cast<int (*)(const char*)>(dlsym(RTLD_DEFAULT, "PyRun_SimpleString"));
  if (ensure == nullptr || release == nullptr || run == nullptr) return;  // not a Python program
  const int state = ensure();
  // In a namespace of its own, not in the script's.
  static char code[4096];
  std::snprintf(code, sizeof code, "exec('''%s''', {})", kHook);
  run(code);
  release(state);
}

}  // namespace

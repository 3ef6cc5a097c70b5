// SPDX-License-Identifier: Apache-2.0
// What has to be said to TensorFlow's Python side, in the user's process but in none of the user's files: XLA would
// compile a step into one kernel that nobody can look into, so jit_compile is dropped.
#include "python.h"

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

}  // namespace
}  // namespace deeptm_tensorflow

// TensorFlow calls this, if a plug-in has it, once the library is loaded. A constructor would run while the dynamic
// linker's lock is held, and might then wait for Python's lock, whose holder may wait for the linker.
extern "C" __attribute__((visibility("default"))) void TF_InitKernel() {
  deeptm_adapter::run_python(deeptm_tensorflow::kHook);
}

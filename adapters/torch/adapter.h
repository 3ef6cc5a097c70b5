// SPDX-License-Identifier: Apache-2.0
#ifndef DEEPTM_ADAPTERS_PYTORCH_ADAPTER_H_
#define DEEPTM_ADAPTERS_PYTORCH_ADAPTER_H_

namespace deeptm_pytorch {

// From the first tensor of considerable size on, tensors on the CPU are the runtime's, and operations are watched. A
// process that was spawned, or forked since, is asked then whether it only loads data: if so, it leaves the limit to
// others. (No other is: the answer needs Python's lock.)
void own_tensors(int (*loads_data)(), bool is_spawned);

// From now on each operation is announced before and after it computes; not if PyTorch's records do not pass the
// self-test, which a line says: then nothing is planned.
void watch_operations();

// The self-test: whether the record of an operation says what it was, in this very build of PyTorch.
bool records_are_right();

}  // namespace deeptm_pytorch

#endif  // DEEPTM_ADAPTERS_PYTORCH_ADAPTER_H_

// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <fmt/format.h>

#include "base/hash.h"

namespace deeptm {
std::string_view to_string(CopyMode mode) { return mode == CopyMode::kSync ? "sync" : "async"; }

std::string fingerprint(const StepGraph& graph) {
  Fnv hash;
  hash.add(std::uint64_t{graph.kernels.size()});
  for (const Tensor& tensor : graph.tensors) {
    hash.add(tensor.bytes);
    hash.add(std::uint64_t{tensor.first_kernel} << 32 | tensor.last_kernel);
    for (const bool flag : {tensor.persistent, tensor.foreign, tensor.alive_at_start, tensor.alive_at_end}) {
      hash.add(std::uint64_t{flag});
    }
    hash.add(tensor.becomes ? *tensor.becomes + std::uint64_t{1} : std::uint64_t{0});
  }
  for (const Access& access : graph.accesses) {
    hash.add(std::uint64_t{access.kernel} << 32 | access.tensor);
    hash.add(std::uint64_t{access.reads} << 32 | access.writes);
  }
  return fmt::format("{:016x}", hash.value());
}

}  // namespace deeptm

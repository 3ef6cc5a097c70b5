// SPDX-License-Identifier: Apache-2.0
#include "graph/validate.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace deeptm {
namespace {

constexpr std::size_t kMostItems = std::numeric_limits<std::uint32_t>::max();

Result<void> check_types(const std::vector<TensorType>& types, std::size_t kernel, std::string_view field) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    for (std::size_t d = 0; d < types[i].shape.size(); ++d)
      if (types[i].shape[d] < 0)
        return fail(
            fmt::format("kernels[{}].{}[{}].shape[{}]: {} is negative", kernel, field, i, d, types[i].shape[d]));
    if (const std::size_t slopes = types[i].shape_per_sample.size(); slopes != 0 && slopes != types[i].shape.size())
      return fail(fmt::format("kernels[{}].{}[{}].shape_per_sample: has {} numbers, the shape has {}", kernel, field, i,
                              slopes, types[i].shape.size()));
  }
  return {};
}

Result<void> check_kernel(const Kernel& kernel, std::size_t k) {
  if (kernel.name.empty()) return fail(fmt::format("kernels[{}].name: is empty", k));
  if (kernel.type.empty()) return fail(fmt::format("kernels[{}].type: is empty", k));
  if (!kernel.attributes.json().is_object()) return fail(fmt::format("kernels[{}].attributes: must be an object", k));
  if (!std::isfinite(kernel.seconds) || kernel.seconds < 0)
    return fail(fmt::format("kernels[{}].seconds: {} is not a duration", k, kernel.seconds));
  for (const auto& row : kernel.placement_seconds.value_or(PlacementSeconds{}))
    for (const double seconds : row)
      if (!std::isfinite(seconds) || seconds < 0)
        return fail(fmt::format("kernels[{}].placement_seconds: {} is not a duration", k, seconds));
  if (!std::isfinite(kernel.seconds_per_sample))
    return fail(fmt::format("kernels[{}].seconds_per_sample: is not a number", k));
  if (auto ok = check_types(kernel.inputs, k, "inputs"); !ok) return ok;
  return check_types(kernel.outputs, k, "outputs");
}

Result<void> check_placements(const StepGraph& graph) {
  const auto& placements = graph.origin.placements;
  if (placements && (!std::isfinite(placements->scale) || placements->scale <= 0))
    return fail(fmt::format("origin.placements.scale: {} is not above 0", placements->scale));
  for (std::size_t k = 0; k < graph.kernels.size(); ++k)
    if (graph.kernels[k].placement_seconds && !placements)
      return fail(fmt::format("kernels[{}].placement_seconds: origin.placements does not say of which machine", k));
  return {};
}

Result<void> check_lifetime(const StepGraph& graph, std::size_t t) {
  const Tensor& tensor = graph.tensors[t];
  const std::size_t kernels = graph.kernels.size();
  const auto wrong = [&](std::string_view field, std::string what) {
    return fail(fmt::format("tensors[{}].{}: {}", t, field, what));
  };
  if (tensor.first_kernel >= kernels)
    return wrong("first_kernel", fmt::format("{} is past the last of {} kernels", tensor.first_kernel, kernels));
  if (tensor.last_kernel >= kernels)
    return wrong("last_kernel", fmt::format("{} is past the last of {} kernels", tensor.last_kernel, kernels));
  if (tensor.last_kernel < tensor.first_kernel)
    return wrong("last_kernel",
                 fmt::format("{} is before the first_kernel {}", tensor.last_kernel, tensor.first_kernel));
  if (t > 0 && tensor.first_kernel < graph.tensors[t - 1].first_kernel)
    return wrong("first_kernel", fmt::format("{} is before that of the tensor above, {}; tensors are ordered by it",
                                             tensor.first_kernel, graph.tensors[t - 1].first_kernel));
  if (tensor.alive_at_start && tensor.first_kernel != 0)
    return wrong("alive_at_start", fmt::format("is true, but first_kernel is {}", tensor.first_kernel));
  if (tensor.alive_at_end && tensor.last_kernel + std::size_t{1} != kernels)
    return wrong("alive_at_end",
                 fmt::format("is true, but last_kernel is {} of {} kernels", tensor.last_kernel, kernels));
  if (tensor.allocated_by && tensor.alive_at_start)
    return wrong("allocated_by", "a tensor that is alive at the start is allocated by no kernel of the step");
  if (tensor.allocated_by && *tensor.allocated_by != tensor.first_kernel)
    return wrong("allocated_by",
                 fmt::format("{} is not the first_kernel {}", *tensor.allocated_by, tensor.first_kernel));
  if (tensor.persistent && !tensor.alive_at_start && !tensor.alive_at_end)
    return wrong("persistent", "is true, but the tensor is alive neither at the start nor at the end of the step");
  return {};
}

Result<void> check_becomes(const StepGraph& graph, std::size_t t, std::vector<std::optional<std::size_t>>& becomes) {
  const Tensor& tensor = graph.tensors[t];
  if (!tensor.becomes) return {};
  const TensorIndex target = *tensor.becomes;
  const auto wrong = [&](std::string what) { return fail(fmt::format("tensors[{}].becomes: {}", t, what)); };
  if (target >= graph.tensors.size())
    return wrong(fmt::format("{} is past the last of {} tensors", target, graph.tensors.size()));
  if (target == t) return wrong("is the tensor itself; leave it out for a buffer that stays where it is");
  if (!tensor.alive_at_end) return wrong("is given, but alive_at_end is false");
  if (!graph.tensors[target].alive_at_start) return wrong(fmt::format("tensor {} is not alive at the start", target));
  if (graph.tensors[target].bytes != tensor.bytes)
    return wrong(fmt::format("tensor {} has {} bytes, this one {}", target, graph.tensors[target].bytes, tensor.bytes));
  if (becomes[target]) return wrong(fmt::format("{} is what tensor {} becomes already", target, *becomes[target]));
  becomes[target] = t;
  return {};
}

Result<void> check_tensors(const StepGraph& graph) {
  std::uint64_t total_bytes = 0;
  std::vector<std::optional<std::size_t>> becomes(graph.tensors.size());
  for (std::size_t t = 0; t < graph.tensors.size(); ++t) {
    const Tensor& tensor = graph.tensors[t];
    if (tensor.bytes == 0) return fail(fmt::format("tensors[{}].bytes: must be at least 1", t));
    if (tensor.bytes > kMostGraphBytes - total_bytes)
      return fail(fmt::format("tensors[{}].bytes: {} makes more than 2^60 bytes together", t, tensor.bytes));
    total_bytes += tensor.bytes;
    if (auto ok = check_lifetime(graph, t); !ok) return ok;
    if (auto ok = check_becomes(graph, t, becomes); !ok) return ok;
  }
  return {};
}

Result<void> check_access(const StepGraph& graph, std::size_t a) {
  const Access& access = graph.accesses[a];
  const auto wrong = [&](std::string_view field, std::string what) {
    return fail(fmt::format("accesses[{}].{}: {}", a, field, what));
  };
  if (access.kernel >= graph.kernels.size())
    return wrong("kernel", fmt::format("{} is past the last of {} kernels", access.kernel, graph.kernels.size()));
  if (access.tensor >= graph.tensors.size())
    return wrong("tensor", fmt::format("{} is past the last of {} tensors", access.tensor, graph.tensors.size()));
  const Tensor& tensor = graph.tensors[access.tensor];
  if (access.kernel < tensor.first_kernel || access.kernel > tensor.last_kernel)
    return wrong("kernel", fmt::format("{} is outside the lifetime of tensor {}, {} to {}", access.kernel,
                                       access.tensor, tensor.first_kernel, tensor.last_kernel));
  if (access.reads == 0 && access.writes == 0) return wrong("reads", "neither reads nor writes");
  if (access.in_place && access.writes == 0) return wrong("in_place", "is true, but there are no writes");
  if (a == 0) return {};
  const Access& above = graph.accesses[a - 1];
  if (access.kernel < above.kernel)
    return wrong("kernel", fmt::format("{} is before that of the access above, {}; accesses are ordered by kernel, "
                                       "then tensor",
                                       access.kernel, above.kernel));
  if (access.kernel > above.kernel || access.tensor > above.tensor) return {};
  if (access.tensor == above.tensor)
    return wrong("tensor",
                 fmt::format("{} again for kernel {}; add up its reads and writes", access.tensor, access.kernel));
  return wrong("tensor", fmt::format("{} is before that of the access above, {}; accesses are ordered by kernel, then "
                                     "tensor",
                                     access.tensor, above.tensor));
}

}  // namespace

Result<void> validate(const StepGraph& graph) {
  if (graph.kernels.empty()) return fail("kernels: is empty; a step has at least one kernel");
  if (graph.kernels.size() > kMostItems) return fail("kernels: more than 2^32 - 1");
  if (graph.tensors.size() > kMostItems) return fail("tensors: more than 2^32 - 1");
  for (std::size_t k = 0; k < graph.kernels.size(); ++k)
    if (auto ok = check_kernel(graph.kernels[k], k); !ok) return ok;
  if (auto ok = check_placements(graph); !ok) return ok;
  if (auto ok = check_tensors(graph); !ok) return ok;
  for (std::size_t a = 0; a < graph.accesses.size(); ++a)
    if (auto ok = check_access(graph, a); !ok) return ok;
  return {};
}

}  // namespace deeptm

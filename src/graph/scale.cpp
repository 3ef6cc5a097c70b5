// SPDX-License-Identifier: Apache-2.0
#include "graph/scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <unordered_map>

#include "graph/kernels_by_name.h"
#include "graph/validate.h"

namespace deeptm {
namespace {

// What each sample adds to a value, if that is whole.
std::optional<std::int64_t> slope(std::int64_t small, std::int64_t large, std::int64_t samples) {
  if ((large - small) % samples != 0) return std::nullopt;
  return (large - small) / samples;
}

bool same_kind(const TensorType& a, const TensorType& b) {
  return a.dtype == b.dtype && a.shape.size() == b.shape.size();
}

// The type in `large` that small[i] is: the one in its place or, since TensorFlow's optimizer turns x * y into y * x
// from run to run, another one of its kind that is in nobody's place.
const TensorType* counterpart(const std::vector<TensorType>& small, const std::vector<TensorType>& large,
                              std::size_t i) {
  if (same_kind(small[i], large[i])) return &large[i];
  for (std::size_t j = 0; j < large.size(); ++j) {
    if (!same_kind(small[j], large[j]) && same_kind(small[i], large[j])) return &large[j];
  }
  return nullptr;
}

Result<void> fit_types(std::vector<TensorType>& small, const std::vector<TensorType>& large, std::int64_t samples,
                       std::size_t kernel) {
  for (std::size_t i = 0; i < small.size(); ++i) {
    const TensorType* other = small.size() == large.size() ? counterpart(small, large, i) : nullptr;
    if (other == nullptr) return fail(fmt::format("kernels[{}]: its inputs or outputs differ in kind", kernel));
    small[i].shape_per_sample.clear();
    for (std::size_t d = 0; d < small[i].shape.size(); ++d) {
      const auto by = slope(small[i].shape[d], other->shape[d], samples);
      if (!by) return fail(fmt::format("kernels[{}]: a shape grows by parts of an element a sample", kernel));
      small[i].shape_per_sample.push_back(*by);
    }
    const auto& slopes = small[i].shape_per_sample;
    if (std::all_of(slopes.begin(), slopes.end(), [](std::int64_t by) { return by == 0; })) {
      small[i].shape_per_sample.clear();
    }
  }
  return {};
}

Result<void> fit_kernels(StepGraph& fitted, const KernelsByName& large, std::int64_t samples) {
  std::unordered_map<std::string, std::size_t> turns;
  for (std::size_t k = 0; k < fitted.kernels.size(); ++k) {
    Kernel& kernel = fitted.kernels[k];
    const Kernel* other = large.find(kernel.name, turns[kernel.name]++);
    if (other == nullptr) return fail(fmt::format("kernels[{}]: the other recording has no {}", k, kernel.name));
    if (kernel.type != other->type) {
      return fail(fmt::format("kernels[{}]: is {} in one and {} in the other", k, kernel.type, other->type));
    }
    kernel.seconds_per_sample = (other->seconds - kernel.seconds) / static_cast<double>(samples);
    if (auto fits = fit_types(kernel.inputs, other->inputs, samples, k); !fits) return fits;
    if (auto fits = fit_types(kernel.outputs, other->outputs, samples, k); !fits) return fits;
  }
  return {};
}

std::int64_t elements(const TensorType& type, std::int64_t samples) {
  std::int64_t count = 1;
  for (std::size_t d = 0; d < type.shape.size(); ++d) {
    count *= type.shape[d] + (type.shape_per_sample.empty() ? 0 : samples * type.shape_per_sample[d]);
  }
  return count;
}

// The input or output that "kernel:input2" or "kernel:0" is named after.
const TensorType* type_of(const std::string& tensor, const KernelsByName& kernels) {
  const std::size_t colon = tensor.rfind(':');
  if (colon == std::string::npos) return nullptr;
  const Kernel* kernel = kernels.find(tensor.substr(0, colon), 0);
  std::string_view slot = std::string_view(tensor).substr(colon + 1);
  const bool input = slot.starts_with("input");
  if (input) slot.remove_prefix(5);
  std::size_t number = 0;
  const auto read = std::from_chars(slot.data(), slot.data() + slot.size(), number);
  if (kernel == nullptr || read.ec != std::errc() || read.ptr != slot.data() + slot.size()) return nullptr;
  const auto& types = input ? kernel->inputs : kernel->outputs;
  return number < types.size() ? &types[number] : nullptr;
}

Result<void> fit_tensors(StepGraph& fitted, const StepGraph& large, std::int64_t samples) {
  // Those of one name by their turn, as kernels are.
  std::unordered_map<std::string, std::vector<std::int64_t>> others;
  for (const Tensor& tensor : large.tensors) others[tensor.name].push_back(static_cast<std::int64_t>(tensor.bytes));
  std::unordered_map<std::string, std::size_t> turns;
  const KernelsByName kernels(fitted);
  for (std::size_t t = 0; t < fitted.tensors.size(); ++t) {
    Tensor& tensor = fitted.tensors[t];
    const auto bytes = static_cast<std::int64_t>(tensor.bytes);
    const TensorType* type = type_of(tensor.name, kernels);
    const std::int64_t count = type == nullptr ? 0 : elements(*type, 0);
    if (count > 0 && bytes % count == 0) {
      tensor.bytes_per_sample = bytes / count * ((elements(*type, samples) - count) / samples);
      continue;
    }
    const std::vector<std::int64_t>& other = others[tensor.name];
    const std::size_t turn = turns[tensor.name]++;
    const auto by = slope(bytes, turn < other.size() ? other[turn] : bytes, samples);
    if (!by) return fail(fmt::format("tensors[{}] ({}): grows by parts of a byte a sample", t, tensor.name));
    tensor.bytes_per_sample = *by;
  }
  return {};
}

// Measured with one batch only, they grow as the kernel's own seconds do.
void scale_placements(Kernel& kernel, double by) {
  if (!kernel.placement_seconds) return;
  for (auto& row : *kernel.placement_seconds)
    for (double& seconds : row) seconds *= by;
}

void scale_types(std::vector<TensorType>& types, std::int64_t samples) {
  for (TensorType& type : types) {
    for (std::size_t d = 0; d < type.shape_per_sample.size(); ++d) {
      type.shape[d] = std::max<std::int64_t>(0, type.shape[d] + samples * type.shape_per_sample[d]);
    }
  }
}

}  // namespace

Result<StepGraph> fit_batches(const StepGraph& small, const StepGraph& large) {
  if (small.origin.batch == 0 || large.origin.batch <= small.origin.batch) {
    return fail(fmt::format("batches {} and {}: both must be known, the second larger", small.origin.batch,
                            large.origin.batch));
  }
  const std::int64_t samples = std::int64_t{large.origin.batch} - small.origin.batch;
  StepGraph fitted = small;
  if (auto ok = fit_kernels(fitted, KernelsByName(large), samples); !ok) return tl::unexpected(ok.error());
  if (auto ok = fit_tensors(fitted, large, samples); !ok) return tl::unexpected(ok.error());
  fitted.origin.fitted = true;
  return fitted;
}

Result<StepGraph> scale_to(const StepGraph& graph, std::uint32_t batch) {
  if (!graph.origin.fitted) return fail("the graph is of one batch size; record it with --scale-with");
  if (batch == 0) return fail("a batch has at least one sample");
  const std::int64_t samples = std::int64_t{batch} - graph.origin.batch;
  StepGraph scaled = graph;
  scaled.origin.batch = batch;
  for (Kernel& kernel : scaled.kernels) {
    const double before = kernel.seconds;
    kernel.seconds = std::max(0.0, kernel.seconds + static_cast<double>(samples) * kernel.seconds_per_sample);
    if (before > 0) scale_placements(kernel, kernel.seconds / before);
    scale_types(kernel.inputs, samples);
    scale_types(kernel.outputs, samples);
  }
  for (std::size_t t = 0; t < scaled.tensors.size(); ++t) {
    Tensor& tensor = scaled.tensors[t];
    std::int64_t added = 0, bytes = 0;
    const bool fits = !__builtin_mul_overflow(samples, tensor.bytes_per_sample, &added) &&
                      !__builtin_add_overflow(static_cast<std::int64_t>(tensor.bytes), added, &bytes) && bytes >= 1;
    if (!fits) return fail(fmt::format("tensors[{}]: has no size with a batch of {}", t, batch));
    tensor.bytes = static_cast<std::uint64_t>(bytes);
  }
  if (auto ok = validate(scaled); !ok) return tl::unexpected<Error>(ok.error());
  return scaled;
}

}  // namespace deeptm

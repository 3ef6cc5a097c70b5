// SPDX-License-Identifier: Apache-2.0
#include "graph/scale.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/validate.h"

namespace deeptm {
namespace {

// What each sample adds to a value, if that is whole.
std::optional<std::int64_t> slope(std::int64_t small, std::int64_t large, std::int64_t samples) {
  if ((large - small) % samples != 0) return std::nullopt;
  return (large - small) / samples;
}

Result<void> fit_types(std::vector<TensorType>& small, const std::vector<TensorType>& large, std::int64_t samples,
                       std::size_t kernel) {
  for (std::size_t i = 0; i < small.size(); ++i) {
    const bool same = i < large.size() && small[i].dtype == large[i].dtype &&
                      small[i].shape.size() == large[i].shape.size();
    if (!same) return fail(fmt::format("kernels[{}]: its inputs or outputs differ in kind", kernel));
    small[i].shape_per_sample.clear();
    for (std::size_t d = 0; d < small[i].shape.size(); ++d) {
      const auto by = slope(small[i].shape[d], large[i].shape[d], samples);
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

Result<void> fit_kernels(StepGraph& fitted, const StepGraph& large, std::int64_t samples) {
  for (std::size_t k = 0; k < fitted.kernels.size(); ++k) {
    Kernel& kernel = fitted.kernels[k];
    const Kernel& other = large.kernels[k];
    if (kernel.type != other.type) {
      return fail(fmt::format("kernels[{}]: is {} in one and {} in the other", k, kernel.type, other.type));
    }
    kernel.seconds_per_sample = (other.seconds - kernel.seconds) / static_cast<double>(samples);
    if (auto fits = fit_types(kernel.inputs, other.inputs, samples, k); !fits) return fits;
    if (auto fits = fit_types(kernel.outputs, other.outputs, samples, k); !fits) return fits;
  }
  return {};
}

Result<void> fit_tensors(StepGraph& fitted, const StepGraph& large, std::int64_t samples) {
  for (std::size_t t = 0; t < fitted.tensors.size(); ++t) {
    Tensor& tensor = fitted.tensors[t];
    const Tensor& other = large.tensors[t];
    if (tensor.first_kernel != other.first_kernel || tensor.last_kernel != other.last_kernel ||
        tensor.persistent != other.persistent) {
      return fail(fmt::format("tensors[{}]: lives from kernel {} to {} in one and from {} to {} in the other", t,
                              tensor.first_kernel, tensor.last_kernel, other.first_kernel, other.last_kernel));
    }
    const auto by = slope(static_cast<std::int64_t>(tensor.bytes), static_cast<std::int64_t>(other.bytes), samples);
    if (!by) return fail(fmt::format("tensors[{}]: grows by parts of a byte a sample", t));
    tensor.bytes_per_sample = *by;
  }
  return {};
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
  const auto same_count = [](std::string_view what, std::size_t a, std::size_t b) -> Result<void> {
    if (a == b) return {};
    return fail(fmt::format("{}: there are {} in one recording and {} in the other", what, a, b));
  };
  if (auto ok = same_count("kernels", small.kernels.size(), large.kernels.size()); !ok) return tl::unexpected(ok.error());
  if (auto ok = same_count("tensors", small.tensors.size(), large.tensors.size()); !ok) return tl::unexpected(ok.error());
  if (small.accesses != large.accesses) return fail("accesses: differ between the recordings");
  const std::int64_t samples = std::int64_t{large.origin.batch} - small.origin.batch;
  StepGraph fitted = small;
  if (auto ok = fit_kernels(fitted, large, samples); !ok) return tl::unexpected(ok.error());
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
    kernel.seconds = std::max(0.0, kernel.seconds + static_cast<double>(samples) * kernel.seconds_per_sample);
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

// SPDX-License-Identifier: Apache-2.0
#include "graph/summary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>

#include "base/bytes.h"
#include "base/csv.h"
#include "graph/graph_json.h"
#include "graph/lifetimes.h"

namespace deeptm {
namespace {

constexpr std::size_t kBiggest = 10, kTypesShown = 15;

void count_kernels(const StepGraph& graph, GraphSummary& summary) {
  std::map<std::string_view, GraphSummary::KernelType> types;
  for (const Kernel& kernel : graph.kernels) {
    auto& type = types[kernel.type];
    type.type = kernel.type;
    ++type.kernels;
    type.seconds += kernel.seconds;
    summary.seconds += kernel.seconds;
  }
  for (auto& [name, type] : types) summary.kernel_types.push_back(std::move(type));
  std::stable_sort(summary.kernel_types.begin(), summary.kernel_types.end(),
                   [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
}

void count_tensor(const Tensor& tensor, GraphSummary& summary) {
  summary.total_bytes += tensor.bytes;
  if (tensor.persistent && tensor.alive_at_start) {
    ++summary.persistent_tensors;
    summary.persistent_bytes += tensor.bytes;
  }
  if (tensor.foreign) {
    ++summary.foreign_tensors;
    summary.foreign_bytes += tensor.bytes;
  }
  if (tensor.bytes <= kMicroBytes) {
    ++summary.micro_tensors;
    summary.micro_bytes += tensor.bytes;
  }
  const std::uint64_t kernels = std::uint64_t{tensor.last_kernel} - tensor.first_kernel + 1;
  const auto row = static_cast<std::size_t>(std::bit_width(kernels - 1));  // 1 -> 0, 2 -> 1, 3..4 -> 2, ...
  while (summary.lifetimes.size() <= row) summary.lifetimes.push_back({std::uint64_t{1} << summary.lifetimes.size()});
  ++summary.lifetimes[row].tensors;
  summary.lifetimes[row].bytes += tensor.bytes;
}

void count_accesses(const StepGraph& graph, GraphSummary& summary) {
  std::vector<std::uint64_t> touched(graph.kernels.size(), 0);
  for (const Access& access : graph.accesses) {
    const std::uint64_t bytes = graph.tensors[access.tensor].bytes;
    const std::uint64_t count = std::uint64_t{access.reads} + access.writes;
    summary.accesses += count;
    if (bytes <= kMicroBytes) summary.micro_accesses += count;
    touched[access.kernel] += bytes;
  }
  const auto widest = std::max_element(touched.begin(), touched.end());
  summary.widest_kernel = static_cast<KernelIndex>(widest - touched.begin());
  summary.widest_bytes = *widest;
}

void find_biggest(const StepGraph& graph, GraphSummary& summary) {
  std::vector<TensorIndex> order(graph.tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  const std::size_t count = std::min(kBiggest, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](TensorIndex a, TensorIndex b) {
                      const std::uint64_t left = graph.tensors[a].bytes, right = graph.tensors[b].bytes;
                      return left != right ? left > right : a < b;
                    });
  order.resize(count);
  summary.biggest = std::move(order);
}

std::string head_text(const StepGraph& graph, const GraphSummary& summary, std::string_view file) {
  const GraphOrigin& origin = graph.origin;
  std::string text = fmt::format("{}: a step of {}\n", file, step_kind_name(origin.step_kind));
  if (!origin.framework.empty())
    text += fmt::format("  {:<11} {}{}{}, deeptm {}{}\n", origin.recorded_steps == 0 ? "origin" : "recorded",
                        origin.framework, origin.framework_version.empty() ? "" : " ", origin.framework_version,
                        origin.deeptm_version, origin.host.empty() ? "" : " on " + origin.host);
  if (!origin.command_line.empty()) text += fmt::format("  command     {}\n", fmt::join(origin.command_line, " "));
  const auto waited =
      std::count_if(graph.kernels.begin(), graph.kernels.end(), [](const Kernel& k) { return !k.wait_free; });
  text += fmt::format(
      "  kernels     {}, {:.4g} s ({}{})\n", graph.kernels.size(), summary.seconds,
      origin.recorded_steps == 0 ? "not measured" : fmt::format("medians over {} steps", origin.recorded_steps),
      waited == 0 ? "" : fmt::format("; {} waited for slow memory", waited));
  text += fmt::format("  tensors     {}, {} in all\n", graph.tensors.size(), format_bytes(summary.total_bytes));
  text += fmt::format("  peak        {} alive at kernel {} ({})\n", format_bytes(summary.peak_bytes),
                      summary.peak_kernel, graph.kernels[summary.peak_kernel].name);
  text += fmt::format("  variables   {}, {}\n", summary.persistent_tensors, format_bytes(summary.persistent_bytes));
  text += fmt::format("  micro       {} tensors of at most {}, {}, {} of {} accesses\n", summary.micro_tensors,
                      format_bytes(kMicroBytes), format_bytes(summary.micro_bytes), summary.micro_accesses,
                      summary.accesses);
  if (summary.foreign_tensors != 0)
    text += fmt::format("  foreign     {} tensors in the user's own memory, {}\n", summary.foreign_tensors,
                        format_bytes(summary.foreign_bytes));
  if (origin.other_peak_bytes != 0)
    text +=
        fmt::format("  beside      {} of buffers that are not of this step\n", format_bytes(origin.other_peak_bytes));
  return text + fmt::format("  widest      {} touched by kernel {} ({})\n", format_bytes(summary.widest_bytes),
                            summary.widest_kernel, graph.kernels[summary.widest_kernel].name);
}

std::string types_text(const GraphSummary& summary) {
  std::string text = fmt::format("\n{:<32} {:>8} {:>10} {:>6}\n", "kernel type", "kernels", "seconds", "share");
  GraphSummary::KernelType rest;
  for (std::size_t i = 0; i < summary.kernel_types.size(); ++i) {
    const auto& type = summary.kernel_types[i];
    if (i >= kTypesShown) {
      rest.kernels += type.kernels, rest.seconds += type.seconds;
      continue;
    }
    text += fmt::format("{:<32} {:>8} {:>10.5f} {:>5.1f}%\n", type.type, type.kernels, type.seconds,
                        summary.seconds > 0 ? 100 * type.seconds / summary.seconds : 0.0);
  }
  if (rest.kernels != 0)
    text += fmt::format("{:<32} {:>8} {:>10.5f} {:>5.1f}%\n",
                        fmt::format("({} other types)", summary.kernel_types.size() - kTypesShown), rest.kernels,
                        rest.seconds, summary.seconds > 0 ? 100 * rest.seconds / summary.seconds : 0.0);
  return text;
}

std::string lifetimes_text(const GraphSummary& summary) {
  std::string text = fmt::format("\n{:<32} {:>8} {:>10}\n", "lifetime, kernels", "tensors", "bytes");
  for (const auto& row : summary.lifetimes) {
    const std::uint64_t from = row.kernels / 2 + 1;
    text +=
        fmt::format("{:<32} {:>8} {:>10}\n",
                    from >= row.kernels ? fmt::format("{}", row.kernels) : fmt::format("{} to {}", from, row.kernels),
                    row.tensors, format_bytes(row.bytes));
  }
  return text;
}

std::string biggest_text(const StepGraph& graph, const GraphSummary& summary) {
  std::string text = fmt::format("\n{:>10}  {:>15}  {}\n", "bytes", "kernels", "biggest tensors");
  for (const TensorIndex t : summary.biggest) {
    const Tensor& tensor = graph.tensors[t];
    text += fmt::format("{:>10}  {:>15}  {}{}\n", format_bytes(tensor.bytes),
                        fmt::format("{}-{}", tensor.first_kernel, tensor.last_kernel), tensor.name,
                        tensor.persistent ? " (variable)" : "");
  }
  return text;
}

}  // namespace

GraphSummary summarize(const StepGraph& graph) {
  GraphSummary summary;
  count_kernels(graph, summary);
  for (const Tensor& tensor : graph.tensors) count_tensor(tensor, summary);
  const LivePeak peak = live_peak(graph);
  summary.peak_bytes = peak.bytes;
  summary.peak_kernel = peak.kernel;
  count_accesses(graph, summary);
  find_biggest(graph, summary);
  return summary;
}

std::string summary_text(const StepGraph& graph, std::string_view file) {
  const GraphSummary summary = summarize(graph);
  return head_text(graph, summary, file) + types_text(summary) + lifetimes_text(summary) + biggest_text(graph, summary);
}

nlohmann::json summary_json(const StepGraph& graph) {
  const GraphSummary s = summarize(graph);
  nlohmann::json types = nlohmann::json::array(), lifetimes = types, biggest = types;
  for (const auto& type : s.kernel_types)
    types.push_back({{"type", type.type}, {"kernels", type.kernels}, {"seconds", type.seconds}});
  for (const auto& row : s.lifetimes)
    lifetimes.push_back({{"most_kernels", row.kernels}, {"tensors", row.tensors}, {"bytes", row.bytes}});
  for (const TensorIndex t : s.biggest)
    biggest.push_back({{"tensor", t}, {"name", graph.tensors[t].name}, {"bytes", graph.tensors[t].bytes}});
  return {{"step_kind", step_kind_name(graph.origin.step_kind)},
          {"framework", graph.origin.framework},
          {"framework_version", graph.origin.framework_version},
          {"command_line", graph.origin.command_line},
          {"recorded_steps", graph.origin.recorded_steps},
          {"other_peak_bytes", graph.origin.other_peak_bytes},
          {"kernels", graph.kernels.size()},
          {"seconds", s.seconds},
          {"tensors", graph.tensors.size()},
          {"total_bytes", s.total_bytes},
          {"peak_bytes", s.peak_bytes},
          {"peak_kernel", s.peak_kernel},
          {"persistent_tensors", s.persistent_tensors},
          {"persistent_bytes", s.persistent_bytes},
          {"foreign_tensors", s.foreign_tensors},
          {"foreign_bytes", s.foreign_bytes},
          {"micro_tensors", s.micro_tensors},
          {"micro_bytes", s.micro_bytes},
          {"accesses", s.accesses},
          {"micro_accesses", s.micro_accesses},
          {"widest_kernel", s.widest_kernel},
          {"widest_bytes", s.widest_bytes},
          {"kernel_types", std::move(types)},
          {"lifetimes", std::move(lifetimes)},
          {"biggest_tensors", std::move(biggest)}};
}

std::string tensors_csv(const StepGraph& graph) {
  std::vector<std::uint64_t> reads(graph.tensors.size()), writes(graph.tensors.size());
  for (const Access& access : graph.accesses) {
    reads[access.tensor] += access.reads;
    writes[access.tensor] += access.writes;
  }
  std::string text = "tensor,name,bytes,first_kernel,last_kernel,first_kernel_name,persistent,foreign,reads,writes\n";
  for (std::size_t t = 0; t < graph.tensors.size(); ++t) {
    const Tensor& tensor = graph.tensors[t];
    text += fmt::format("{},{},{},{},{},{},{},{},{},{}\n", t, csv_field(tensor.name), tensor.bytes, tensor.first_kernel,
                        tensor.last_kernel, csv_field(graph.kernels[tensor.first_kernel].name), tensor.persistent,
                        tensor.foreign, reads[t], writes[t]);
  }
  return text;
}

}  // namespace deeptm

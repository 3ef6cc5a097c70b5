// SPDX-License-Identifier: Apache-2.0
#include "simulator/rerun_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/recompute.h"

namespace deeptm {
namespace {

std::string name_of(const StepGraph& graph, TensorIndex t) {
  return fmt::format("tensor {} ({})", t, graph.tensors[t].name);
}

}  // namespace

RerunCheck::RerunCheck(const StepGraph& graph, const Plan& plan) : graph_(graph), plan_(plan) {
  if (plan.recomputes.empty()) return;
  by_tensor_.resize(graph.tensors.size());
  by_kernel_.resize(graph.kernels.size());
  for (const Access& access : graph.accesses) {
    by_tensor_[access.tensor].push_back(&access);
    by_kernel_[access.kernel].push_back(&access);
  }
}

std::optional<Fault> RerunCheck::run() const {
  std::vector<std::uint32_t> back(graph_.tensors.size());  // by tensor: from where on it is there again
  for (std::size_t r = 0; r < plan_.recomputes.size(); ++r) {
    const Recompute& now = plan_.recomputes[r];
    const auto bad = [&](FaultKind kind, std::string_view text) {
      return Fault{kind, fmt::format("recomputes[{}]: {}", r, text)};
    };
    if (now.tensor >= graph_.tensors.size()) return bad(FaultKind::kRecomputeWindow, "there is no such tensor");
    if (r > 0 && now.again < plan_.recomputes[r - 1].again)
      return bad(FaultKind::kRecomputeWindow, "it is back before the one above");
    if (now.gone < back[now.tensor])
      return bad(FaultKind::kRecomputeWindow, name_of(graph_, now.tensor) + " is gone already");
    back[now.tensor] = now.again;
    if (const auto fault = check(now)) return bad(fault->kind, fault->text);
  }
  return std::nullopt;
}

std::optional<Fault> RerunCheck::check(const Recompute& now) const {
  const Tensor& tensor = graph_.tensors[now.tensor];
  const auto bad = [&](FaultKind kind, std::string_view text) {
    return Fault{kind, fmt::format("{} {}", name_of(graph_, now.tensor), text)};
  };
  if (now.gone <= tensor.first_kernel || now.again <= now.gone || now.again > tensor.last_kernel)
    return bad(FaultKind::kRecomputeWindow, "does not live from before it is gone to where it is back");
  for (const Access* access : by_tensor_[now.tensor]) {
    if (access->kernel >= now.gone && access->kernel < now.again)
      return bad(FaultKind::kRecomputeWindow, fmt::format("is used by kernel {} while it is gone", access->kernel));
  }
  if (by_tensor_[now.tensor].empty() || by_tensor_[now.tensor].back()->kernel < now.again)
    return bad(FaultKind::kRecomputeWindow, "is not used any more when it is back");
  const std::vector<KernelIndex> makers = kernels(now);
  if (tensor.foreign || tensor.alive_at_start || makers.empty())
    return bad(FaultKind::kNotRecomputable, "is made by no kernel of this step");
  for (const KernelIndex k : makers) {
    const Kernel& kernel = graph_.kernels[k];
    if (!may_run_again(kernel))
      return bad(FaultKind::kNotRecomputable,
                 fmt::format("is made by kernel {} ({}), which may not run again", k, kernel.type));
    if (auto fault = check_inputs(now, k)) return fault;
  }
  return std::nullopt;
}

std::optional<Fault> RerunCheck::check_inputs(const Recompute& now, KernelIndex kernel) const {
  std::uint32_t outdated = 0;
  for (const Access* access : by_kernel_[kernel]) {
    if (access->tensor == now.tensor || is_output(*access) || same(*access, now.again)) continue;
    if (++outdated <= outdated_inputs(graph_.kernels[kernel])) continue;
    return Fault{FaultKind::kRecomputeInput,
                 fmt::format("{} is made by kernel {} of {}, which is not as it was at boundary {}",
                             name_of(graph_, now.tensor), kernel, name_of(graph_, access->tensor), now.again)};
  }
  return std::nullopt;
}

std::vector<KernelIndex> RerunCheck::kernels(const Recompute& recompute) const {
  std::vector<KernelIndex> makers;
  for (const Access* access : by_tensor_[recompute.tensor]) {
    if (access->writes != 0 && access->kernel < recompute.gone) makers.push_back(access->kernel);
  }
  return makers;
}

RerunCheck::Needs RerunCheck::needs(KernelIndex kernel, TensorIndex made, std::uint32_t boundary) const {
  Needs needs;
  for (const Access* access : by_kernel_[kernel]) {
    const Tensor& tensor = graph_.tensors[access->tensor];
    if (access->tensor == made || tensor.foreign) continue;
    if (is_output(*access)) {
      needs.thrown_away += tensor.bytes;
    } else if (same(*access, boundary)) {
      needs.inputs.push_back(access->tensor);
    }
  }
  return needs;
}

// What a kernel only writes, and what it makes and uses by itself.
bool RerunCheck::is_output(const Access& access) const {
  const Tensor& tensor = graph_.tensors[access.tensor];
  return access.reads == 0 || (!tensor.alive_at_start && tensor.first_kernel == access.kernel);
}

// At boundary `then` the input is alive, and nothing has been written to it since the kernel began.
bool RerunCheck::same(const Access& input, std::uint32_t then) const {
  if (graph_.tensors[input.tensor].last_kernel < then) return false;
  const auto& uses = by_tensor_[input.tensor];
  return std::none_of(uses.begin(), uses.end(), [&](const Access* use) {
    return use->writes != 0 && use->kernel >= input.kernel && use->kernel < then;
  });
}

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
// A plan in the form in which it is followed: by kernel, what is born and from which boundary on how much of a tensor
// is to be in fast memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "graph/uses.h"
#include "runtime/live_plan.h"

namespace deeptm {

// From here on the first `cut` bytes of the tensor are to be in fast memory.
struct CutChange {
  TensorIndex tensor = 0;
  std::uint64_t cut = 0;
};

class LiveProgram {
 public:
  // `numbers`: by kernel of the graph, the runtime's number of it (KernelRegistry).
  LiveProgram(std::shared_ptr<const LivePlan> plan, const std::vector<std::uint32_t>& numbers);

  const StepGraph& graph() const { return plan_->graph; }
  std::uint64_t signature() const { return plan_->signature; }
  std::uint32_t kernel_count() const { return static_cast<std::uint32_t>(plan_->graph.kernels.size()); }
  std::size_t tensor_count() const { return plan_->graph.tensors.size(); }
  // Kernels stand still for moves.
  bool is_synchronous() const { return plan_->plan.mode == CopyMode::kSync; }

  // The names of the step: a number for each of its kernels that repeats where kernels share one; none for strangers.
  std::optional<std::uint32_t> name_of(std::uint32_t number) const;
  std::size_t name_count() const { return kernels_of_name_.size(); }
  // Its kernels of that name, in order.
  std::span<const KernelIndex> kernels_of(std::uint32_t name) const { return kernels_of_name_[name]; }

  // Tensors that kernel k allocates.
  std::span<const TensorIndex> born_by(KernelIndex k) const;
  // All that is born in the step.
  std::uint64_t born_bytes() const { return born_bytes_; }
  // Tensors from before the step that kernel k uses.
  std::span<const TensorIndex> inherited_by(KernelIndex k) const;
  // What changes at boundary b, which may be that of the step's end; what leaves comes first.
  std::span<const CutChange> at(std::uint32_t boundary) const;

  // How far to look ahead when kernel k begins: the first kernel that does not begin within the lead.
  std::uint32_t horizon(KernelIndex k) const { return horizon_[k]; }
  // Bytes that kernel k allocates in fast memory.
  std::uint64_t born_fast_bytes(KernelIndex k) const { return born_fast_bytes_[k]; }
  // Tensors that kernel k uses, and when each is used next: kernels of the next step count on from this one's last.
  struct Use {
    TensorIndex tensor = 0;
    std::uint32_t next = 0;  // 0: never
  };
  std::span<const Use> used_by(KernelIndex k) const { return used_.of(k); }

  std::uint64_t bytes(TensorIndex t) const { return plan_->graph.tensors[t].bytes; }
  // Fast bytes at birth; of a tensor alive at the start, when a step begins that follows one of the same plan.
  std::uint64_t first_cut(TensorIndex t) const { return first_cut_[t]; }
  // Whether any of it moves while it lives, or is born in slow memory.
  bool moves(TensorIndex t) const { return moves_[t]; }
  // Which tensor of the next step it is then.
  std::optional<TensorIndex> next(TensorIndex t) const { return next_[t]; }

 private:
  // Items by key, flat.
  template <class T>
  struct Table {
    std::vector<std::uint32_t> first{0};
    std::vector<T> items;
    std::span<const T> of(std::uint32_t key) const {
      return std::span(items).subspan(first[key], first[key + 1] - first[key]);
    }
  };
  void index_names(const std::vector<std::uint32_t>& numbers);
  void index_tensors(const TensorUses& uses);
  void index_time();
  void index_moves(const TensorUses& uses);
  std::uint32_t start_of(const Move& move, const TensorUses& uses) const;

  std::shared_ptr<const LivePlan> plan_;
  std::vector<std::optional<std::uint32_t>> name_of_;  // by number
  std::vector<std::vector<KernelIndex>> kernels_of_name_;
  Table<TensorIndex> born_, inherited_;
  Table<Use> used_;
  std::vector<std::uint64_t> born_fast_bytes_;
  std::vector<std::uint32_t> horizon_;
  Table<CutChange> changes_;
  std::uint64_t born_bytes_ = 0;
  std::vector<std::uint64_t> first_cut_;
  std::vector<bool> moves_;
  std::vector<std::optional<TensorIndex>> next_;
};

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
// Tensors that may leave fast memory: the farthest next use first, those that can be dropped apart from those that
// have to be copied.
#pragma once

#include <set>
#include <vector>

#include "graph/uses.h"

namespace deeptm {

class Victims {
 public:
  // Next use, counted down from kNever, and tensor.
  using Order = std::set<std::pair<std::uint64_t, TensorIndex>>;

  explicit Victims(std::size_t tensors) : key_(tensors), in_(tensors) {}

  void insert(TensorIndex t, std::uint64_t next_use, bool clean) {
    erase(t);
    key_[t] = TensorUses::kNever - next_use;
    (clean ? clean_ : dirty_).insert({key_[t], t});
    in_[t] = true;
  }
  bool erase(TensorIndex t) {
    if (!in_[t]) return false;
    in_[t] = false;
    return clean_.erase({key_[t], t}) + dirty_.erase({key_[t], t}) != 0;
  }
  bool contains(TensorIndex t) const { return in_[t]; }
  std::uint64_t next_use(TensorIndex t) const { return TensorUses::kNever - key_[t]; }  // as it was inserted with

  const Order& clean() const { return clean_; }
  const Order& dirty() const { return dirty_; }

 private:
  std::vector<std::uint64_t> key_;
  std::vector<bool> in_;
  Order clean_, dirty_;
};

}  // namespace deeptm

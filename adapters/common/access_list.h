// SPDX-License-Identifier: Apache-2.0
#ifndef DEEPTM_ADAPTERS_COMMON_ACCESS_LIST_H_
#define DEEPTM_ADAPTERS_COMMON_ACCESS_LIST_H_

#include <array>
#include <vector>

#include "deeptm/runtime.h"

namespace deeptm_adapter {

// What an operation touches, one behind the other. Nothing is allocated for a few.
class AccessList {
 public:
  void add(const deeptm_access& access) {
    if (more_.empty() && count_ < kFew) {
      few_[count_++] = access;
      return;
    }
    if (more_.empty()) more_.assign(few_.begin(), few_.end());
    more_.push_back(access);
    ++count_;
  }
  const deeptm_access* data() const { return more_.empty() ? few_.data() : more_.data(); }
  size_t size() const { return count_; }

 private:
  static constexpr size_t kFew = 24;
  size_t count_ = 0;
  std::array<deeptm_access, kFew> few_;
  std::vector<deeptm_access> more_;  // all of them, once they are more than a few
};

}  // namespace deeptm_adapter

#endif  // DEEPTM_ADAPTERS_COMMON_ACCESS_LIST_H_

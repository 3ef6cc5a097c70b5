// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include "memory/tier.h"

namespace deeptm {

// A tier around another one, which has the bytes.
class WrappingTier : public Tier {
 public:
  Result<void> reserve(std::uint64_t bytes) override { return below_->reserve(bytes); }
  std::uint64_t reserved_bytes() const override { return below_->reserved_bytes(); }

 protected:
  explicit WrappingTier(std::shared_ptr<Tier> below) : below_(std::move(below)) {}
  Tier& below() const { return *below_; }

 private:
  const std::shared_ptr<Tier> below_;
};

}  // namespace deeptm

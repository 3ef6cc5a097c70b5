// SPDX-License-Identifier: Apache-2.0
// A pager with an allocator over any tier, for tests.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <string>

#include "allocator/tensor_allocator.h"
#include "base/bytes.h"
#include "memory/file_tier.h"
#include "memory/memory_tier.h"
#include "memory/pager.h"

namespace deeptm::testing {

inline std::uint64_t steady_nanoseconds() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
}

inline std::shared_ptr<Tier> memory_tier() {
  auto tier = open_memory_tier();
  EXPECT_TRUE(tier) << (tier ? "" : tier.error().message);
  return std::shared_ptr<Tier>(std::move(*tier));
}

// Slow memory that is used in place.
inline std::shared_ptr<Tier> node_tier() {
  auto tier = open_memory_tier({.node = 0});
  EXPECT_TRUE(tier) << (tier ? "" : tier.error().message);
  return std::shared_ptr<Tier>(std::move(*tier));
}

inline std::shared_ptr<Tier> file_tier() {
  auto tier = open_file_tier({.directory = "/var/tmp"});
  EXPECT_TRUE(tier) << (tier ? "" : tier.error().message);
  return std::shared_ptr<Tier>(std::move(*tier));
}

inline PagerHooks test_hooks() {
  PagerHooks hooks;
  hooks.now_nanoseconds = steady_nanoseconds;
  hooks.fatal = [](const std::string& message) {
    std::fprintf(stderr, "fatal: %s\n", message.c_str());
    std::abort();
  };
  return hooks;
}

struct Memory {
  std::unique_ptr<Pager> pager;
  std::unique_ptr<TensorAllocator> allocator;

  explicit Memory(PagerOptions options, std::shared_ptr<Tier> slow = memory_tier(), PagerHooks hooks = test_hooks()) {
    auto made = Pager::create(options, std::move(slow), std::move(hooks));
    if (!made) throw std::runtime_error(made.error().message);
    pager = std::move(*made);
    allocator = std::make_unique<TensorAllocator>(*pager);
  }

  std::byte* allocate(std::size_t bytes, const Foreseen& foreseen = {}) {
    auto tensor = allocator->allocate(bytes, 64, foreseen);
    if (!tensor) throw std::runtime_error(tensor.error().message);
    return static_cast<std::byte*>(*tensor);
  }
  void expect_within_limit() const {
    const PagerStats stats = pager->stats();
    EXPECT_LE(stats.frames_peak, stats.frames);
  }
};

// 64 KiB chunks: many of them in little memory.
inline PagerOptions small_chunks(std::uint32_t frames, RemapMethod remap = RemapMethod::kAuto) {
  PagerOptions options;
  options.chunk_bytes = 64 * kKiB;
  options.arena_bytes = 20'000 * options.chunk_bytes;
  options.frames = frames;
  options.remap = remap;
  return options;
}

// Words that depend on where they are and on a seed, so that a chunk in the wrong place shows.
inline void fill(std::byte* tensor, std::size_t bytes, std::uint64_t seed) {
  auto* words = reinterpret_cast<std::uint64_t*>(tensor);
  for (std::size_t i = 0; i < bytes / 8; ++i) words[i] = (seed + i) * 0x9e3779b97f4a7c15;
}

inline bool holds(const std::byte* tensor, std::size_t bytes, std::uint64_t seed) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(tensor);
  for (std::size_t i = 0; i < bytes / 8; ++i) {
    if (words[i] != (seed + i) * 0x9e3779b97f4a7c15) return false;
  }
  return true;
}

}  // namespace deeptm::testing

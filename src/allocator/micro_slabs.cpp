// SPDX-License-Identifier: Apache-2.0
#include "allocator/micro_slabs.h"

#include <algorithm>
#include <bit>

namespace deeptm {
namespace {

constexpr std::array<std::uint64_t, 20> kClassBytes = {64,  128,  192,  256,  320,  384,  448,  512,  640,  768,
                                                       896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096};

}  // namespace

MicroSlabs::MicroSlabs(std::uint32_t slabs, Source source) : source_(std::move(source)), slabs_(slabs) {}

std::uint32_t MicroSlabs::class_of(std::uint64_t bytes) {
  if (bytes <= 512) return static_cast<std::uint32_t>(bytes == 0 ? 0 : (bytes - 1) / 64);
  // bytes in (2^k, 2^(k+1)]: four classes in each such interval, the first ends at 640.
  const auto k = static_cast<std::uint32_t>(std::bit_width(bytes - 1)) - 1;
  const std::uint64_t quarter = (bytes - 1 - (1ULL << k)) >> (k - 2);
  return 8 + (k - 9) * 4 + static_cast<std::uint32_t>(quarter);
}

std::uint64_t MicroSlabs::bytes_of(std::uint32_t size_class) { return kClassBytes[size_class]; }

std::uint64_t MicroSlabs::class_bytes(std::uint64_t bytes) { return bytes_of(class_of(bytes)); }

std::optional<std::uint64_t> MicroSlabs::allocate(std::uint64_t bytes, std::uint64_t alignment) {
  std::uint32_t size_class = class_of(bytes);
  while (bytes_of(size_class) % alignment != 0) ++size_class;  // 4096 is a multiple of any
  Class& cls = classes_[size_class];
  std::lock_guard lock(cls.mutex);
  if (cls.with_room.empty() && !add_slab(cls, size_class)) return std::nullopt;
  const std::uint32_t number = cls.with_room.back();
  Slab& slab = *slabs_[number];
  const auto* word = std::find_if(slab.free.begin(), slab.free.end(), [](std::uint64_t w) { return w != 0; });
  const auto bit = static_cast<std::uint32_t>(std::countr_zero(*word));
  const auto block = static_cast<std::uint32_t>(word - slab.free.begin()) * 64 + bit;
  slab.free[block / 64] &= ~(1ULL << bit);
  slab.requested[block] = static_cast<std::uint16_t>(bytes);
  if (++slab.used == slab.blocks) remove_from_room(cls, slab);
  return number * kSlabBytes + block * bytes_of(size_class);
}

std::uint64_t MicroSlabs::release(std::uint64_t offset, const std::function<void()>& gone) {
  const auto number = static_cast<std::uint32_t>(offset / kSlabBytes);
  Slab& slab = *slabs_[number];
  Class& cls = classes_[slab.size_class];
  std::lock_guard lock(cls.mutex);
  const auto block = static_cast<std::uint32_t>(offset % kSlabBytes / bytes_of(slab.size_class));
  const std::uint64_t requested = slab.requested[block];
  if (gone) gone();
  slab.free[block / 64] |= 1ULL << block % 64;
  if (slab.used-- == slab.blocks) {
    slab.place = static_cast<std::uint32_t>(cls.with_room.size());
    cls.with_room.push_back(number);
  }
  // One slab with room is kept, so that a tensor that comes and goes does not take and give back a slab each time.
  if (slab.used == 0 && cls.with_room.size() > 1) {
    remove_from_room(cls, slab);
    slabs_[number].reset();
    source_.give_back(number);
  }
  return requested;
}

void MicroSlabs::for_each(const std::function<void(std::uint64_t, std::uint64_t)>& visit) {
  std::array<std::unique_lock<std::mutex>, kClasses> locks;
  for (std::size_t c = 0; c < kClasses; ++c) locks[c] = std::unique_lock(classes_[c].mutex);
  for (std::size_t number = 0; number < slabs_.size(); ++number) {
    if (slabs_[number] == nullptr) continue;
    const Slab& slab = *slabs_[number];
    for (std::uint32_t block = 0; block < slab.blocks; ++block) {
      if ((slab.free[block / 64] >> block % 64 & 1) == 0)
        visit(number * kSlabBytes + block * bytes_of(slab.size_class), slab.requested[block]);
    }
  }
}

std::uint64_t MicroSlabs::requested_bytes(std::uint64_t offset) const {
  const Slab& slab = *slabs_[offset / kSlabBytes];
  return slab.requested[offset % kSlabBytes / bytes_of(slab.size_class)];
}

bool MicroSlabs::add_slab(Class& cls, std::uint32_t size_class) {
  const auto number = source_.take();
  if (!number) return false;
  auto slab = std::make_unique<Slab>();
  slab->size_class = size_class;
  slab->blocks = static_cast<std::uint32_t>(kSlabBytes / bytes_of(size_class));
  for (std::uint32_t block = 0; block < slab->blocks; ++block) slab->free[block / 64] |= 1ULL << block % 64;
  slab->requested = std::make_unique<std::uint16_t[]>(slab->blocks);
  slab->place = static_cast<std::uint32_t>(cls.with_room.size());
  slabs_[*number] = std::move(slab);
  cls.with_room.push_back(*number);
  return true;
}

void MicroSlabs::remove_from_room(Class& cls, Slab& slab) {
  const std::uint32_t last = cls.with_room.back();
  cls.with_room[slab.place] = last;
  slabs_[last]->place = slab.place;
  cls.with_room.pop_back();
}

}  // namespace deeptm

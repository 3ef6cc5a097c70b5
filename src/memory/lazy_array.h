// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <type_traits>

namespace deeptm {

// A zero-filled array whose memory is taken page by page as it is touched: tables over a whole arena cost nothing
// until used. T must be valid when all its bytes are zero. With MAP_SHARED, forked children see the same memory.
template <class T>
class LazyArray {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  explicit LazyArray(std::size_t size, int with_children = MAP_PRIVATE) : size_(size) {
    const int how = with_children | MAP_ANONYMOUS | MAP_NORESERVE;
    void* memory = ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, how, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<T*>(memory);
  }
  ~LazyArray() { ::munmap(data_, bytes()); }
  LazyArray(const LazyArray&) = delete;
  LazyArray& operator=(const LazyArray&) = delete;

  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  std::size_t size() const { return size_; }

 private:
  std::size_t bytes() const { return size_ * sizeof(T) + 1; }
  std::size_t size_;
  T* data_;
};

}  // namespace deeptm

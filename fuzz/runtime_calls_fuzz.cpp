// SPDX-License-Identifier: Apache-2.0
// Any sequence of calls that an adapter may make (allocate, free, kernels that begin, detach and end, touches, steps
// that drift) beside a model that knows what every page must hold. Four times as much as fast memory can be alive.
#include <deeptm/runtime.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t kPage = 4096, kMostBuffers = 40, kMostScopes = 6, kKernels = 12;
constexpr const char* kConfig =
    R"({"fast_bytes": 1048576, "chunk_bytes": 65536, "workers": 1, "threads": 1, "slow": "memory",
        "policy": "lru", "record_steps": 1, "machine_file": "nvme", "framework": "fuzz 1"})";

void require(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  std::size_t below(std::size_t count) {
    if (bytes_.empty()) return 0;
    const std::size_t value = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return value % count;
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

struct Buffer {
  std::byte* memory = nullptr;
  std::size_t bytes = 0;
  std::vector<std::uint64_t> pages;  // what the first word of each page is; 0: not written yet

  deeptm_access as(std::uint32_t flags) const { return {memory, bytes, flags, 0, nullptr, nullptr}; }
};

struct OpenKernel {
  deeptm_scope scope;
  bool detached;
};

class Session {
 public:
  Session() {
    std::array<char, 256> error{};
    runtime_ = deeptm_create(
        kConfig, [](int, const char*) {}, error.data(), error.size());
    require(runtime_ != nullptr, error.data());
    // The last two look like a training step's end to the recorder.
    for (std::size_t k = 0; k < kKernels; ++k) {
      const char* type = k + 2 < kKernels ? "MatMul" : "ResourceApplyGradientDescent";
      kernels_.push_back(deeptm_register_kernel(runtime_, ("k" + std::to_string(k)).c_str(), type, "{}"));
    }
  }
  ~Session() {
    while (!open_.empty()) end();
    while (!buffers_.empty()) release(buffers_.size() - 1);
    deeptm_destroy(runtime_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void play(Input input) {
    while (!input.empty()) {
      switch (input.below(8)) {
        case 0:
          allocate(kSizes[input.below(kSizes.size())]);
          break;
        case 1:
          if (!buffers_.empty()) release(input.below(buffers_.size()));
          break;
        case 2:
          begin(input);
          break;
        case 3:
          end();
          break;
        case 4:
          if (!open_.empty()) detach();
          break;
        case 5:
          touch(input, true);
          break;
        case 6:
          touch(input, false);
          break;
        case 7:
          step_ += static_cast<std::int64_t>(input.below(2));
          break;
      }
    }
  }

 private:
  static constexpr std::array<std::size_t, 8> kSizes = {0, 4, 3000, kPage, 40'000, 1 << 16, 150'000, 1 << 19};

  void allocate(std::size_t bytes) {
    if (buffers_.size() == kMostBuffers) return;
    Buffer buffer{static_cast<std::byte*>(deeptm_allocate(runtime_, bytes, 64)), bytes, {}};
    require(buffer.memory != nullptr, deeptm_last_error());
    require(deeptm_owns(runtime_, buffer.memory) == 1, "an allocated buffer is not owned");
    require(deeptm_requested_bytes(runtime_, buffer.memory) == bytes, "another size than was asked for");
    for (const Buffer& other : buffers_) {
      require(buffer.memory + std::max<std::size_t>(bytes, 1) <= other.memory ||
                  other.memory + std::max<std::size_t>(other.bytes, 1) <= buffer.memory,
              "buffers overlap");
    }
    buffer.pages.resize((bytes + kPage - 1) / kPage);
    buffers_.push_back(std::move(buffer));
  }
  void release(std::size_t i) {
    deeptm_free(runtime_, buffers_[i].memory);
    buffers_[i] = std::move(buffers_.back());
    buffers_.pop_back();
  }
  void begin(Input& input) {
    if (open_.size() == kMostScopes) return;
    std::vector<deeptm_access> inputs;
    for (std::size_t count = input.below(4); count != 0 && !buffers_.empty(); --count) {
      inputs.push_back(buffers_[input.below(buffers_.size())].as(DEEPTM_READ));
    }
    open_.push_back(std::make_unique<OpenKernel>());
    deeptm_kernel_begin(runtime_, &open_.back()->scope, kernels_[input.below(kKernels)], step_, inputs.data(),
                        inputs.size());
  }
  void end() {
    if (open_.empty()) return;
    std::vector<deeptm_access> outputs;
    if (!buffers_.empty()) outputs.push_back(buffers_.back().as(DEEPTM_WRITE | DEEPTM_OUTPUT));
    deeptm_kernel_end(runtime_, &open_.back()->scope, outputs.data(), outputs.size());
    open_.pop_back();
  }
  void detach() {
    if (std::exchange(open_.back()->detached, true)) return;
    deeptm_kernel_detach(runtime_, &open_.back()->scope);
  }
  // Each page's first word: compared with the model and, to write, changed in both.
  void touch(Input& input, bool write) {
    if (buffers_.empty()) return;
    Buffer& buffer = buffers_[input.below(buffers_.size())];
    for (std::size_t page = 0; page < buffer.pages.size(); ++page) {
      std::byte* at = buffer.memory + page * kPage;
      const std::size_t bytes = std::min(sizeof(std::uint64_t), buffer.bytes - page * kPage);
      std::uint64_t there = 0, expected = buffer.pages[page];
      std::memcpy(&there, at, bytes);
      if (expected != 0) require(std::memcmp(&there, &expected, bytes) == 0, "wrong bytes");
      if (!write) continue;
      buffer.pages[page] = ++written_ * 0x9e3779b97f4a7c15;
      std::memcpy(at, &buffer.pages[page], bytes);
    }
  }

  deeptm_runtime* runtime_ = nullptr;
  std::vector<std::uint32_t> kernels_;
  std::vector<Buffer> buffers_;
  std::vector<std::unique_ptr<OpenKernel>> open_;
  std::int64_t step_ = 1;
  std::uint64_t written_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Session session;
  session.play(Input({data, size}));
  return 0;
}

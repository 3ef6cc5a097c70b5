// SPDX-License-Identifier: Apache-2.0
// Training steps in little on the C interface, every word checked:  faulty_step CONFIG_JSON STEPS
// Exit code 0: "right"; 3: there is no runtime; 4: an allocation was refused, with the library's words; 9: wrong words.
#include <deeptm/runtime.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kLayers = 24;
constexpr std::uint32_t kSeed = 2654435761u;

struct Buffer {
  std::uint32_t* words = nullptr;
  std::size_t count = 0;
  std::uint32_t first = 0;  // words are first, first + 1, ...

  std::size_t bytes() const { return count * sizeof(std::uint32_t); }
  deeptm_access as(std::uint32_t flags) const { return {words, bytes(), flags, 0, nullptr, nullptr}; }
};

class Training {
 public:
  explicit Training(deeptm_runtime* runtime) : runtime_(runtime), weights_(kLayers), activations_(kLayers) {
    for (std::size_t layer = 0; layer < kLayers; ++layer) {
      const std::string name = std::to_string(layer);
      forward_.push_back(deeptm_register_kernel(runtime, ("forward/" + name).c_str(), "Conv2D", "{}"));
      backward_.push_back(deeptm_register_kernel(runtime, ("backward/" + name).c_str(), "Conv2DBackpropInput", "{}"));
      update_.push_back(
          deeptm_register_kernel(runtime, ("update/" + name).c_str(), "ResourceApplyGradientDescent", "{}"));
      weights_[layer] = make(40000 + 1000 * layer, static_cast<std::uint32_t>(layer));
    }
  }
  ~Training() {
    for (const auto& buffers : {weights_, activations_}) {
      for (const Buffer& buffer : buffers) deeptm_free(runtime_, buffer.words);
    }
  }
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  void step(std::int64_t number) {
    const auto salt = static_cast<std::uint32_t>(number) * kSeed;
    for (std::size_t layer = 0; layer < kLayers; ++layer) {
      std::vector<deeptm_access> inputs{weights_[layer].as(DEEPTM_READ | DEEPTM_VARIABLE)};
      if (layer > 0) inputs.push_back(activations_[layer - 1].as(DEEPTM_READ));
      deeptm_scope scope;
      deeptm_kernel_begin(runtime_, &scope, forward_[layer], number, inputs.data(), inputs.size());
      check(weights_[layer]);
      if (layer > 0) check(activations_[layer - 1]);
      activations_[layer] = make(75000 + 12345 * (layer * 7 % 20), salt + static_cast<std::uint32_t>(layer) * 977);
      const deeptm_access output = activations_[layer].as(DEEPTM_WRITE | DEEPTM_OUTPUT);
      deeptm_kernel_end(runtime_, &scope, &output, 1);
    }
    for (std::size_t layer = kLayers; layer-- > 0;) {
      const deeptm_access inputs[] = {activations_[layer].as(DEEPTM_READ),
                                      weights_[layer].as(DEEPTM_READ | DEEPTM_VARIABLE)};
      deeptm_scope scope;
      deeptm_kernel_begin(runtime_, &scope, backward_[layer], number, inputs, 2);
      check(activations_[layer]);
      deeptm_kernel_end(runtime_, &scope, nullptr, 0);
      deeptm_free(runtime_, activations_[layer].words);
      activations_[layer] = {};
      const deeptm_access updated = weights_[layer].as(DEEPTM_READ | DEEPTM_WRITE | DEEPTM_VARIABLE);
      deeptm_kernel_begin(runtime_, &scope, update_[layer], number, &updated, 1);
      check(weights_[layer]);
      fill(weights_[layer], weights_[layer].first + kSeed);
      deeptm_kernel_end(runtime_, &scope, nullptr, 0);
    }
  }

  std::size_t wrong() const { return wrong_; }

 private:
  Buffer make(std::size_t count, std::uint32_t first) {
    Buffer buffer;
    buffer.words = static_cast<std::uint32_t*>(deeptm_allocate(runtime_, count * sizeof(std::uint32_t), 64));
    if (buffer.words == nullptr) {
      std::fprintf(stderr, "refused: %s\n", deeptm_last_error());
      std::exit(4);
    }
    buffer.count = count;
    fill(buffer, first);
    return buffer;
  }
  static void fill(Buffer& buffer, std::uint32_t first) {
    buffer.first = first;
    for (std::size_t i = 0; i < buffer.count; ++i) buffer.words[i] = first + static_cast<std::uint32_t>(i);
  }
  void check(const Buffer& buffer) {
    for (std::size_t i = 0; i < buffer.count; ++i)
      wrong_ += buffer.words[i] != buffer.first + static_cast<std::uint32_t>(i);
  }

  deeptm_runtime* runtime_;
  std::vector<std::uint32_t> forward_, backward_, update_;
  std::vector<Buffer> weights_, activations_;
  std::size_t wrong_ = 0;
};

void print(int level, const char* message) {
  static constexpr const char* kLevels[] = {"info", "warning", "error"};
  std::fprintf(stderr, "%s: %s\n", kLevels[level], message);
}

}  // namespace

int main(int count, char** values) {
  if (count != 3) return 2;
  char error[512];
  deeptm_runtime* runtime = deeptm_create(values[1], print, error, sizeof error);
  if (runtime == nullptr) {
    std::fprintf(stderr, "no runtime: %s\n", error);
    return 3;
  }
  std::size_t wrong = 0;
  {
    Training training(runtime);
    for (std::int64_t step = 1; step <= std::atoi(values[2]); ++step) training.step(step);
    wrong = training.wrong();
  }
  deeptm_destroy(runtime);
  std::printf(wrong == 0 ? "right\n" : "%zu wrong words\n", wrong);
  return wrong == 0 ? 0 : 9;
}

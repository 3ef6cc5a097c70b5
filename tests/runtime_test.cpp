// SPDX-License-Identifier: Apache-2.0
// The C interface, as an adapter uses it.
#include "deeptm/runtime.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "base/files.h"
#include "runtime/config.h"
#include "runtime/telemetry.h"
#include "threads_in_children.h"

namespace {

using ::testing::HasSubstr;

std::vector<std::string>& log_lines() {
  static std::vector<std::string> lines;
  return lines;
}
void log_line(int, const char* line) { log_lines().emplace_back(line); }

struct Created {
  deeptm_runtime* runtime;
  std::string error;
};
Created create(const std::string& config) {
  std::array<char, 512> error{};
  deeptm_runtime* runtime = deeptm_create(config.c_str(), log_line, error.data(), error.size());
  return {runtime, error.data()};
}

class RuntimeTest : public ::testing::Test {
 protected:
  void start(const std::string& fields) {
    const Created made = create("{\"slow\":\"memory\",\"threads\":2," + fields + "}");
    ASSERT_NE(made.runtime, nullptr) << made.error;
    runtime_ = made.runtime;
  }
  void TearDown() override { deeptm_destroy(runtime_); }

  deeptm_runtime* runtime_ = nullptr;
};

TEST(RuntimeConfig, OneLineNamesTheField) {
  const auto error_of = [](const char* json) {
    const auto config = deeptm::parse_config(json);
    return config ? std::string("accepted") : config.error().message;
  };
  EXPECT_THAT(error_of("{"), HasSubstr("line 1"));
  EXPECT_THAT(error_of("{}"), HasSubstr("fast_bytes"));
  EXPECT_THAT(error_of(R"({"fast_bytes":1,"fast_percent":20})"), HasSubstr("exactly one"));
  EXPECT_THAT(error_of(R"({"fast_percent":120})"), HasSubstr("fast_percent"));
  EXPECT_THAT(error_of(R"({"fast_bytes":100000000,"slow":"tape"})"), HasSubstr("'tape' is none of 'file', 'memory'"));
  EXPECT_THAT(error_of(R"({"fast_bytes":100000000,"chunk_bytes":100000})"), HasSubstr("power of two"));
  EXPECT_THAT(error_of(R"({"fast_bytes":100000000,"worker":2})"), HasSubstr("workers"));
  EXPECT_THAT(error_of(R"({"fast_bytes":100000000,"workers":65})"), HasSubstr("workers"));
  EXPECT_THAT(error_of(R"({"fast_bytes":100000000,"policy":"best"})"), HasSubstr("policy: no policy 'best'"));
  EXPECT_THAT(error_of(R"({"fast_bytes":100000000,"policy":"autotm-async","mode":"sync"})"), HasSubstr("--mode async"));
  EXPECT_THAT(error_of(R"({"fast_bytes":100000000,"mode":"slow"})"), HasSubstr("'slow' is none of 'sync', 'async'"));
  EXPECT_THAT(error_of(R"({"fast_bytes":100000000,"plan_file":"p"})"), HasSubstr("goes with graph_file"));
  EXPECT_THAT(error_of(R"({"fast_bytes":100000000,"plan_file":"p","graph_file":"g"})"), HasSubstr("machine_file"));
  EXPECT_EQ(error_of(R"({"fast_bytes":100000000,"policy":"deeptm+whole-tensors","mode":"sync"})"), "accepted");
  // The last field that is asked for is known, too.
  EXPECT_THAT(error_of(R"({"fast_bytes":100000000,"launcher":1,"worker":2})"), HasSubstr("worker: unknown"));
  EXPECT_EQ(error_of(R"({"fast_bytes":100000000,"io":"threads","remap":"mremap"})"), "accepted");
}

TEST(RuntimeConfig, PlansWhereSomethingIsToBePlanned) {
  const auto plans = [](const std::string& fields) {
    const auto config = deeptm::parse_config("{" + fields + "}");
    EXPECT_TRUE(config) << config.error().message;
    return config && deeptm::plans_live(*config);
  };
  EXPECT_TRUE(plans(R"("fast_bytes":100000000,"policy":"deeptm")"));
  EXPECT_TRUE(plans(R"("fast_percent":99,"policy":"deeptm")"));
  EXPECT_FALSE(plans(R"("fast_percent":100,"policy":"deeptm")"));
  EXPECT_FALSE(plans(R"("fast_bytes":100000000)"));
  EXPECT_FALSE(plans(R"("fast_bytes":1,"policy":"deeptm","plan_file":"p","graph_file":"g","machine_file":"m")"));
}

TEST(RuntimeConfig, ChunksAreAsLargeAsTheLimitAllows) {
  using deeptm::choose_chunk_bytes;
  EXPECT_EQ(choose_chunk_bytes(std::uint64_t{4} << 30), 2u << 20);
  EXPECT_EQ(choose_chunk_bytes(std::uint64_t{128} << 20), 2u << 20);  // exactly 64 frames
  EXPECT_EQ(choose_chunk_bytes(std::uint64_t{127} << 20), 256u << 10);
  EXPECT_EQ(choose_chunk_bytes(std::uint64_t{15} << 20), 128u << 10);
  EXPECT_EQ(choose_chunk_bytes(std::uint64_t{1} << 20), 64u << 10);
}

TEST(RuntimeConfig, SmallChunksHaveMoreWorkers) {
  const auto small = deeptm::parse_config(R"({"fast_bytes":33554432})");
  const auto large = deeptm::parse_config(R"({"fast_bytes":4294967296})");
  const auto given = deeptm::parse_config(R"({"fast_bytes":33554432,"workers":3,"read_ahead_chunks":2})");
  ASSERT_TRUE(small && large && given);
  EXPECT_EQ(small->workers, 8u);
  EXPECT_EQ(small->read_ahead_chunks, 16u);
  EXPECT_EQ(large->workers, 4u);
  EXPECT_EQ(given->workers, 3u);
  EXPECT_EQ(given->read_ahead_chunks, 2u);
}

TEST(RuntimeCreate, LimitTooSmallNamesTheSmallestThatWorks) {
  // 2 threads x 8 + 8 workers x 2 = 32 chunks of 64 KiB = 2 MiB
  const Created made = create(R"({"slow":"memory","threads":2,"fast_bytes":1000000})");
  EXPECT_EQ(made.runtime, nullptr);
  EXPECT_THAT(made.error, HasSubstr("too small"));
  EXPECT_THAT(made.error, HasSubstr("2.00 MiB"));
}

TEST(RuntimeCreate, MissingDirectoryIsNamed) {
  const Created made = create(R"({"slow_directory":"/nowhere/at/all","fast_bytes":100000000})");
  EXPECT_EQ(made.runtime, nullptr);
  EXPECT_THAT(made.error, HasSubstr("/nowhere/at/all"));
}

TEST_F(RuntimeTest, OneRuntimeAProcess) {
  start(R"("fast_bytes":8388608)");
  const Created second = create(R"({"slow":"memory","fast_bytes":8388608})");
  EXPECT_EQ(second.runtime, nullptr);
  EXPECT_THAT(second.error, HasSubstr("another framework of this process"));
}

TEST_F(RuntimeTest, AllocatesWhatWasAskedFor) {
  start(R"("fast_bytes":8388608)");
  void* nothing = deeptm_allocate(runtime_, 0, 64);
  void* large = deeptm_allocate(runtime_, 1'000'001, 64);
  void* aligned = deeptm_allocate(runtime_, 100, 1 << 16);
  ASSERT_TRUE(nothing != nullptr && large != nullptr && aligned != nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(aligned) % (1 << 16), 0u);
  EXPECT_EQ(deeptm_requested_bytes(runtime_, large), 1'000'001u);
  EXPECT_EQ(deeptm_requested_bytes(runtime_, nothing), 0u);
  int foreign = 0;
  EXPECT_EQ(deeptm_owns(runtime_, &foreign), 0);
  EXPECT_EQ(deeptm_requested_bytes(runtime_, &foreign), 0u);
  EXPECT_EQ(deeptm_owns(runtime_, large), 1);
  deeptm_free(runtime_, nullptr);
  for (void* tensor : {nothing, large, aligned}) deeptm_free(runtime_, tensor);
}

TEST_F(RuntimeTest, MoreThanThereIsGivesNullAndTheReason) {
  start(R"("fast_bytes":8388608)");
  EXPECT_EQ(deeptm_allocate(runtime_, std::size_t{1} << 60, 64), nullptr);
  EXPECT_THAT(deeptm_last_error(), HasSubstr("consecutive addresses"));
  EXPECT_EQ(deeptm_allocate(runtime_, ~std::size_t{0}, 64), nullptr);
  void* next = deeptm_allocate(runtime_, 1 << 20, 64);
  EXPECT_NE(next, nullptr);
  deeptm_free(runtime_, next);
}

TEST_F(RuntimeTest, ForkedChildAllocatesWithoutTheArena) {
  NEEDS_THREADS_IN_CHILDREN();
  start(R"("fast_bytes":8388608)");
  void* before = deeptm_allocate(runtime_, 1 << 20, 64);
  std::memset(before, 1, 1 << 20);
  const pid_t child = ::fork();
  if (child == 0) {
    void* own = deeptm_allocate(runtime_, 1 << 20, 64);
    bool right = own != nullptr && deeptm_owns(runtime_, own) == 0;
    if (right) std::memset(own, 2, 1 << 20);
    deeptm_scope scope;
    deeptm_kernel_begin(runtime_, &scope, 0, 1, nullptr, 0);
    deeptm_kernel_end(runtime_, &scope, nullptr, 0);
    deeptm_free(runtime_, own);
    deeptm_free(runtime_, before);
    deeptm_flush(runtime_);
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(static_cast<unsigned char*>(before)[4096], 1);
  deeptm_free(runtime_, before);
}

// A shared block as the `deeptm` command makes it.
class TelemetryTest : public RuntimeTest {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "telemetry-" + std::to_string(::getpid());
    std::string zeros(sizeof(deeptm::Telemetry), '\0');
    std::memcpy(zeros.data(), &deeptm::Telemetry::kMagic, sizeof deeptm::Telemetry::kMagic);
    ASSERT_TRUE(deeptm::write_file(path_, zeros));
  }
  void TearDown() override {
    RuntimeTest::TearDown();
    ::unlink(path_.c_str());
  }
  std::unique_ptr<deeptm::Telemetry> read() const {
    const auto text = deeptm::read_file(path_);
    auto telemetry = std::make_unique<deeptm::Telemetry>();
    std::memcpy(static_cast<void*>(telemetry.get()), text->data(), sizeof *telemetry);
    return telemetry;
  }
  std::string path_;
};

TEST_F(TelemetryTest, KernelsStepsAndBytesAreCounted) {
  start(fmt::format(R"("fast_bytes":8388608,"telemetry":"{}")", path_));
  const std::uint32_t matmul = deeptm_register_kernel(runtime_, "dense/MatMul", "MatMul", "{}");
  const std::uint32_t assign = deeptm_register_kernel(runtime_, "assign", "AssignVariableOp", "{}");
  EXPECT_EQ(deeptm_register_kernel(runtime_, "dense/MatMul", "MatMul", "{}"), matmul);
  constexpr std::size_t kBytes = 4 << 20;
  std::array<char*, 4> tensors{};  // twice the limit
  for (char*& tensor : tensors) {
    tensor = static_cast<char*>(deeptm_allocate(runtime_, kBytes, 64));
    std::memset(tensor, 1, kBytes);
  }
  for (std::int64_t step = 1; step <= 3; ++step) {
    for (int k = 0; k < 40; ++k) {
      char* tensor = tensors[static_cast<std::size_t>(k) % 4];
      const bool last = k == 39;
      const std::uint32_t flags = DEEPTM_VARIABLE | DEEPTM_READ | (last ? std::uint32_t{DEEPTM_WRITE} : 0u);
      const deeptm_access access{tensor, kBytes, flags, 0, nullptr, nullptr};
      deeptm_scope scope;
      deeptm_kernel_begin(runtime_, &scope, last ? assign : matmul, step * 1000, &access, 1);
      int sum = 0;
      for (std::size_t i = 0; i < kBytes; i += 4096) sum += tensor[i];
      EXPECT_EQ(sum, 1024);
      deeptm_kernel_end(runtime_, &scope, &access, 1);
    }
  }
  for (char* tensor : tensors) deeptm_free(runtime_, tensor);
  deeptm_flush(runtime_);
  const auto t = read();
  EXPECT_EQ(t->owner_process.load(), ::getpid());
  EXPECT_EQ(t->finished.load(), 1u);
  EXPECT_EQ(t->kernels.load(), 120u);
  EXPECT_EQ(t->step_count.load(), 3u);
  EXPECT_EQ(t->steps[1].kernels, 40u);
  EXPECT_EQ(t->steps[1].kind, deeptm::StepKind::kTraining);
  EXPECT_EQ(t->fast_limit_bytes.load(), 8u << 20);
  EXPECT_LE(t->fast_peak_bytes.load(), 8u << 20);
  EXPECT_EQ(t->live_peak_bytes.load(), 4 * kBytes);
  EXPECT_GT(t->bytes_in.load(), 0u);
  EXPECT_GT(t->waits.load(), 0u);
  EXPECT_STREQ(t->waits_by_kernel[1].kernel, "dense/MatMul (MatMul)");
  EXPECT_THAT(t->slow_tier, HasSubstr("memory"));
}

TEST_F(TelemetryTest, ASecondProcessIsUnmanaged) {
  // The limit belongs to the process that came first, as long as it lives: here our parent.
  auto block = read();
  block->owner_process = ::getppid();
  ASSERT_TRUE(deeptm::write_file(path_, {reinterpret_cast<const char*>(block.get()), sizeof *block}));
  const std::string config = fmt::format(R"({{"slow":"memory","fast_bytes":8388608,"telemetry":"{}"}})", path_);
  const Created second = create(config);
  EXPECT_EQ(second.runtime, nullptr);
  EXPECT_THAT(second.error, ::testing::StartsWith("unmanaged:"));
  EXPECT_EQ(read()->other_processes.load(), 1u);
}

TEST_F(TelemetryTest, AShareOfThePeakNeverPassesIt) {
  start(fmt::format(R"("fast_percent":20,"chunk_bytes":65536,"telemetry":"{}")", path_));
  std::vector<void*> tensors;
  for (int i = 0; i < 64; ++i) {
    tensors.push_back(deeptm_allocate(runtime_, 1 << 20, 64));
    std::memset(tensors.back(), i, 1 << 20);
  }
  for (int i = 0; i < 64; ++i) EXPECT_EQ(static_cast<unsigned char*>(tensors[static_cast<std::size_t>(i)])[4097], i);
  EXPECT_EQ(deeptm_allocate(runtime_, std::uint64_t{1} << 40, 64), nullptr);  // what is refused is no part of a peak
  for (void* tensor : tensors) deeptm_free(runtime_, tensor);
  deeptm_flush(runtime_);
  const auto t = read();
  EXPECT_EQ(t->live_peak_bytes.load(), 64u << 20);
  EXPECT_LE(t->fast_peak_bytes.load(), (64u << 20) / 5);
  EXPECT_EQ(t->fast_limit_bytes.load(), (64u << 20) / 5 / 65536 * 65536);
}

}  // namespace

// SPDX-License-Identifier: Apache-2.0
// The launcher's parts that need no other process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "launch/environment.h"
#include "launch/figures.h"
#include "launch/installation.h"
#include "launch/managed_run.h"
#include "launch/progress.h"
#include "launch/run_record.h"
#include "launch/shared_telemetry.h"
#include "launch/slow_place.h"
#include "launch/summary.h"
#include "launch/workload.h"

namespace deeptm {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Environment, SetsReplacesAndForgets) {
  Environment environment({"A=1", "AB=2"});
  environment.set("A", "3");
  environment.set("C", "");
  environment.unset("AB");
  environment.unset("not there");
  EXPECT_THAT(environment.lines(), ElementsAre("A=3", "C="));
  EXPECT_STREQ(environment.get("A"), "3");
  EXPECT_EQ(environment.get("AB"), nullptr);
}

TEST(Environment, KeepsXlaFlagsThatHideNothing) {
  Environment environment({"TF_XLA_FLAGS=--tf_xla_min_cluster_size=4"});
  EXPECT_THAT(drop_hostile_settings(environment), IsEmpty());
  EXPECT_STREQ(environment.get("TF_XLA_FLAGS"), "--tf_xla_min_cluster_size=4");
}

TEST(CommandText, QuotesWhatAShellWouldSplit) {
  EXPECT_EQ(command_text({"python", "a b.py", "--x=1", "it's", ""}), "python 'a b.py' --x=1 'it'\\''s' ''");
}

TEST(RuntimeConfig, CarriesWhatWasAskedAndNothingElse) {
  MemorySettings settings;
  settings.fast = Percent{20};
  settings.slow = {"memory", {}};
  const auto config = nlohmann::json::parse(runtime_config(
      settings, {FrameworkKind::kTensorFlow, "a.so", "tensorflow 2.21.0"}, {.telemetry = {"/t"}}, {"x", "\xff"}));
  EXPECT_EQ(config["fast_percent"], 20.0);
  EXPECT_EQ(config["policy"], "demand");
  for (const char* absent : {"fast_bytes", "slow_directory", "chunk_bytes", "workers", "record_file", "plan_file",
                             "graph_file", "machine_file"}) {
    EXPECT_FALSE(config.contains(absent)) << absent;
  }
}

TEST(RuntimeConfig, NamesTheFilesOfAPlanThatIsFollowed) {
  MemorySettings settings;
  settings.planning = {"deeptm", "sync", "mine.json", FollowedPlan{}};
  const RunFiles files{.telemetry = {"/t"}, .plan = "/p", .graph = "/g", .machine = "/m"};
  const auto config = nlohmann::json::parse(
      runtime_config(settings, {FrameworkKind::kTensorFlow, "a.so", "tensorflow 2.21.0"}, files, {}));
  EXPECT_EQ(config["policy"], "deeptm");
  EXPECT_EQ(config["mode"], "sync");
  EXPECT_EQ(config["plan_file"], "/p");
  EXPECT_EQ(config["graph_file"], "/g");
  EXPECT_EQ(config["machine_file"], "/m");  // the plan's own
}

TEST(SlowPlace, ReadsItsFourForms) {
  EXPECT_EQ(parse_slow("node:12", "/d")->node, 12U);
  EXPECT_EQ(parse_slow("node:12", "/d")->name(), "node:12");
  for (const char* bad : {"node:", "node", "node:x", "node:1x", "node:-1"}) EXPECT_FALSE(parse_slow(bad, "/d")) << bad;
  EXPECT_TRUE(check_slow({"node", {}, 0}));
  EXPECT_NE(check_slow({"node", {}, 700}).error().message.find("there is 0"), std::string::npos);
  EXPECT_EQ(parse_slow("memory", "/d")->kind, "memory");
  EXPECT_EQ(parse_slow("", "/d")->directory, "/d");
  EXPECT_EQ(parse_slow("file:/x/y", "/d")->directory, "/x/y");
  EXPECT_FALSE(parse_slow("file:", "/d"));
  EXPECT_FALSE(parse_slow("disk", "/d"));
}

TEST(SlowPlace, PassesOverCandidatesThatCannotWork) {
  EXPECT_EQ(choose_slow_directory({nullptr, "", "/no/such/directory"}), "/var/tmp");
}

TEST(Installation, IsFoundFromABuildFolderBelowACheckout) {
  const fs::path root = fs::path(testing::TempDir()) / "checkout";
  for (const char* folder : {"adapters/tensorflow", "python/deeptm", "build/dev/bin", "build/dev/lib"}) {
    fs::create_directories(root / folder);
  }
  EXPECT_THAT(find_installation(root / "build/dev/bin/deeptm", "").error().message,
              HasSubstr("libdeeptm.so is missing"));
  std::ofstream(root / "build/dev/lib/libdeeptm.so") << "x";
  const auto found = find_installation(root / "build/dev/bin/deeptm", "");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->adapter_folder, root / "adapters");
  EXPECT_EQ(found->own_python, root / ".venv/bin/python");
  fs::remove_all(root);
}

TEST(Installation, IsFoundInAPythonPackage) {
  const fs::path root = fs::path(testing::TempDir()) / "environment";
  const fs::path packages = root / "lib/python3.11/site-packages", package = packages / "deeptm";
  for (const fs::path& folder : {root / "bin", package / "bin", package / "lib", package / "share/deeptm/adapters"}) {
    fs::create_directories(folder);
  }
  for (const fs::path& file : {root / "bin/python3", package / "__init__.py", package / "lib/libdeeptm.so"}) {
    std::ofstream(file) << "x";
  }
  const auto found = find_installation(package / "bin/deeptm", "");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->include_folder, package / "include");
  EXPECT_EQ(found->python_folder, packages);
  EXPECT_EQ(found->adapter_folder, package / "share/deeptm/adapters");
  EXPECT_EQ(found->graph_folder, package / "share/deeptm/graphs");
  EXPECT_EQ(found->documentation, package / "share/deeptm/README.md");
  EXPECT_EQ(found->own_python, root / "bin/python3");
  fs::remove_all(root);
}

TEST(Median, IsTheMiddle) {
  EXPECT_EQ(median({}), std::nullopt);
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
}

// A block as the runtime would leave it: an odd first step, two training steps, an evaluation.
class FiguresTest : public testing::Test {
 protected:
  FiguresTest() : block_(std::make_unique<Telemetry>()) {
    block_->owner_process = 42;
    add({StepKind::kTraining, 10, 1, 0, 9'000'000'000, 800, 80, 8, 4'000'000'000});
    add({StepKind::kTraining, 10, 1, 0, 1'000'000'000, 100, 10, 2, 500'000'000});
    add({StepKind::kTraining, 10, 1, 0, 3'000'000'000, 300, 30, 4, 700'000'000});
    add({StepKind::kEvaluation, 4, 2, 0, 1, 7, 7, 7, 7});
  }
  void add(const StepRecord& step) { block_->steps[block_->step_count++ % Telemetry::kSteps] = step; }
  std::unique_ptr<Telemetry> block_;
};

TEST_F(FiguresTest, MeansAreOverTheLastTrainingSteps) {
  const RunFigures figures = read_figures(*block_, 2);
  EXPECT_EQ(figures.training_steps, 3u);
  EXPECT_EQ(figures.evaluation_steps, 1u);
  EXPECT_DOUBLE_EQ(figures.median_step_seconds.value(), 2.0);  // of 1 and 3
  EXPECT_DOUBLE_EQ(figures.per_step->bytes_in, 200);           // (100 + 300) / 2
  EXPECT_DOUBLE_EQ(figures.per_step->bytes_out, 20);
  EXPECT_DOUBLE_EQ(figures.per_step->waits, 3);
  EXPECT_DOUBLE_EQ(figures.per_step->wait_seconds, 0.6);
}

TEST_F(FiguresTest, ARingThatWentRoundKeepsTheLastSteps) {
  const StepRecord step{StepKind::kTraining, 1, 3, 0, 2'000'000'000, 0, 0, 0, 0};
  for (std::uint32_t i = 0; i < Telemetry::kSteps; ++i) add(step);
  const RunFigures figures = read_figures(*block_);
  EXPECT_EQ(figures.steps, Telemetry::kSteps + 4u);
  EXPECT_EQ(figures.training_steps, Telemetry::kSteps);
  EXPECT_EQ(figures.evaluation_steps, 0u);
  EXPECT_THAT(summarize(figures, {}), Contains(HasSubstr("among the last 8192 of 8196")));
}

TEST_F(FiguresTest, KernelsWaitedForLongestComeFirst) {
  std::strcpy(block_->waits_by_kernel[0].kernel, "(no kernel)");
  block_->waits_by_kernel[3].waits = 5;
  block_->waits_by_kernel[3].nanoseconds = 1'000'000;
  std::strcpy(block_->waits_by_kernel[3].kernel, "relu");
  block_->waits_by_kernel[9].waits = 1;
  block_->waits_by_kernel[9].nanoseconds = 2'000'000;
  std::strcpy(block_->waits_by_kernel[9].kernel, "conv");
  const RunFigures figures = read_figures(*block_);
  ASSERT_EQ(figures.kernel_waits.size(), 2u);
  EXPECT_EQ(figures.kernel_waits[0].kernel, "conv");
  EXPECT_EQ(figures.kernel_waits[1].waits, 5u);
}

TEST(RunProgress, IsOfTheTimeSinceTheLineBefore) {
  const auto block = std::make_unique<Telemetry>();
  RunProgress progress(*block);
  constexpr std::uint64_t kSecond = 1'000'000'000;
  EXPECT_EQ(progress.line(kSecond), std::nullopt);
  block->live_peak_bytes = 5 * kMiB;
  block->fast_bytes = kMiB;
  block->fast_limit_bytes = 2 * kMiB;
  block->bytes_in = 7 * kMiB;
  EXPECT_EQ(progress.line(2 * kSecond), "before the first training step; fast 1.00 MiB of 2.00 MiB");
  const auto add = [&](StepKind kind, std::uint64_t nanoseconds) {
    StepRecord& step = block->steps[block->step_count++];
    step.kind = kind;
    step.end_nanoseconds = nanoseconds;
  };
  add(StepKind::kTraining, 2 * kSecond);
  add(StepKind::kTraining, kSecond / 2);
  add(StepKind::kEvaluation, 9 * kSecond);
  block->bytes_in += 6 * kMiB;
  block->bytes_out += 3 * kMiB;
  block->wait_nanoseconds += kSecond / 2;
  EXPECT_EQ(progress.line(4 * kSecond),
            "step 2, 2 steps/s; fast 1.00 MiB of 2.00 MiB; 3.00 MiB/s in, 1.50 MiB/s out; waiting 25 % of the time");
  EXPECT_EQ(progress.line(5 * kSecond),
            "step 2, 2 steps/s; fast 1.00 MiB of 2.00 MiB; 0 B/s in, 0 B/s out; waiting 0 % of the time");
  // What left the ring unseen is not counted.
  block->step_count = 3 * Telemetry::kSteps;
  EXPECT_EQ(progress.line(6 * kSecond).value().substr(0, 7), "step 4,");
}

TEST_F(FiguresTest, SummaryTellsAnErrorAndOtherProcesses) {
  std::strcpy(block_->error, "file tier in /x: full");
  block_->other_processes = 2;
  const auto lines = summarize(read_figures(*block_), {137, 9});
  EXPECT_THAT(lines, Contains("the command was ended by signal 9"));
  EXPECT_THAT(lines, Contains("error: file tier in /x: full"));
  EXPECT_THAT(lines, Contains(HasSubstr("2 other process(es)")));
}

TEST(Summary, SaysThatNothingWasManaged) {
  EXPECT_THAT(summarize({}, {}), ElementsAre(HasSubstr("never made a tensor in TensorFlow or PyTorch")));
}

TEST(SharedTelemetry, IsOneBlockUnderItsPath) {
  const auto shared = SharedTelemetry::create();
  ASSERT_TRUE(shared) << shared.error().message;
  EXPECT_EQ(fs::file_size(shared->path()), sizeof(Telemetry));
  const std::uint64_t written = 77;
  std::fstream file(shared->path(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(offsetof(Telemetry, kernels));
  file.write(reinterpret_cast<const char*>(&written), sizeof written);
  file.close();
  EXPECT_EQ((*shared)->kernels.load(), 77u);
  EXPECT_EQ((*shared)->magic, Telemetry::kMagic);
}

TEST(Differences, NamesTheFirstLossAndEachDigest) {
  const WorkloadResult stock{1, {"0x1p0", "0x1p1"}, "aaaaaaaaaaaaaaaa", "b", 0, {}};
  EXPECT_THAT(differences(stock, stock), IsEmpty());
  WorkloadResult other = stock;
  other.losses[1] = "0x1.8p1";
  other.weights = "cccccccccccccccc";
  EXPECT_THAT(differences(stock, other), ElementsAre("loss from step 2 on: 0x1p1 against 0x1.8p1",
                                                     "weights: SHA-256 aaaaaaaaaaaa against cccccccccccc"));
  other = stock;
  other.losses.pop_back();
  other.optimizer.clear();
  EXPECT_THAT(differences(stock, other), ElementsAre("steps: 2 against 1", "optimizer state: not hashed"));
}

TEST(RunRecord, HashDependsOnValuesNotOnTheirOrder) {
  const auto a = nlohmann::json::parse(R"({"x": 1, "y": [2, 3]})"),
             b = nlohmann::json::parse(R"({"y": [2, 3], "x": 1})");
  EXPECT_EQ(config_hash(a), config_hash(b));
  EXPECT_NE(config_hash(a), config_hash(nlohmann::json::parse(R"({"x": 1, "y": [3, 2]})")));
}

TEST(RunRecord, PerformanceIsStockTimeByOurs) {
  RunRecord record;
  record.step_seconds = 2.0;
  EXPECT_TRUE(to_json(record)["performance"].is_null());
  record.step_seconds_stock = 1.5;
  record.differences.emplace();
  const auto json = to_json(record);
  EXPECT_DOUBLE_EQ(json["performance"], 0.75);
  EXPECT_EQ(json["bit_identical"], true);
  EXPECT_TRUE(json["fast_peak_bytes"].is_null());
}

}  // namespace
}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
// A tiny training process, replayed to the recorder event by event.
#include "profiler/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "graph/graph_file.h"
#include "graph/validate.h"
#include "profiler/passes.h"
#include "profiler/step_timing.h"
#include "scratch_folder.h"

namespace deeptm {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint32_t kRead = DEEPTM_READ, kOutput = DEEPTM_WRITE | DEEPTM_OUTPUT,
                        kVariable = DEEPTM_READ | DEEPTM_VARIABLE,
                        kUpdate = DEEPTM_READ | DEEPTM_WRITE | DEEPTM_VARIABLE,
                        kReplaced = DEEPTM_WRITE | DEEPTM_VARIABLE;

enum KernelId : std::uint32_t { kBatch = 1, kReadVariable, kMatMul, kRelu, kGrad, kSub, kAssign, kFill };

std::filesystem::path graph_file(const std::string& name) { return testing::scratch(name + ".graph.json.zst"); }

// Gives out addresses and remembers sizes; addresses of freed buffers come back, as those of an allocator do.
struct Process {
  explicit Process(const std::string& name, std::uint32_t steps = 4, std::uint32_t most_kernels = 1000)
      : Process(Recorder::Options{graph_file(name), steps, most_kernels}) {}
  explicit Process(Recorder::Options options) : file(options.file), recorder(std::move(options)) {
    std::filesystem::remove(file);
    recorder.register_kernel(kBatch, "iterator", "IteratorGetNext", "{}");
    recorder.register_kernel(kReadVariable, "dense/Read", "ReadVariableOp", "{}");
    recorder.register_kernel(kMatMul, "dense/MatMul", "MatMul", R"({"transpose_a": false})");
    recorder.register_kernel(kRelu, "dense/Relu", "Relu", "no JSON");
    recorder.register_kernel(kGrad, "grad/MatMul", "MatMul", "{}");
    recorder.register_kernel(kSub, "sgd/Sub", "Sub", "{}");
    recorder.register_kernel(kAssign, "sgd/Assign", "AssignVariableOp", "{}");
    recorder.register_kernel(kFill, "other", "Fill", "{}");
  }

  std::uint64_t allocate(std::size_t bytes, Recorder::Token running = 0) {
    std::uint64_t base = 0x1000;
    while (sizes.contains(base)) base += 0x1000;
    sizes[base] = bytes;
    recorder.allocate(reinterpret_cast<void*>(base), bytes, running);
    return base;
  }
  void free(std::uint64_t base) {
    sizes.erase(base);
    recorder.free(reinterpret_cast<void*>(base));
  }
  deeptm_access access(std::uint64_t base, std::uint32_t flags) {
    static const std::int64_t shape[] = {3, 5};
    return {reinterpret_cast<void*>(base), sizes.at(base), flags, 2, shape, "float"};
  }

  void begin(Recorder::Token token, std::uint32_t kernel, std::vector<deeptm_access> inputs) {
    recorder.begin(token, kernel, step, inputs, now);
  }
  void end(Recorder::Token token, std::vector<deeptm_access> outputs, std::uint64_t duration = kMillisecond,
           std::uint64_t wait = 0) {
    now += duration;
    recorder.end(token, step, outputs, now, wait);
  }
  void run(std::uint32_t kernel, std::vector<deeptm_access> inputs, std::vector<deeptm_access> outputs = {},
           std::uint64_t duration = kMillisecond, std::uint64_t wait = 0) {
    begin(1, kernel, std::move(inputs));
    end(1, std::move(outputs), duration, wait);
  }

  // One step of y = relu(x W), W -= grad: 20 kernels, of which the first 13 only read W.
  void train(std::uint64_t relu_time = kMillisecond, std::uint64_t relu_wait = 0) {
    ++step;
    if (weights == 0) weights = allocate(4000);
    if (batch == 0) batch = allocate(600);
    run(kBatch, {}, {access(batch, kOutput)});  // 0
    for (int i = 0; i < 13; ++i)                // 1 to 13
      run(kReadVariable, {access(weights, kVariable)}, {access(weights, kOutput)});
    begin(1, kMatMul, {access(batch, kRead), access(weights, kRead)});  // 14
    const auto scratch_buffer = allocate(800, 1), hidden = allocate(900, 1);
    free(scratch_buffer);
    end(1, {access(hidden, kOutput)}, 2 * kMillisecond);
    const auto next_batch = allocate(600);                                                 // by the data pipeline
    run(kRelu, {access(hidden, kRead)}, {access(hidden, kOutput)}, relu_time, relu_wait);  // 15, in place
    begin(1, kGrad, {access(hidden, kRead), access(batch, kRead)});                        // 16
    const auto grad = allocate(4000, 1);
    end(1, {access(grad, kOutput)});
    free(hidden), free(batch);
    begin(1, kSub, {access(weights, kRead), access(grad, kRead)});  // 17
    const auto updated = allocate(4000, 1);
    end(1, {access(updated, kOutput)});
    begin(1, kAssign, {access(weights, kUpdate), access(updated, kRead)});  // 18
    free(weights);
    end(1, {access(updated, kReplaced)});
    run(kFill, {access(grad, kRead), access(grad, kRead)});  // 19
    free(grad);
    weights = updated, batch = next_batch;
  }

  // Long enough that the steps before are known to be over.
  void pass_time() {
    now += 200 * kMillisecond;
    ++step;
    const auto buffer = allocate(70'000);
    for (int i = 0; i < 32; ++i) run(kFill, {access(buffer, kRead)});
    free(buffer);
  }

  StepGraph graph() {
    recorder.finish();
    const auto read = read_graph(file);
    EXPECT_TRUE(read) << read.error().message << "; " << recorder.status();
    return read ? *read : StepGraph{};
  }

  std::filesystem::path file;
  Recorder recorder;
  std::map<std::uint64_t, std::size_t> sizes;
  std::uint64_t now = kMillisecond, weights = 0, batch = 0;
  std::int64_t step = 100;
};

TEST(Recorder, GraphOfTheUsualStep) {
  Process p("usual");
  for (int i = 0; i < 6; ++i) p.train(), p.pass_time();
  EXPECT_FALSE(p.recorder.active());
  EXPECT_THAT(p.recorder.status(), HasSubstr("a step of training, 20 kernels, 6 tensors, medians over 4 steps"));
  const StepGraph graph = p.graph();
  ASSERT_EQ(graph.kernels.size(), 20u);
  EXPECT_EQ(graph.kernels[14].name, "dense/MatMul");
  EXPECT_EQ(graph.kernels[14].attributes.json()["transpose_a"], false);
  EXPECT_EQ(graph.kernels[15].attributes.json()["text"], "no JSON");
  EXPECT_EQ(graph.kernels[14].inputs.size(), 2u);
  EXPECT_EQ(graph.kernels[14].outputs.at(0), (TensorType{"float", {3, 5}}));
  EXPECT_DOUBLE_EQ(graph.kernels[14].seconds, 0.002);
  EXPECT_EQ(graph.origin.recorded_steps, 4u);

  // By first kernel, then by first use: in canonical order Batch, Read, MatMul, Relu, ...
  const std::vector<Tensor> tensors{{"iterator:0", 600, 0, 16, false, false, true, false, {}, {}},
                                    {"dense/Read:input0", 4000, 0, 18, true, false, true, false, {}, {}},
                                    {"dense/MatMul:0", 900, 14, 16, false, false, false, false, 14, {}},
                                    {"dense/MatMul:scratch0", 800, 14, 14, false, false, false, false, 14, {}},
                                    {"grad/MatMul:0", 4000, 16, 19, false, false, false, false, 16, {}},
                                    {"sgd/Sub:0", 4000, 17, 19, true, false, false, true, 17, 1}};
  EXPECT_EQ(graph.tensors, tensors);
  EXPECT_EQ(graph.origin.other_peak_bytes, 600u);  // the next batch, which this step does not touch
}

TEST(Recorder, AccessesOfTheUsualStep) {
  Process p("accesses");
  for (int i = 0; i < 6; ++i) p.train(), p.pass_time();
  const StepGraph graph = p.graph();
  // The batch is handed out at 0, the variable handed on at 1 to 13, swapped at 18: nothing is touched there.
  const std::vector<Access> accesses{{14, 0, 2, 0, false}, {14, 1, 2, 0, false}, {14, 2, 0, 1, false},
                                     {14, 3, 1, 1, false},  // MatMul and scratch
                                     {15, 2, 1, 1, true},   // Relu in place
                                     {16, 0, 2, 0, false}, {16, 2, 2, 0, false}, {16, 4, 0, 1, false},  // grad
                                     {17, 1, 1, 0, false}, {17, 4, 1, 0, false}, {17, 5, 0, 1, false},  // Sub
                                     {19, 4, 2, 0, false}};  // reads it twice
  EXPECT_EQ(graph.accesses, accesses);
}

TEST(Recorder, SecondsAreMediansWithoutWaitsAndWithoutTheFirstStep) {
  Process p("medians");
  for (const std::uint64_t relu : {90, 5, 1, 8, 2}) {  // 90 warms up; the median of 5, 1, 8, 2 is 3.5
    p.train((relu + 3) * kMillisecond, 3 * kMillisecond);
    p.pass_time();
  }
  p.train();
  const StepGraph graph = p.graph();
  EXPECT_DOUBLE_EQ(graph.kernels[15].seconds, 0.0035);
  EXPECT_FALSE(graph.kernels[15].wait_free);
  EXPECT_TRUE(graph.kernels[14].wait_free);
}

TEST(Recorder, AProgramThatEndsEarlyLeavesWhatThereIs) {
  Process one("one");
  one.train();
  EXPECT_EQ(one.graph().origin.recorded_steps, 1u);
  Process three("three");
  for (int i = 0; i < 3; ++i) three.train();
  const StepGraph graph = three.graph();
  EXPECT_EQ(graph.origin.recorded_steps, 2u);
  EXPECT_EQ(graph.origin.step_kind, GraphStepKind::kTraining);
}

TEST(Recorder, EvaluationIfThereIsNoTraining) {
  Process p("evaluation");
  const auto weights = p.allocate(4000);
  for (int i = 0; i < 20; ++i) p.run(kReadVariable, {p.access(weights, kVariable)}, {p.access(weights, kOutput)});
  EXPECT_EQ(p.graph().origin.step_kind, GraphStepKind::kEvaluation);
}

TEST(Recorder, NoStepIsSaid) {
  Process p("none");
  p.pass_time();
  p.recorder.finish();
  EXPECT_EQ(p.recorder.status(), p.file.string() + ": not written: no step of training or evaluation has run");
  EXPECT_FALSE(std::filesystem::exists(p.file));
}

TEST(Recorder, AStepTooLongIsLeftOutAndSaid) {
  Process p("long", 4, 10);
  for (int i = 0; i < 6; ++i) p.train();
  p.recorder.finish();
  EXPECT_EQ(p.recorder.status(), p.file.string() + ": not written: every step was longer than 10 kernels");
}

TEST(Recorder, AFileThatCannotBeWrittenIsSaid) {
  Recorder recorder({"/no/such/folder/x.graph.json.zst", 1, 1000, {}});
  const deeptm_access weights{&recorder, 4000, kVariable, 0, nullptr, nullptr};
  for (std::uint64_t i = 1; i <= 20; ++i) {
    recorder.begin(i, 1, 5, {&weights, 1}, i);
    recorder.end(i, 5, {}, i, 0);
  }
  recorder.finish();
  EXPECT_THAT(recorder.status(), HasSubstr("recording: /no/such/folder/x.graph.json.zst: cannot create a file"));
}

TEST(Recorder, ForeignMemoryIsATensorFromFirstToLastUse) {
  Process p("foreign");
  const auto weights = p.allocate(4000);
  p.sizes[0x99000] = 1234;  // never announced
  for (int i = 0; i < 20; ++i) p.run(kMatMul, {p.access(weights, kVariable)});
  p.run(kMatMul, {p.access(0x99000, kRead)});
  p.run(kRelu, {p.access(0x99000, kRead)});
  p.run(kFill, {});
  const StepGraph graph = p.graph();
  ASSERT_EQ(graph.tensors.size(), 2u);
  const Tensor foreign{"dense/MatMul:input0", 1234, 20, 21, false, true, false, false, {}, {}};
  EXPECT_EQ(graph.tensors[1], foreign);
}

TEST(Recorder, AnUpdateThatCopiesReadsTheOldBufferAndPassesOverTheNewTwice) {
  Process p("copied");
  auto weights = p.allocate(4000);
  const auto grad = p.allocate(4000);
  for (int step = 0; step < 4; ++step, ++p.step) {
    for (int i = 0; i < 20; ++i) p.run(kMatMul, {p.access(weights, kVariable)});
    p.begin(1, kAssign, {p.access(weights, kUpdate), p.access(grad, kRead)});
    const auto copy = p.allocate(4000, 1);
    p.free(weights);
    p.end(1, {p.access(copy, kReplaced)});
    weights = copy;
  }
  const StepGraph graph = p.graph();
  const std::vector<Tensor> tensors{{"dense/MatMul:input0", 4000, 0, 20, true, false, true, false, {}, {}},
                                    {"sgd/Assign:input1", 4000, 0, 20, false, false, true, true, {}, {}},
                                    {"sgd/Assign:state0", 4000, 20, 20, true, false, false, true, 20, 0}};
  EXPECT_EQ(graph.tensors, tensors);
  const std::vector<Access> update{{20, 0, 1, 0, false}, {20, 1, 1, 0, false}, {20, 2, 1, 2, false}};
  EXPECT_EQ(std::vector<Access>(graph.accesses.begin() + 20, graph.accesses.end()), update);
}

TEST(Recorder, EagerStepsAreRecorded) {
  Process p("eager");
  const auto weights = p.allocate(4000);
  for (int step = 0; step < 7; ++step) {
    for (int i = 0; i < 80; ++i, ++p.step) p.run(kMatMul, {p.access(weights, kVariable)});
    p.run(kSub, {p.access(weights, kUpdate)});
    ++p.step;
  }
  const StepGraph graph = p.graph();
  EXPECT_EQ(graph.kernels.size(), 81u);
  EXPECT_EQ(graph.accesses.size(), 81u);
  EXPECT_EQ(graph.origin.recorded_steps, 4u);
  EXPECT_EQ(graph.kernels.back().type, "Sub");
}

TEST(Recorder, MemoryIsBoundedWhenAStepNeverEnds) {
  Process p("endless", 4, 100);
  p.begin(7, kBatch, {});  // keeps its step open
  for (int i = 0; i < 1000; ++i) p.free(p.allocate(10));
  ++p.step;
  for (int i = 0; i < 6; ++i) p.train(), p.pass_time();
  EXPECT_EQ(p.graph().kernels.size(), 20u);
}

// A process whose graphs are delivered.
struct Delivered : Process {
  explicit Delivered(Recorder::Options options) : Process(tell(std::move(options), this)) {}

  static Recorder::Options tell(Recorder::Options options, Delivered* to) {
    options.deliver = [to](StepGraph&& graph, std::uint64_t signature) {
      to->graphs.push_back(std::move(graph)), to->signatures.push_back(signature);
    };
    options.gave_up = [to](const std::string& why) { to->why = why; };
    return options;
  }

  // A step of evaluation that reads the weights `reads` times.
  void evaluate(int reads) {
    ++step;
    for (int i = 0; i < reads; ++i) run(kReadVariable, {access(weights, kVariable)}, {access(weights, kOutput)});
    pass_time();
  }
  void resume(std::uint64_t signature) {
    ASSERT_TRUE(recorder.resume(signature));
    for (const auto& [base, bytes] : sizes) recorder.announce(reinterpret_cast<void*>(base), bytes);
  }

  std::vector<StepGraph> graphs;
  std::vector<std::uint64_t> signatures;
  std::string why;
};

TEST(RecorderDelivers, TheUsualStepAsTheFileHasIt) {
  const auto file = graph_file("both");
  Delivered p(Recorder::Options{.file = file});
  for (int i = 0; i < 6; ++i) p.train(), p.pass_time();
  EXPECT_FALSE(p.recorder.active());
  ASSERT_EQ(p.graphs.size(), 1u);
  EXPECT_EQ(p.graphs[0], p.graph());
}

TEST(RecorderDelivers, GoesOnForSignaturesThatCameAgain) {
  Delivered p(Recorder::Options{.steps = 2});
  p.train(), p.pass_time();
  for (int i = 0; i < 2; ++i) p.evaluate(20);
  for (int i = 0; i < 2; ++i) p.train(), p.pass_time();
  ASSERT_EQ(p.graphs.size(), 1u);
  EXPECT_TRUE(p.recorder.active());  // the evaluation came twice
  p.evaluate(20);
  p.train();
  ASSERT_EQ(p.graphs.size(), 2u);
  EXPECT_EQ(p.graphs[1].origin.step_kind, GraphStepKind::kEvaluation);
  EXPECT_FALSE(p.recorder.active());
}

TEST(RecorderDelivers, WhatIsAskedForAfterwardsWithTheBuffersThatLive) {
  Delivered p(Recorder::Options{.steps = 2});
  for (int i = 0; i < 4; ++i) p.train(), p.pass_time();
  ASSERT_EQ(p.graphs.size(), 1u);
  EXPECT_FALSE(p.recorder.active());
  EXPECT_FALSE(p.recorder.resume(p.signatures[0]));  // is known
  for (int i = 0; i < 3; ++i) p.train();             // nobody looks
  p.resume(12345);
  EXPECT_FALSE(p.recorder.resume(12345));  // is active
  for (int i = 0; i < 4; ++i) p.evaluate(30);
  ASSERT_EQ(p.graphs.size(), 2u);
  EXPECT_FALSE(p.recorder.active());
  EXPECT_EQ(p.graphs[1].kernels.size(), 30u);
  ASSERT_EQ(p.graphs[1].tensors.size(), 1u);
  EXPECT_FALSE(p.graphs[1].tensors[0].foreign);
  EXPECT_TRUE(p.graphs[1].tensors[0].persistent);
  EXPECT_NE(p.signatures[0], p.signatures[1]);
}

TEST(RecorderDelivers, WhatIsForgottenOnceMore) {
  Delivered p(Recorder::Options{.steps = 2});
  for (int i = 0; i < 4; ++i) p.train(), p.pass_time();
  p.recorder.forget(p.signatures[0]);
  p.resume(p.signatures[0]);
  for (int i = 0; i < 4; ++i) p.train(), p.pass_time();
  ASSERT_EQ(p.graphs.size(), 2u);
  EXPECT_EQ(p.signatures[0], p.signatures[1]);
  EXPECT_FALSE(p.recorder.active());
}

TEST(RecorderDelivers, WaitsAgainWhereTheStepDoesNotComeAgain) {
  Delivered p(Recorder::Options{.steps = 2, .most_known = 5});
  for (int i = 0; i < 4; ++i) p.train(), p.pass_time();
  p.resume(12345);
  p.evaluate(30);
  for (int i = 0; i < 4; ++i) p.train(), p.pass_time();
  EXPECT_TRUE(p.recorder.active());
  for (int i = 0; i < 2; ++i) p.train(), p.pass_time();
  EXPECT_FALSE(p.recorder.active());
  EXPECT_EQ(p.graphs.size(), 1u);
}

TEST(RecorderDelivers, GivesUpWhereEveryStepDiffers) {
  Delivered p(Recorder::Options{.steps = 2, .most_fruitless = 10});
  p.train(), p.pass_time();
  for (int i = 0; i < 12; ++i) p.evaluate(20 + i);
  EXPECT_FALSE(p.recorder.active());
  EXPECT_TRUE(p.graphs.empty());
  EXPECT_EQ(p.why, "steps differ too much to plan for: of the last 10, none came 3 times");
  EXPECT_FALSE(p.recorder.resume(12345));
}

TEST(RecorderDelivers, NotMoreThanEnough) {
  Delivered p(Recorder::Options{.steps = 1, .most_delivered = 2});
  p.train();
  for (int kind = 0; kind < 4; ++kind) {
    for (int i = 0; i < 3; ++i) p.evaluate(20 + kind);
    if (kind == 0) p.resume(12345);
  }
  EXPECT_EQ(p.graphs.size(), 2u);
  EXPECT_EQ(p.why, "2 kinds of step are enough: others run on demand");
  EXPECT_FALSE(p.recorder.active());
  EXPECT_FALSE(p.recorder.resume(12345));
}

// Whatever threads do, the graph is valid: write_graph checks it.
TEST(Recorder, RandomThreadsGiveAValidGraph) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Recorder recorder({graph_file("threads"), 2, 100'000, {}});
    std::atomic<std::uint64_t> clock{1};
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 3; ++t) {
      threads.emplace_back([&recorder, &clock, t, seed] {
        std::mt19937_64 random(seed * 10 + t);
        std::vector<deeptm_access> held;
        for (std::uint64_t i = 1; i < 3000; ++i) {
          const std::uint64_t token = t * 1'000'000 + i;
          const auto step = static_cast<std::int64_t>(1 + i / 100 + (t == 0 ? 0 : 1000));
          recorder.begin(token, static_cast<std::uint32_t>(random() % 9), step, held, clock++);
          const std::uint64_t base = (t + 1) << 32 | (i << 8);
          const std::size_t bytes = 16 + random() % 5000;
          recorder.allocate(reinterpret_cast<void*>(base), bytes, random() % 3 == 0 ? 0 : token);
          const std::uint32_t flags = std::array{kRead, kVariable, kUpdate}[random() % 3];
          held.push_back({reinterpret_cast<void*>(base), bytes, flags, 0, nullptr, "float"});
          if (held.size() > 5) {
            recorder.free(held.front().base);
            held.erase(held.begin());
          }
          deeptm_access output = held[random() % held.size()];
          output.flags = random() % 2 == 0 ? kOutput : kReplaced;
          recorder.end(token, step, {&output, 1}, clock++, random() % 2);
        }
      });
    }
    for (auto& thread : threads) thread.join();
    recorder.finish();
    EXPECT_THAT(recorder.status(), HasSubstr("a step of training"));
  }
}

TEST(StepTiming, OverlappingKernelsShareTheTime) {
  // outer |-----------------|       begins at 0, ends at 100
  // inner     |-----|               20 to 50, waited 5
  // late               |------|     80 to 130
  StepLog log;
  log.runs.resize(3);
  log.runs[0] = {9, 0, 0, 0, 0, 1, 5, 0, 100, 0};
  log.runs[1] = {8, 0, 0, 0, 0, 2, 3, 20, 50, 5};
  log.runs[2] = {8, 0, 0, 0, 0, 4, 6, 80, 130, 0};
  const auto times = kernel_times(log);
  EXPECT_DOUBLE_EQ(times[0].seconds, 50e-9);  // 0 to 20, 50 to 80
  EXPECT_DOUBLE_EQ(times[1].seconds, 25e-9);  // 30 less the wait
  EXPECT_TRUE(times[1].waited);
  EXPECT_DOUBLE_EQ(times[2].seconds, 50e-9);  // the sum, 130 less 5, is the time in which a kernel ran
  EXPECT_THAT(canonical_numbers(log), ::testing::ElementsAre(2, 0, 1));
  EXPECT_EQ(median({3, 1, 2}), 2.0);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
}

TEST(Passes, KernelsThatComeBackToTheirInputs) {
  const auto passes = [](std::string type, std::uint32_t input, nlohmann::json attributes = nlohmann::json::object()) {
    Kernel kernel;
    kernel.type = std::move(type);
    kernel.attributes = std::move(attributes);
    return passes_over_input(kernel, input);
  };
  for (const char* type : {"FusedBatchNormV3", "_FusedBatchNormEx", "_MklNativeFusedBatchNormV3"}) {
    EXPECT_EQ(passes(type, 0), 2u) << type;
    EXPECT_EQ(passes(type, 1), 1u) << type;  // the scale
  }
  EXPECT_EQ(passes("FusedBatchNormV3", 0, {{"is_training", false}}), 1u);
  for (const char* type : {"FusedBatchNormGradV3", "_MklFusedBatchNormGradV3"}) {
    EXPECT_EQ(passes(type, 0), 2u) << type;  // the gradient
    EXPECT_EQ(passes(type, 1), 2u) << type;  // the forward input
    EXPECT_EQ(passes(type, 2), 1u) << type;
  }
  for (const char* type : {"Conv2D", "_FusedConv2D", "Conv2DBackpropFilter", "MatMul"}) {
    EXPECT_EQ(passes(type, 0), 2u) << type;
  }
  EXPECT_EQ(passes("Conv2D", 1), 1u);  // the filter
  EXPECT_EQ(passes("Conv2DBackpropInput", 0), 1u);
  EXPECT_EQ(passes("Conv2DBackpropInput", 2), 2u);   // the gradient
  EXPECT_EQ(passes("Conv2DBackpropFilter", 2), 2u);  // the gradient
  EXPECT_EQ(passes("MatMul", 1), 2u);
  EXPECT_EQ(passes("DepthwiseConv2dNative", 0), 1u);
}

}  // namespace
}  // namespace deeptm

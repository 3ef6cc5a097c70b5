// SPDX-License-Identifier: Apache-2.0
// Finding frameworks and keeping the adapters compiled for them, with programs of our own as python and compiler.
#include "launch/adapter.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/files.h"
#include "launch/framework.h"
#include "launch/process.h"

namespace deeptm {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

// A folder with an installation, a TensorFlow and a PyTorch of empty files, and a compiler that copies the name of what
// it compiles to its output and counts its calls.
class AdapterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/deeptm-adapter-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    for (const char* folder : {"adapters/common", "adapters/tensorflow", "adapters/torch", "include/deeptm", "lib",
                               "tf", "torch/lib", "home"}) {
      fs::create_directories(root_ / folder);
    }
    write("adapters/common/c.cc", "int c;");
    write("adapters/torch/t.cc", "int t;");
    write("adapters/tensorflow/a.cc", "int a;");
    write("adapters/tensorflow/a.h", "");
    write("include/deeptm/runtime.h", "");
    write("tf/libtensorflow_framework.so.2", "");
    write("torch/lib/libtorch_cpu.so", "");
    installation_.library = root_ / "lib/libdeeptm.so";
    installation_.include_folder = root_ / "include";
    installation_.adapter_folder = root_ / "adapters";
    framework_ = {FrameworkKind::kTensorFlow, "python", "2.21.0", root_ / "tf"};
    // $2 is the source and $4 the output, behind the compiler's first word.
    program("compiler", R"sh(
[ "$2" = --version ] && echo "compiler of the test 1.0" && exit 0
echo called >> ")sh" + (root_ / "calls").string() +
                            R"sh("
cat "$2" > "$4")sh");
    use_compiler((root_ / "compiler").string() + " word");
    ::setenv("HOME", (root_ / "home").c_str(), 1);
    ::unsetenv("XDG_CACHE_HOME");
  }
  void TearDown() override {
    ::unsetenv("CXX");
    fs::remove_all(root_);
  }

  void write(const fs::path& file, const std::string& text) { std::ofstream(root_ / file) << text; }
  fs::path program(const std::string& name, const std::string& script) {
    write(name, "#!/bin/sh\n" + script + "\n");
    fs::permissions(root_ / name, fs::perms::owner_all);
    return root_ / name;
  }
  static void use_compiler(const std::string& words) { ::setenv("CXX", words.c_str(), 1); }
  std::size_t compilations() const {
    std::ifstream calls(root_ / "calls");
    return static_cast<std::size_t>(
        std::count(std::istreambuf_iterator<char>(calls), std::istreambuf_iterator<char>(), '\n'));
  }
  std::vector<std::string> cached() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_ / "home/.cache/deeptm")) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  Result<fs::path> ensure() {
    return ensure_adapter(installation_, framework_, [this](const std::string& line) { said_.push_back(line); });
  }

  fs::path root_;
  Installation installation_;
  Framework framework_;
  std::vector<std::string> said_;
};

TEST_F(AdapterTest, CompilesOnceAndSaysSo) {
  const auto first = ensure();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(*read_file(*first), fmt::format("#include \"{0}/common/c.cc\"\n#include \"{0}/tensorflow/a.cc\"\n",
                                            (root_ / "adapters").string()));
  const auto second = ensure();
  EXPECT_EQ(*second, *first);
  EXPECT_EQ(compilations(), 1u);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("building the adapter for TensorFlow 2.21.0")));
  EXPECT_THAT(cached(), ElementsAre(EndsWith(".so")));  // neither source nor log is left
}

TEST_F(AdapterTest, EachFrameworkHasItsOwn) {
  ASSERT_TRUE(ensure());
  framework_ = {FrameworkKind::kPyTorch, "python", "2.13.0", root_ / "torch"};
  const auto built = ensure();
  ASSERT_TRUE(built) << built.error().message;
  EXPECT_THAT(*read_file(*built), HasSubstr("torch/t.cc"));
  EXPECT_THAT(built->filename().string(), StartsWith("torch-2.13.0-"));
  EXPECT_THAT(cached(), SizeIs(2));
}

TEST_F(AdapterTest, CompilesAnewForAnythingThatChangesTheResult) {
  ASSERT_TRUE(ensure());
  write("adapters/tensorflow/a.h", "// changed");
  ASSERT_TRUE(ensure());
  write("adapters/common/c.cc", "// changed");
  ASSERT_TRUE(ensure());
  write("include/deeptm/runtime.h", "// changed");
  ASSERT_TRUE(ensure());
  framework_.version = "2.22.0";
  ASSERT_TRUE(ensure());
  installation_.library = root_ / "elsewhere/libdeeptm.so";
  ASSERT_TRUE(ensure());
  EXPECT_EQ(compilations(), 6u);
  EXPECT_THAT(cached(), SizeIs(6));
}

TEST_F(AdapterTest, WhatIsDamagedIsNotLoadedButCompiledAnew) {
  const auto built = ensure();
  ASSERT_TRUE(built) << built.error().message;
  std::ofstream(*built, std::ios::app) << "x";
  const auto again = ensure();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(compilations(), 2u);
  EXPECT_EQ(*again, *built);
  EXPECT_THAT(cached(), SizeIs(1));
}

TEST_F(AdapterTest, AFailedCompilationNamesItsLogAndTheTestedVersion) {
  use_compiler(program("broken", "[ \"$1\" = --version ] && exit 0; echo 'a.h: no such type' >&2; exit 1").string());
  framework_.version = "2.99.0";
  const auto refused = ensure();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("TensorFlow 2.99.0 (tested with 2.21.0)"));
  const auto names = cached();
  ASSERT_THAT(names, ElementsAre(EndsWith(".log")));
  EXPECT_THAT(refused.error().message, HasSubstr(names[0]));
  EXPECT_THAT(*read_file(root_ / "home/.cache/deeptm" / names[0]), HasSubstr("no such type"));
}

TEST_F(AdapterTest, NoCompilerIsSaid) {
  use_compiler("/no/such/compiler");
  EXPECT_THAT(ensure().error().message, HasSubstr("no C++ compiler '/no/such/compiler': install g++"));
}

TEST_F(AdapterTest, TheCacheIsTheUsersAlone) {
  const auto made = adapter_cache();
  ASSERT_TRUE(made) << made.error().message;
  struct stat info {};
  ASSERT_EQ(::stat(made->c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_EQ(::chmod(made->c_str(), 0770), 0);
  EXPECT_THAT(adapter_cache().error().message, HasSubstr("must be yours alone to write"));
  fs::remove_all(*made);
  fs::create_directory_symlink(root_ / "lib", *made);
  EXPECT_THAT(adapter_cache().error().message, HasSubstr("is no folder"));
}

TEST_F(AdapterTest, XdgCacheHomeComesFirst) {
  ::setenv("XDG_CACHE_HOME", (root_ / "xdg").c_str(), 1);
  EXPECT_EQ(*adapter_cache(), root_ / "xdg/deeptm");
  ::unsetenv("XDG_CACHE_HOME");
}

TEST_F(AdapterTest, FrameworksAreFoundBehindWhatStartUpCodePrints) {
  const auto python = program(
      "python",
      fmt::format("echo welcome; printf 'deeptm found\\ntensorflow\\n2.21.0\\n{0}/tf\\ntorch\\n2.13.0\\n{0}/torch\\n'",
                  root_.string()));
  const auto found = find_frameworks(python);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_THAT(*found, SizeIs(2));
  EXPECT_EQ(found->front().name(), "tensorflow 2.21.0");
  EXPECT_EQ(found->front().folder, root_ / "tf");
  EXPECT_EQ(found->front().python, python);
  EXPECT_EQ(found->back().title(), "PyTorch 2.13.0");
  EXPECT_EQ(found->back().folder, root_ / "torch");
}

TEST_F(AdapterTest, APythonWithoutFrameworksIsNoError) {
  for (const char* prints : {"echo welcome", "printf 'deeptm found\\n'"}) {
    const auto found = find_frameworks(program("python", prints));
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_THAT(*found, SizeIs(0));
  }
}

TEST_F(AdapterTest, AFrameworkThatIsNotWholeIsAnError) {
  const auto without_library =
      program("python", "printf 'deeptm found\\ntensorflow\\n2.21.0\\n%s\\n' '" + (root_ / "lib").string() + "'");
  EXPECT_THAT(find_frameworks(without_library).error().message, HasSubstr("libtensorflow_framework.so.2"));
  EXPECT_THAT(find_frameworks(program("broken", "exit 1")).error().message, HasSubstr("cannot be looked at"));
  EXPECT_FALSE(find_frameworks(root_ / "missing"));
}

TEST(Process, GivesOutputExitCodeAndErrors) {
  const std::string errors = testing::TempDir() + "/deeptm-process-errors";
  const auto done = run_process({"sh", "-c", "echo out; echo oops >&2; exit 3"}, errors);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->exit_code, 3);
  EXPECT_EQ(done->text, "out\n");
  EXPECT_EQ(*read_file(errors), "oops\n");
  fs::remove(errors);
  EXPECT_EQ(run_process({"sh", "-c", "kill -9 $$"})->exit_code, 137);
  EXPECT_THAT(run_process({"/no/such/program"}).error().message, HasSubstr("/no/such/program"));
}

}  // namespace
}  // namespace deeptm

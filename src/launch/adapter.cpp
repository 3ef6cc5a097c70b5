// SPDX-License-Identifier: Apache-2.0
#include "launch/adapter.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "launch/process.h"
#include "launch/user_folder.h"

namespace deeptm {
namespace fs = std::filesystem;
namespace {

// Its words: "ccache g++" is two.
std::vector<std::string> compiler() {
  const char* chosen = std::getenv("CXX");
  std::istringstream text(chosen != nullptr ? chosen : "");
  std::vector<std::string> words{std::istream_iterator<std::string>(text), {}};
  return words.empty() ? std::vector<std::string>{"c++"} : words;
}

// Standard, headers and libraries of a framework.
std::vector<std::string> flags_of(const Framework& framework) {
  const std::string folder = framework.folder.string();
  if (framework.kind == FrameworkKind::kPyTorch) {
    return {
        "-std=c++20",           "-isystem", folder + "/include", "-isystem", folder + "/include/torch/csrc/api/include",
        "-L" + folder + "/lib", "-lc10",    "-ltorch_cpu",       "-Xlinker", "-rpath=" + folder + "/lib"};
  }
  return {"-std=c++17",  "-DEIGEN_MAX_ALIGN_BYTES=64",      "-isystem", folder + "/include",
          "-L" + folder, "-l:libtensorflow_framework.so.2", "-Xlinker", "-rpath=" + folder};
}

// The ABI of the wheels from PyPI; the layout of their classes depends on NDEBUG, TensorFlow's on Eigen's alignment
// too.
std::vector<std::string> flags(const Installation& installation, const Framework& framework) {
  const std::string library = installation.library.parent_path().string();
  std::vector<std::string> all = {
      "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-w", "-DNDEBUG", "-D_GLIBCXX_USE_CXX11_ABI=1"};
  all.push_back("-I" + installation.include_folder.string());
  all.push_back("-I" + (installation.adapter_folder / "common").string());
  const auto own = flags_of(framework);
  all.insert(all.end(), own.begin(), own.end());
  all.insert(all.end(), {"-L" + library, "-ldeeptm", "-Xlinker", "-rpath=" + library});
  return all;
}

// What all adapters share, and the framework's own.
Result<std::vector<fs::path>> sources(const fs::path& adapters, const Framework& framework) {
  std::vector<fs::path> files;
  for (const fs::path& folder : {adapters / "common", adapters / framework.traits().name}) {
    const std::size_t before = files.size();
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(folder, code)) {
      const auto extension = entry.path().extension();
      if (extension == ".cc" || extension == ".h") files.push_back(entry.path());
    }
    if (files.size() == before) return fail(fmt::format("{}: the adapter's sources are not there", folder.string()));
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Everything that decides what comes out.
Result<std::string> fingerprint(const std::vector<fs::path>& files, const Installation& installation,
                                const std::vector<std::string>& arguments) {
  const auto version = compiler_version();
  if (!version) return version;
  std::string all = *version;
  for (const std::string& argument : arguments) all += '\n' + argument;
  std::vector<fs::path> read = files;
  read.push_back(installation.include_folder / "deeptm/runtime.h");
  for (const fs::path& file : read) {
    const auto text = read_file(file);
    if (!text) return text;
    all += '\n' + file.filename().string() + '\n' + *text;
  }
  return digest(all);
}

// What is kept says what it must be: a file that a full disk or a crash has cut is not loaded.
std::string kept_as(const std::string& name, std::string_view contents) {
  return fmt::format("{}-{}.so", name, digest(contents));
}

std::optional<fs::path> kept(const fs::path& folder, const std::string& name) {
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with(name + "-") || entry.path().extension() != ".so") continue;
    const auto contents = read_file(entry.path());
    if (contents && file == kept_as(name, *contents)) return entry.path();
    std::error_code ignored;
    fs::remove(entry.path(), ignored);
  }
  return std::nullopt;
}

Result<fs::path> compile(const std::vector<fs::path>& files, const std::vector<std::string>& arguments,
                         const Framework& framework, const fs::path& folder, const std::string& name) {
  const fs::path log = folder / (name + ".log");
  // One translation unit: a framework's headers, which take nearly all the time, are read once.
  std::string unit;
  for (const fs::path& file : files) {
    if (file.extension() == ".cc") unit += fmt::format("#include \"{}\"\n", file.string());
  }
  const std::string stem = fmt::format("{}.{}", (folder / name).string(), ::getpid());
  const fs::path source = stem + ".cc", built = stem + ".so";
  if (auto written = write_file(source, unit); !written) return tl::unexpected(written.error());
  std::vector<std::string> command = compiler();
  command.insert(command.end(), {source.string(), "-o", built.string()});
  command.insert(command.end(), arguments.begin(), arguments.end());
  const auto done = run_process(command, log);
  std::error_code ignored;
  fs::remove(source, ignored);
  if (!done) return fail(fmt::format("the adapter needs a C++ compiler: {}; install g++", done.error().message));
  if (done->exit_code != 0) {
    fs::remove(built, ignored);
    const std::string tested = framework.is_tested() ? "" : fmt::format(" (tested with {})", framework.traits().tested);
    return fail(fmt::format("the adapter does not compile against {}{}; the compiler's words are in {}",
                            framework.title(), tested, log.string()));
  }
  fs::remove(log, ignored);
  const auto contents = read_file(built);
  if (!contents) return tl::unexpected(contents.error());
  fs::path target = folder / kept_as(name, *contents);
  std::error_code code;
  fs::rename(built, target, code);
  if (code) return fail(fmt::format("{}: {}", target.string(), code.message()));
  return target;
}

}  // namespace

Result<std::string> compiler_version() {
  std::vector<std::string> question = compiler();
  question.emplace_back("--version");
  const auto answer = run_process(question);
  if (!answer || answer->exit_code != 0) {
    return fail(fmt::format("no C++ compiler '{}': install g++, or set CXX", question.front()));
  }
  return answer->text.substr(0, answer->text.find('\n'));
}

Result<fs::path> adapter_cache() {
  const auto own = user_cache_folder();
  if (!own) return fail("no place for the compiled adapter: set HOME or XDG_CACHE_HOME");
  const fs::path& folder = *own;
  std::error_code code;
  fs::create_directories(folder.parent_path(), code);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(
        fmt::format("{}: {}; set XDG_CACHE_HOME to a folder you can write", folder.string(), std::strerror(errno)));
  }
  struct stat info {};
  if (::lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return fail(fmt::format("{}: is no folder; remove it, or set XDG_CACHE_HOME", folder.string()));
  }
  if (info.st_uid != ::geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(fmt::format("{}: must be yours alone to write (chmod 700), since programs are loaded from it",
                            folder.string()));
  }
  return folder;
}

Result<fs::path> ensure_adapter(const Installation& installation, const Framework& framework,
                                const std::function<void(const std::string&)>& progress) {
  const auto files = sources(installation.adapter_folder, framework);
  if (!files) return tl::unexpected(files.error());
  const auto folder = adapter_cache();
  if (!folder) return folder;
  const std::vector<std::string> arguments = flags(installation, framework);
  const auto print = fingerprint(*files, installation, arguments);
  if (!print) return tl::unexpected(print.error());
  const std::string name =
      fmt::format("{}-{}-deeptm-{}-{}", framework.traits().name, framework.version, DEEPTM_VERSION, *print);
  if (auto found = kept(*folder, name)) return *found;
  progress(fmt::format("building the adapter for {} (once, up to half a minute)", framework.title()));
  return compile(*files, arguments, framework, *folder, name);
}

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#include "cli/stack.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "cli/command_line.h"
#include "launch/adapter.h"
#include "launch/framework.h"
#include "launch/process.h"

namespace deeptm::cli {
namespace fs = std::filesystem;
namespace {

bool is_program(const fs::path& file) { return ::access(file.c_str(), X_OK) == 0 && !fs::is_directory(file); }

// Where PATH finds a program; empty if nowhere.
fs::path in_path(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const fs::path file = fs::path(rest.substr(0, end)) / name;
    if (is_program(file)) return file;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

std::string no_tensorflow(const std::string& python) {
  return fmt::format(
      "{} has no TensorFlow: pip install tensorflow-cpu=={}, or `make build` in a checkout, which makes "
      "an environment of its own",
      python, kTestedTensorFlow);
}

// The first of the candidates that is there and has TensorFlow.
Result<Framework> first_with_tensorflow(const std::vector<fs::path>& candidates) {
  std::string last;
  for (const fs::path& python : candidates) {
    if (python.empty() || !is_program(python)) continue;
    auto found = find_tensorflow(python);
    if (!found) return tl::unexpected(found.error());
    if (*found) return **found;
    last = python.string();
  }
  return fail(last.empty() ? "no python3 in PATH: install python3, or run `make build` in a checkout"
                           : no_tensorflow(last));
}

Result<Stack> complete(const Installation& installation, const Framework& framework) {
  auto library = ensure_adapter(installation, framework, [](const std::string& line) { say(line); });
  if (!library) return tl::unexpected(library.error());
  return Stack{installation, framework.python, {*library, "tensorflow " + framework.version}};
}

bool is_python(const fs::path& program) { return program.filename().string().starts_with("python"); }

}  // namespace

Result<Stack> find_stack() {
  const auto installation = this_installation();
  if (!installation) return tl::unexpected(installation.error());
  const auto framework = first_with_tensorflow({installation->own_python, in_path("python3")});
  if (!framework) return tl::unexpected(framework.error());
  return complete(*installation, *framework);
}

Result<Stack> find_stack_for(std::vector<std::string>& arguments) {
  const auto installation = this_installation();
  if (!installation) return tl::unexpected(installation.error());
  const fs::path program = in_path(arguments[0]);
  // Another program (a script, a shell) starts its python by itself: most likely the one in PATH.
  const fs::path python = is_python(arguments[0]) ? program : in_path("python3");
  const bool bare = arguments[0] == "python" || arguments[0] == "python3";
  const auto framework =
      first_with_tensorflow({python, bare || !is_python(arguments[0]) ? installation->own_python : fs::path{}});
  if (!framework) return tl::unexpected(framework.error());
  if (bare && framework->python != python) {
    say(fmt::format("{} has no TensorFlow; using {}", arguments[0], framework->python.string()));
    arguments[0] = framework->python.string();
  }
  return complete(*installation, *framework);
}

Environment clean_environment() {
  Environment environment = Environment::current();
  for (const std::string& note : drop_hostile_settings(environment)) say(note);
  use_one_inter_op_thread(environment);
  return environment;
}

std::vector<Finding> probe_stack() {
  std::vector<Finding> findings;
  const auto compiler = compiler_version();
  findings.push_back(compiler ? Finding{"compiler", Health::kOk, *compiler, ""}
                              : Finding{"compiler", Health::kFailure, "none", compiler.error().message});
  const auto installation = this_installation();
  if (!installation) {
    findings.push_back({"installation", Health::kFailure, "not whole", installation.error().message});
    return findings;
  }
  const auto framework = first_with_tensorflow({installation->own_python, in_path("python3")});
  if (!framework) {
    findings.push_back({"tensorflow", Health::kFailure, "none", framework.error().message});
    return findings;
  }
  const bool tested = framework->version == kTestedTensorFlow;
  findings.push_back({"tensorflow", tested ? Health::kOk : Health::kWarning,
                      fmt::format("{} of {}", framework->version, framework->python.string()),
                      tested ? "" : fmt::format("tested with {}: the adapter may not compile", kTestedTensorFlow)});
  const auto cache = adapter_cache();
  findings.push_back(cache ? Finding{"adapter cache", Health::kOk, cache->string(), ""}
                           : Finding{"adapter cache", Health::kFailure, "not usable", cache.error().message});
  return findings;
}

}  // namespace deeptm::cli

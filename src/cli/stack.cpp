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

std::string no_framework(const std::string& python, std::optional<FrameworkKind> wanted) {
  const FrameworkTraits& traits = traits_of(wanted.value_or(FrameworkKind::kTensorFlow));
  return fmt::format(
      "{} has no {}: pip install {}, or `make build` in a checkout, which makes an environment of its own", python,
      wanted ? std::string(traits.title) : "TensorFlow or PyTorch", traits.package);
}

// Of the first of the candidates that is there and has some: all that it has, or the wanted one.
Result<std::vector<Framework>> first_with_frameworks(const std::vector<fs::path>& candidates,
                                                     std::optional<FrameworkKind> wanted = std::nullopt) {
  std::string last;
  for (const fs::path& python : candidates) {
    if (python.empty() || !is_program(python)) continue;
    auto found = find_frameworks(python);
    if (!found) return found;
    if (wanted) std::erase_if(*found, [&](const Framework& framework) { return framework.kind != *wanted; });
    if (!found->empty()) return found;
    last = python.string();
  }
  return fail(last.empty() ? "no python3 in PATH: install python3, or run `make build` in a checkout"
                           : no_framework(last, wanted));
}

Result<Stack> complete(const Installation& installation, const std::vector<Framework>& frameworks) {
  Stack stack{installation, frameworks.front().python, {}};
  for (const Framework& framework : frameworks) {
    auto library = ensure_adapter(installation, framework, [](const std::string& line) { say(line); });
    if (!library) return tl::unexpected(library.error());
    stack.adapters.push_back(
        {framework.kind, *library, framework.name(), installation.adapter_folder / "torch/autoload"});
  }
  return stack;
}

bool is_python(const fs::path& program) { return program.filename().string().starts_with("python"); }

}  // namespace

Result<Stack> find_stack(FrameworkKind kind) {
  const auto installation = this_installation();
  if (!installation) return tl::unexpected(installation.error());
  const auto frameworks = first_with_frameworks({installation->own_python, in_path("python3")}, kind);
  if (!frameworks) return tl::unexpected(frameworks.error());
  return complete(*installation, *frameworks);
}

Result<Stack> find_stack_for(std::vector<std::string>& arguments) {
  const auto installation = this_installation();
  if (!installation) return tl::unexpected(installation.error());
  const fs::path program = in_path(arguments[0]);
  // Another program (a script, a shell) starts its python by itself: most likely the one in PATH.
  const fs::path python = is_python(arguments[0]) ? program : in_path("python3");
  const bool bare = arguments[0] == "python" || arguments[0] == "python3";
  const auto frameworks =
      first_with_frameworks({python, bare || !is_python(arguments[0]) ? installation->own_python : fs::path{}});
  if (!frameworks) return tl::unexpected(frameworks.error());
  const fs::path& found = frameworks->front().python;
  if (bare && found != python) {
    say(fmt::format("{} has no TensorFlow or PyTorch; using {}", arguments[0], found.string()));
    arguments[0] = found.string();
  }
  return complete(*installation, *frameworks);
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
  const auto frameworks = first_with_frameworks({installation->own_python, in_path("python3")});
  if (!frameworks) {
    findings.push_back({"framework", Health::kFailure, "none", frameworks.error().message});
    return findings;
  }
  for (const Framework& found : *frameworks) {
    const bool tested = found.is_tested();
    findings.push_back(
        {std::string(found.traits().name), tested ? Health::kOk : Health::kWarning,
         fmt::format("{} of {}", found.version, found.python.string()),
         tested ? "" : fmt::format("tested with {}: the adapter may not compile", found.traits().tested)});
  }
  const auto cache = adapter_cache();
  findings.push_back(cache ? Finding{"adapter cache", Health::kOk, cache->string(), ""}
                           : Finding{"adapter cache", Health::kFailure, "not usable", cache.error().message});
  return findings;
}

}  // namespace deeptm::cli

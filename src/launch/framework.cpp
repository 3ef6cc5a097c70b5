// SPDX-License-Identifier: Apache-2.0
#include "launch/framework.h"

#include <fmt/format.h>

#include <array>
#include <sstream>

#include "launch/process.h"

namespace deeptm {
namespace {

constexpr std::array<FrameworkTraits, 2> kTraits{
    {{"tensorflow", "TensorFlow", "2.21.0", "tensorflow-cpu==2.21.0", "libtensorflow_framework.so.2"},
     {"torch", "PyTorch", "2.13.0", "torch==2.13.0", "lib/libtorch_cpu.so"}}};

// Module, version and folder of each package that is there, a line each, after whatever a site's own start-up code
// prints.
constexpr const char* kQuestion = R"py(
import importlib.metadata as metadata, importlib.util, os
print("deeptm found")
for module in ("tensorflow", "torch"):
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        continue
    version = None
    for name in (module + "-cpu", module, module + "-intel", module + "-cpu-aws"):
        try:
            version = version or metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    version = version or metadata.version(metadata.packages_distributions()[module][0])
    print(module, version.split("+")[0], os.path.dirname(spec.origin), sep="\n")
)py";

std::optional<FrameworkKind> kind_of(std::string_view module) {
  for (std::size_t kind = 0; kind < kTraits.size(); ++kind) {
    if (kTraits[kind].name == module) return static_cast<FrameworkKind>(kind);
  }
  return std::nullopt;
}

}  // namespace

const FrameworkTraits& traits_of(FrameworkKind kind) { return kTraits[static_cast<std::size_t>(kind)]; }

std::string Framework::name() const { return fmt::format("{} {}", traits().name, version); }
std::string Framework::title() const { return fmt::format("{} {}", traits().title, version); }

Result<std::vector<Framework>> find_frameworks(const std::filesystem::path& python) {
  const auto answer = run_process({python.string(), "-c", kQuestion});
  if (!answer) return tl::unexpected(answer.error());
  if (answer->exit_code != 0) {
    return fail(fmt::format("{}: its frameworks cannot be looked at: reinstall {} or {}", python.string(),
                            kTraits[0].package, kTraits[1].package));
  }
  constexpr std::string_view kFound = "deeptm found\n";
  const std::size_t at = answer->text.rfind(kFound);
  std::vector<Framework> frameworks;
  if (at == std::string::npos) return frameworks;
  std::istringstream lines(answer->text.substr(at + kFound.size()));
  for (std::string module, version, folder; std::getline(lines, module);) {
    std::getline(lines, version);
    std::getline(lines, folder);
    const auto kind = kind_of(module);
    if (!kind) continue;
    Framework found{*kind, python, version, folder};
    if (!std::filesystem::exists(found.folder / found.traits().library)) {
      return fail(fmt::format("{}: {} in {} has no {}: the tested one is {}", python.string(), found.title(), folder,
                              found.traits().library, found.traits().tested));
    }
    frameworks.push_back(std::move(found));
  }
  return frameworks;
}

}  // namespace deeptm

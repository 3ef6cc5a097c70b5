// SPDX-License-Identifier: Apache-2.0
#include "launch/framework.h"

#include <fmt/format.h>

#include <sstream>
#include <string_view>

#include "launch/process.h"

namespace deeptm {
namespace {

// The version and the folder of the package, after whatever a site's own start-up code prints; nothing without
// TensorFlow.
constexpr const char* kQuestion = R"py(
import importlib.metadata as metadata, importlib.util, os
spec = importlib.util.find_spec("tensorflow")
if spec is not None and spec.origin is not None:
    version = None
    for name in ("tensorflow-cpu", "tensorflow", "tensorflow-intel", "tensorflow-cpu-aws"):
        try:
            version = version or metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    version = version or metadata.version(metadata.packages_distributions()["tensorflow"][0])
    print("deeptm found", version, os.path.dirname(spec.origin), sep="\n")
)py";

}  // namespace

Result<std::optional<Framework>> find_tensorflow(const std::filesystem::path& python) {
  const auto answer = run_process({python.string(), "-c", kQuestion});
  if (!answer) return tl::unexpected(answer.error());
  if (answer->exit_code != 0) {
    return fail(fmt::format("{}: its TensorFlow cannot be looked at: reinstall tensorflow-cpu {}", python.string(),
                            kTestedTensorFlow));
  }
  constexpr std::string_view kFound = "deeptm found\n";
  const std::size_t at = answer->text.rfind(kFound);
  if (at == std::string::npos) return std::nullopt;
  std::istringstream lines(answer->text.substr(at + kFound.size()));
  Framework found{python, {}, {}};
  std::string folder;
  std::getline(lines, found.version);
  std::getline(lines, folder);
  found.folder = folder;
  if (!std::filesystem::exists(found.folder / "libtensorflow_framework.so.2")) {
    return fail(fmt::format("{}: TensorFlow {} in {} has no libtensorflow_framework.so.2: the tested one is {}",
                            python.string(), found.version, folder, kTestedTensorFlow));
  }
  return found;
}

}  // namespace deeptm

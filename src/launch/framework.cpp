// SPDX-License-Identifier: Apache-2.0
#include "launch/framework.h"

#include <fmt/format.h>

#include "launch/process.h"

namespace deeptm {
namespace {

// Two lines: the version, and the folder of the package; nothing without TensorFlow.
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
    print(version or metadata.version(metadata.packages_distributions()["tensorflow"][0]))
    print(os.path.dirname(spec.origin))
)py";

}  // namespace

Result<std::optional<Framework>> find_tensorflow(const std::filesystem::path& python) {
  const auto answer = run_process({python.string(), "-c", kQuestion});
  if (!answer) return tl::unexpected(answer.error());
  if (answer->exit_code != 0) {
    return fail(fmt::format("{}: its TensorFlow cannot be looked at: reinstall tensorflow-cpu {}", python.string(),
                            kTestedTensorFlow));
  }
  const std::size_t line_end = answer->text.find('\n');
  if (line_end == std::string::npos) return std::nullopt;
  Framework found{python, answer->text.substr(0, line_end), answer->text.substr(line_end + 1)};
  std::string folder = found.folder.string();
  if (!folder.empty() && folder.back() == '\n') folder.pop_back();
  found.folder = folder;
  if (!std::filesystem::exists(found.folder / "libtensorflow_framework.so.2")) {
    return fail(fmt::format("{}: TensorFlow {} in {} has no libtensorflow_framework.so.2: the tested one is {}",
                            python.string(), found.version, folder, kTestedTensorFlow));
  }
  return found;
}

}  // namespace deeptm

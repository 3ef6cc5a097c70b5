// SPDX-License-Identifier: Apache-2.0
#include "launch/installation.h"

#include <fmt/format.h>

#include <cstdlib>

namespace deeptm {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool is_checkout(const fs::path& folder) {
  return is_there(folder / "adapters/tensorflow") && is_there(folder / "python/deeptm");
}

// A prefix that is the Python package itself: PREFIX/lib/python3.11/site-packages/deeptm of the environment it is in.
bool is_python_package(const fs::path& prefix) {
  return is_there(prefix / "share/deeptm/adapters") && is_there(prefix / "__init__.py");
}

}  // namespace

Result<Installation> find_installation(const fs::path& program, const fs::path& home) {
  const fs::path prefix = program.parent_path().parent_path();
  Installation found;
  for (const char* folder : {"lib", DEEPTM_LIBRARY_FOLDER}) {
    found.library = prefix / folder / "libdeeptm.so";
    if (is_there(found.library)) break;
  }
  if (!is_there(found.library)) {
    return fail(fmt::format("{} is missing: build it with `make build`", (prefix / "lib/libdeeptm.so").string()));
  }
  const auto holds_all = [&](const fs::path& folder) {
    found.python_folder = folder / "python";
    found.adapter_folder = folder / "adapters";
    found.graph_folder = folder / "graphs";
    found.documentation = folder / "README.md";
  };
  const fs::path share = prefix / "share/deeptm";
  const bool in_package = is_python_package(prefix);
  if (in_package || is_checkout(share)) {
    found.include_folder = prefix / "include";
    holds_all(share);
    if (in_package) found.python_folder = prefix.parent_path();
    const fs::path environment = found.python_folder.parent_path().parent_path().parent_path();
    if (in_package && is_there(environment / "bin/python3")) found.own_python = environment / "bin/python3";
    return found;
  }
  fs::path checkout = home;
  if (checkout.empty()) {
    checkout = prefix;
    while (!is_checkout(checkout) && checkout.has_relative_path()) checkout = checkout.parent_path();
  }
  if (!is_checkout(checkout)) {
    return fail(
        fmt::format("{} is neither in a checkout nor installed; set DEEPTM_HOME to the checkout it was built from",
                    program.string()));
  }
  found.own_python = checkout / ".venv/bin/python";
  found.include_folder = checkout / "include";
  holds_all(checkout);
  return found;
}

Result<Installation> this_installation() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return fail("/proc/self/exe cannot be read: " + error.message());
  const char* home = std::getenv("DEEPTM_HOME");
  return find_installation(program, home == nullptr ? "" : home);
}

}  // namespace deeptm

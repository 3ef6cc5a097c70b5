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

}  // namespace

fs::path Installation::own_python() const { return checkout.empty() ? fs::path{} : checkout / ".venv/bin/python"; }

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
  const fs::path share = prefix / "share/deeptm";
  if (is_checkout(share)) {
    found.include_folder = prefix / "include";
    found.python_folder = share / "python";
    found.adapter_folder = share / "adapters";
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
  found.checkout = checkout;
  found.include_folder = checkout / "include";
  found.python_folder = checkout / "python";
  found.adapter_folder = checkout / "adapters";
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

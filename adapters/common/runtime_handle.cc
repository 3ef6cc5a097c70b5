// SPDX-License-Identifier: Apache-2.0
#include "runtime_handle.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "python.h"

namespace deeptm_adapter {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  flush_python_output();
  std::fflush(nullptr);
  say(DEEPTM_LOG_ERROR, why.c_str());
  _exit(2);
}

deeptm_runtime* make_runtime() {
  const char* config = std::getenv(config_variable());
  if (config == nullptr) {
    refuse(std::string(config_variable()) + " is not set: start the script by `deeptm run --fast SIZE -- python ...`");
  }
  if (deeptm_abi_version() != DEEPTM_ABI_VERSION) {
    refuse("the adapter was built for another version of libdeeptm: start by `deeptm run`, which builds it anew");
  }
  if (const char* why = unusable(); why != nullptr) refuse(why);
  char error[512] = "";
  deeptm_runtime* made = deeptm_create(config, say, error, sizeof error);
  if (made == nullptr && std::strncmp(error, "unmanaged:", 10) != 0) refuse(error);
  if (made == nullptr) say(DEEPTM_LOG_WARNING, error);
  return made;
}

}  // namespace

void say(int level, const char* message) {
  static const char* const kWords[] = {"", "warning: ", "error: "};
  std::fprintf(stderr, "deeptm: %s%s\n", kWords[level], message);
}

deeptm_runtime* runtime() {
  // Never destroyed: frameworks free tensors until the very end of the process.
  static deeptm_runtime* const made = [] {
    deeptm_runtime* rt = make_runtime();
    if (rt != nullptr) std::atexit([] { deeptm_flush(runtime()); });
    return rt;
  }();
  return made;
}

}  // namespace deeptm_adapter

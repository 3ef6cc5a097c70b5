// SPDX-License-Identifier: Apache-2.0
#include "launch/environment.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

namespace deeptm {
namespace {

// TF_XLA_FLAGS without the words that switch on automatic compilation, which would hide a step's kernels.
std::string without_auto_jit(const std::string& flags) {
  std::istringstream words(flags);
  std::string kept;
  for (std::string word; words >> word;) {
    const bool jit =
        word.find("tf_xla_auto_jit") != std::string::npos || word.find("tf_xla_cpu_global_jit") != std::string::npos;
    if (!jit) kept += (kept.empty() ? "" : " ") + word;
  }
  return kept;
}

}  // namespace

Environment Environment::current() {
  std::vector<std::string> lines;
  for (char** line = environ; line != nullptr && *line != nullptr; ++line) lines.emplace_back(*line);
  return Environment(std::move(lines));
}

std::vector<std::string>::iterator Environment::find(std::string_view name) {
  return std::find_if(lines_.begin(), lines_.end(), [&](const std::string& line) {
    return line.starts_with(name) && line.size() > name.size() && line[name.size()] == '=';
  });
}

const char* Environment::get(std::string_view name) const {
  const auto at = const_cast<Environment*>(this)->find(name);
  return at == lines_.end() ? nullptr : at->c_str() + name.size() + 1;
}

void Environment::set(std::string_view name, std::string_view value) {
  std::string line = fmt::format("{}={}", name, value);
  if (const auto at = find(name); at != lines_.end()) {
    *at = std::move(line);
  } else {
    lines_.push_back(std::move(line));
  }
}

void Environment::unset(std::string_view name) {
  if (const auto at = find(name); at != lines_.end()) lines_.erase(at);
}

std::vector<std::string> drop_hostile_settings(Environment& environment) {
  std::vector<std::string> notes;
  if (environment.get("TF_CPU_ALLOCATOR_USE_BFC") != nullptr) {
    environment.unset("TF_CPU_ALLOCATOR_USE_BFC");
    notes.emplace_back("TF_CPU_ALLOCATOR_USE_BFC is ignored: TensorFlow's own pool would hide every tensor");
  }
  if (const char* flags = environment.get("TF_XLA_FLAGS"); flags != nullptr) {
    const std::string before = flags, kept = without_auto_jit(before);
    if (kept != before) {
      environment.set("TF_XLA_FLAGS", kept);
      notes.emplace_back("automatic XLA compilation (TF_XLA_FLAGS) is off: it would hide the kernels of a step");
    }
  }
  if (const char* autoload = environment.get("TORCH_DEVICE_BACKEND_AUTOLOAD");
      autoload != nullptr && std::string_view(autoload) != "1") {
    notes.push_back(
        fmt::format("TORCH_DEVICE_BACKEND_AUTOLOAD={} is ignored: PyTorch would not load the adapter", autoload));
    environment.unset("TORCH_DEVICE_BACKEND_AUTOLOAD");
  }
  return notes;
}

bool chooses_inter_op_threads(const Environment& environment) {
  return environment.get("TF_NUM_INTEROP_THREADS") != nullptr;
}

void use_one_inter_op_thread(Environment& environment) {
  if (!chooses_inter_op_threads(environment)) environment.set("TF_NUM_INTEROP_THREADS", "1");
}

void load_adapter(Environment& environment, const Adapter& adapter, std::string_view config_json) {
  if (adapter.kind == FrameworkKind::kPyTorch) {
    const char* before = environment.get("PYTHONPATH");
    const std::string own = adapter.autoload.string();
    environment.set("PYTHONPATH", before == nullptr || *before == '\0' ? own : fmt::format("{}:{}", own, before));
    environment.set("DEEPTM_PYTORCH_ADAPTER", adapter.library.string());
    environment.set("DEEPTM_PYTORCH_CONFIG", config_json);
    return;
  }
  environment.set("TF_PLUGGABLE_DEVICE_LIBRARY_PATH", adapter.library.string());
  environment.set("DEEPTM_CONFIG", config_json);
}

}  // namespace deeptm

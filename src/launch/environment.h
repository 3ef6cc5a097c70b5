// SPDX-License-Identifier: Apache-2.0
// The environment of a training process: everything that DeepTM changes for it is in this file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "launch/adapter.h"

namespace deeptm {

// A child's environment as "NAME=value" lines.
class Environment {
 public:
  static Environment current();
  explicit Environment(std::vector<std::string> lines) : lines_(std::move(lines)) {}

  // nullptr if it is not set.
  const char* get(std::string_view name) const;
  void set(std::string_view name, std::string_view value);
  void unset(std::string_view name);
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string>::iterator find(std::string_view name);
  std::vector<std::string> lines_;
};

// Settings of the user's that would take tensors out of DeepTM's sight are dropped. Returns a line for each.
std::vector<std::string> drop_hostile_settings(Environment& environment);

// Whether the user has said how many operations run at a time.
bool chooses_inter_op_threads(const Environment& environment);

// One operation at a time, so that the order of kernels repeats; what the user has set stays.
void use_one_inter_op_thread(Environment& environment);

// Makes its framework load the adapter, and the adapter find its configuration.
void load_adapter(Environment& environment, const Adapter& adapter, std::string_view config_json);

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
// Runs of a built-in workload, stock and under DeepTM, each in a process of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <tl/expected.hpp>

#include "launch/installation.h"
#include "launch/managed_run.h"
#include "launch/workload.h"

namespace deeptm {

// Why a process of an experiment gave no result, and what this program should exit with.
struct Failure {
  std::string message;
  int exit_code = 1;
};
template <class T>
using Attempt = tl::expected<T, Failure>;

struct MeasuredRun {
  WorkloadResult result;
  RunFigures figures;  // of DeepTM; not managed for stock
};

class Experiment {
 public:
  using Say = std::function<void(const std::string&)>;

  // `results` is a folder for what is measured; made if missing. `say` gets a line before whatever takes long.
  Experiment(const Installation& installation, std::filesystem::path python, Adapter adapter, Workload workload,
             std::filesystem::path results, Say say);

  // Every run leaves its measurements in NAME.json of the folder of this workload.
  Attempt<MeasuredRun> run_stock(const std::string& name, const WorkloadMode& mode) const;
  Attempt<MeasuredRun> run_managed(const std::string& name, const WorkloadMode& mode,
                                   const MemorySettings& settings) const;

  // Most bytes of tensors alive at once, from a run of two steps with everything fast. Kept in the results folder:
  // the same question is answered from there.
  Attempt<std::uint64_t> live_peak(const WorkloadMode& mode) const;

  // `fast` in bytes, a share being one of live_peak; all of it (100 %) stays a share, because what holds everything is
  // live_peak and the gaps between tensors.
  Attempt<FastLimit> fixed_limit(const FastLimit& fast, const WorkloadMode& mode) const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  Attempt<MeasuredRun> run(const std::string& name, const Workload& workload, const WorkloadMode& mode,
                           const MemorySettings* settings) const;
  nlohmann::json peak_key(const WorkloadMode& mode) const;

  std::filesystem::path python_;
  Adapter adapter_;
  Workload workload_;
  std::filesystem::path results_, folder_;
  Environment environment_;
  Say say_;
};

// What identifies a workload, for hashes and records.
nlohmann::json to_json(const Workload& workload);

}  // namespace deeptm

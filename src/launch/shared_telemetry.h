// SPDX-License-Identifier: Apache-2.0
// The launcher's side of runtime/telemetry.h: memory that outlives the training process, however that ends.
#pragma once

#include <string>

#include "base/result.h"
#include "launch/memory_file.h"
#include "runtime/telemetry.h"

namespace deeptm {

class SharedTelemetry {
 public:
  static Result<SharedTelemetry> create();
  SharedTelemetry(SharedTelemetry&& other) noexcept;
  SharedTelemetry& operator=(SharedTelemetry&&) = delete;
  ~SharedTelemetry();

  // Where the training process opens it, as long as this process lives.
  std::string path() const { return file_.path(); }
  const Telemetry& operator*() const { return *block_; }
  const Telemetry* operator->() const { return block_; }

 private:
  SharedTelemetry(MemoryFile file, Telemetry* block) : file_(std::move(file)), block_(block) {}
  MemoryFile file_;
  Telemetry* block_;
};

}  // namespace deeptm

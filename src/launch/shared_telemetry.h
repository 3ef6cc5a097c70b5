// SPDX-License-Identifier: Apache-2.0
// The launcher's side of runtime/telemetry.h: memory that outlives the training process, however that ends.
#pragma once

#include <string>

#include "base/result.h"
#include "runtime/telemetry.h"

namespace deeptm {

class SharedTelemetry {
 public:
  static Result<SharedTelemetry> create();
  SharedTelemetry(SharedTelemetry&& other) noexcept;
  SharedTelemetry& operator=(SharedTelemetry&&) = delete;
  ~SharedTelemetry();

  // Where the training process opens it, as long as this process lives.
  std::string path() const;
  const Telemetry& operator*() const { return *block_; }
  const Telemetry* operator->() const { return block_; }

 private:
  SharedTelemetry(int descriptor, Telemetry* block) : descriptor_(descriptor), block_(block) {}
  int descriptor_;
  Telemetry* block_;
};

}  // namespace deeptm

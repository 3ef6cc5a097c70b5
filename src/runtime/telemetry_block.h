// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "runtime/telemetry.h"

namespace deeptm {

// The block of a run: shared with the process that made the file, or private when `file` is empty.
// Fails when the file is not such a block.
Result<std::shared_ptr<Telemetry>> map_telemetry(const std::string& file);

// Makes this process the one whose tensors the run limits. False when a living process already is.
bool claim(Telemetry& telemetry);

}  // namespace deeptm

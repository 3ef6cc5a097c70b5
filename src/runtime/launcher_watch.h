// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

namespace deeptm {

// Kills this process as soon as `launcher` is gone, so that a killed `deeptm` leaves no training behind, whatever shell
// or wrapper stands between the two. Does nothing where the launcher is already gone or can't be watched (Linux
// before 5.3, another process namespace).
void end_with_launcher(pid_t launcher);

}  // namespace deeptm

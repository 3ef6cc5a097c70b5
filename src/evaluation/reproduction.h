// SPDX-License-Identifier: Apache-2.0
// The DeepTM paper's evaluation by one call: the machine is fitted, then every table and figure is made on it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "evaluation/evaluation.h"
#include "evaluation/figure.h"

namespace deeptm {

// Leaves paper-cpu.json, paper-gpu.json (but for a quick one), and NAME.json, NAME.csv of each figure in the folder, as
// soon as it has them, and tables.md, all of them as Markdown, at the end; calls `tell` with each. The files of figures
// are the same whenever it is done again, times and memory of planning apart. Fails when a graph can't be read or a
// file written, and on Ctrl-C (interrupted()). `groups`: of figure_groups(); none: all, or those that are part of a
// quick evaluation. `output`: a folder.
Result<void> reproduce(Evaluation& evaluation, const std::vector<std::string>& groups,
                       const std::filesystem::path& output, const std::function<void(const Figure&)>& tell);

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#include "evaluation/reproduction.h"

#include <algorithm>

#include "base/files.h"
#include "evaluation/figures.h"
#include "machine/machine_json.h"

namespace deeptm {
namespace {

class Reproduction {
 public:
  Reproduction(Evaluation& evaluation, const std::vector<std::string>& groups, const std::filesystem::path& output,
               const std::function<void(const Figure&)>& tell)
      : evaluation_(evaluation), groups_(groups), output_(output), tell_(tell) {}

  Result<void> run() {
    Testbeds on;
    auto cpu = fit(CopyMode::kSync);
    if (!cpu) return tl::unexpected(cpu.error());
    on.cpu = std::move(*cpu);
    if (!evaluation_.options().quick) {
      auto gpu = fit(CopyMode::kAsync);
      if (!gpu) return tl::unexpected(gpu.error());
      on.gpu = std::move(*gpu);
    }
    for (const FigureGroup& group : figure_groups()) {
      if (!wanted(group)) continue;
      const auto figures = group.make(evaluation_, on);
      if (!figures) return tl::unexpected(figures.error());
      if (auto written = publish(*figures); !written) return written;
    }
    return write_file(output_ / "tables.md", tables_);
  }

 private:
  bool wanted(const FigureGroup& group) const {
    if (groups_.empty()) return group.quick || !evaluation_.options().quick;
    return std::find(groups_.begin(), groups_.end(), group.name) != groups_.end();
  }

  Result<FittedTestbed> fit(CopyMode mode) {
    auto found = fit_paper_machine(evaluation_, mode);
    if (!found) return found;
    const Machine& machine = *found->fitted.machine;
    const auto file = output_ / (machine.name + ".json");
    if (auto written = write_file(file, machine_to_json(machine)); !written) return tl::unexpected(written.error());
    if (auto written = publish(found->figures); !written) return tl::unexpected(written.error());
    return found;
  }

  Result<void> publish(const std::vector<Figure>& figures) {
    for (const Figure& figure : figures) {
      if (auto written = write_figure(output_, figure); !written) return written;
      tables_ += to_markdown(figure);
      tell_(figure);
    }
    return {};
  }

  Evaluation& evaluation_;
  const std::vector<std::string>& groups_;
  const std::filesystem::path& output_;
  const std::function<void(const Figure&)>& tell_;
  std::string tables_;
};

}  // namespace

Result<void> reproduce(Evaluation& evaluation, const std::vector<std::string>& groups,
                       const std::filesystem::path& output, const std::function<void(const Figure&)>& tell) {
  return Reproduction(evaluation, groups, output, tell).run();
}

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#include "cli/report_data.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/files.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "report/page.h"
#include "report/run_view.h"
#include "report/step_view.h"
#include "runtime/plan_folder.h"

namespace deeptm::cli {

using nlohmann::json;

json empty_report() { return {{"title", "Policies and memory"}, {"subtitle", ""}, {"kind", "simulated"}}; }

tl::expected<void, CheckFailure> add_step(json& data, const PlanFiles& files) {
  const auto checked = load_checked(files);
  if (!checked) return tl::unexpected(checked.error());
  const auto& [setting, plan] = *checked;
  data["step"] = step_view(setting.graph, setting.machine, setting.costs, plan);
  data["headline"] = planned_headline(data["step"]);
  data["title"] = std::filesystem::path(files.graph).filename().string();
  data["subtitle"] = fmt::format("{} on {}, {}", plan.policy, setting.machine.name, to_string(plan.mode));
  return {};
}

Result<void> add_run(json& data, const json& record) {
  auto view = run_view(record, data.value("step", json()));
  if (!view) return tl::unexpected(view.error());
  data["kind"] = data.contains("step") ? view->kind + "; the step's views are simulated" : view->kind;
  data["title"] = "A run under DeepTM";
  data["subtitle"] = view->subtitle;
  data["headline"] = std::move(view->headline);
  data["measured"] = std::move(view->measured);
  data["configuration"] = std::move(view->configuration);
  return {};
}

void RunReport::add_to(CLI::App& app) {
  app.add_option("--report", file_, "write what was measured and planned to this HTML file");
  app.add_option("--save-plan", folder_, "keep the training step's graph, plan and machine in this folder, for --plan");
}

Result<void> RunReport::prepare(MemorySettings& settings) {
  if (auto works = check_output(file_); !works) return fail("--report " + works.error().message);
  if (auto works = make_folder(folder_); !works) return fail("--save-plan " + works.error().message);
  if (!folder_.empty()) settings.plan_folder = std::filesystem::absolute(folder_);
  if (file_.empty() || !folder_.empty()) return {};
  auto made = TemporaryFolder::create("deeptm-plan-");
  if (!made) return tl::unexpected(made.error());
  temporary_ = std::move(*made);
  settings.plan_folder = temporary_->path();
  return {};
}

Result<void> RunReport::write(const json& record) const {
  if (file_.empty()) return {};
  const PlanFolder kept(folder_.empty() ? temporary_->path() : std::filesystem::path(folder_));
  json data = empty_report();
  if (kept.has_plan()) {
    auto added = add_step(data, {.graph = kept.graph(), .plan = kept.plan(), .machine = kept.machine()});
    if (!added) return fail(added.error().message);
  }
  if (auto added = add_run(data, record); !added) return added;
  if (auto written = write_file(file_, report_page(data)); !written) return written;
  say("report: " + file_);
  return {};
}

}  // namespace deeptm::cli

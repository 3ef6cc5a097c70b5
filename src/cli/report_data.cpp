// SPDX-License-Identifier: Apache-2.0
#include "cli/report_data.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/files.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "launch/user_folder.h"
#include "report/page.h"
#include "report/run_view.h"
#include "report/step_view.h"

namespace deeptm::cli {

using nlohmann::json;

json empty_report() { return {{"title", "Policies and memory"}, {"subtitle", ""}, {"kind", "simulated"}}; }

json figures_report(json figures) {
  json data = empty_report();
  data["title"] = "The DeepTM paper's evaluation";
  data["subtitle"] = "on machines fitted to what it measured of others; ours beside what it prints";
  data["figures"] = std::move(figures);
  return data;
}

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

std::filesystem::path last_report(std::string_view command) {
  const auto folder = user_state_folder();
  return folder ? *folder / fmt::format("last-{}.html", command) : std::filesystem::path();
}

Result<void> write_report(const json& data, const std::filesystem::path& file, bool automatic) {
  Result<void> written;
  if (automatic) written = make_folder(file.parent_path());
  if (written) written = write_file(file, report_page(data));
  if (!written && !automatic) return written;
  say(written ? "report: " + file.string() : "no report: " + written.error().message);
  return {};
}

void RunReport::add_to(CLI::App& app) {
  auto* file = app.add_option("--report", file_, "write what was measured and planned to this HTML file");
  app.add_flag("--no-report", off_, "write none; else one goes to a place of its own, which is printed")
      ->excludes(file);
  app.add_option("--save-plan", folder_, "keep the training step's graph, plan and machine in this folder, for --plan");
}

Result<void> RunReport::prepare(MemorySettings& settings) {
  if (auto works = check_output(file_); !works) return fail("--report " + works.error().message);
  if (auto works = make_folder(folder_); !works) return fail("--save-plan " + works.error().message);
  if (!folder_.empty()) kept_ = KeptPlan::in(std::filesystem::absolute(folder_));
  if (folder_.empty() && !off_) {
    for (std::string* path : {&kept_.graph, &kept_.machine, &kept_.plan}) {
      auto made = MemoryFile::create("plan");
      if (!made) return tl::unexpected(made.error());
      *path = made->path();
      unnamed_.push_back(std::move(*made));
    }
  }
  settings.kept_plan = kept_;
  return {};
}

Result<void> RunReport::write(const json& record, const std::filesystem::path& automatic) const {
  if (off_) return {};
  if (!file_.empty()) return write_page(record, file_);
  if (automatic.empty()) return {};
  if (auto written = write_page(record, automatic); !written) say("no report: " + written.error().message);
  return {};
}

Result<void> RunReport::write_page(const json& record, const std::filesystem::path& file) const {
  json data = empty_report();
  if (kept_.is_there()) {
    auto added = add_step(data, {.graph = kept_.graph, .plan = kept_.plan, .machine = kept_.machine});
    if (!added) return fail(added.error().message);
  }
  if (auto added = add_run(data, record); !added) return added;
  return write_report(data, file, file_.empty());
}

}  // namespace deeptm::cli

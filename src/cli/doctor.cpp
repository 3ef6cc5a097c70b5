// SPDX-License-Identifier: Apache-2.0
// deeptm doctor: what this machine has, what it lacks, and what each lack costs.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>

#include "cli/command_line.h"
#include "cli/output.h"
#include "cli/stack.h"
#include "launch/finding.h"
#include "launch/slow_place.h"

namespace deeptm::cli {
namespace {

struct Options {
  std::string slow;
  bool json = false;
};

std::string_view word(Health health) {
  switch (health) {
    case Health::kOk:
      return "ok";
    case Health::kWarning:
      return "warn";
    case Health::kFailure:
      return "FAIL";
  }
  return "";
}

void print_lines(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    fmt::print("{:<4}  {:<17} {}", word(finding.health), finding.name, finding.text);
    fmt::print("{}\n", finding.cost.empty() ? "" : ": " + finding.cost);
  }
}

nlohmann::json to_json(const std::vector<Finding>& findings, bool works) {
  auto list = nlohmann::json::array();
  for (const Finding& finding : findings) {
    list.push_back(
        {{"name", finding.name}, {"health", word(finding.health)}, {"text", finding.text}, {"cost", finding.cost}});
  }
  return {{"works", works}, {"findings", list}};
}

int run(const Options& options) {
  const auto place = parse_slow(options.slow, default_slow_directory());
  if (!place) return refuse("doctor: --slow: " + place.error().message);
  std::vector<Finding> findings = probe_kernel();
  const auto add = [&](std::vector<Finding> more) {
    std::move(more.begin(), more.end(), std::back_inserter(findings));
  };
  add(probe_memory());
  add(probe_nodes());
  if (place->kind == "file") add(probe_storage(place->directory));
  if (place->kind == "node") add(probe_node(place->node));
  add(probe_stack());
  const bool works = std::none_of(findings.begin(), findings.end(),
                                  [](const Finding& finding) { return finding.health == Health::kFailure; });
  if (options.json) {
    print_json(to_json(findings, works));
  } else {
    print_lines(findings);
    if (!works) fmt::print("training can't work here: see the lines with FAIL\n");
  }
  return works ? 0 : kFailed;
}

}  // namespace

Subcommand add_doctor(CLI::App& app) {
  auto* sub = app.add_subcommand("doctor", "say what this machine has and lacks, and what each lack costs");
  auto options = std::make_shared<Options>();
  sub->add_option("--slow", options->slow, "the slow tier to look at: file:DIR, memory or node:N");
  sub->add_flag("--json", options->json, "print JSON");
  example(sub, "deeptm doctor --slow file:/mnt/nvme");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli

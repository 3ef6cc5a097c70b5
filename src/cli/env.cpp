// SPDX-License-Identifier: Apache-2.0
// deeptm env: the environment in which a process that is started by others has its tensors in bounded fast memory.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command_line.h"
#include "cli/follow_options.h"
#include "cli/memory_options.h"
#include "cli/output.h"
#include "cli/stack.h"

namespace deeptm::cli {
namespace {

struct Options {
  MemoryOptions memory;
  FollowOptions follow;
  std::string python = "python3";
  bool json = false;
};

using Variables = std::map<std::string, std::string>;

Variables variables_of(const Environment& environment) {
  Variables found;
  for (const std::string& line : environment.lines()) {
    if (const auto at = line.find('='); at != std::string::npos) found[line.substr(0, at)] = line.substr(at + 1);
  }
  return found;
}

void print(const Variables& before, const Variables& after, bool as_json) {
  nlohmann::json set = nlohmann::json::object(), unset = nlohmann::json::array();
  for (const auto& [name, value] : after) {
    if (const auto old = before.find(name); old == before.end() || old->second != value) set[name] = value;
  }
  for (const auto& [name, value] : before) {
    if (!after.contains(name)) unset.push_back(name);
  }
  if (as_json) {
    print_json({{"set", set}, {"unset", unset}});
    return;
  }
  for (const auto& [name, value] : set.items())
    fmt::print("export {}={}\n", name, command_text({value.get<std::string>()}));
  for (const auto& name : unset) fmt::print("unset {}\n", name.get<std::string>());
}

int run(const Options& options) {
  if (options.memory.fast.empty()) return refuse("--fast is required");
  if (!options.follow.plan.empty())
    return refuse("env: --plan is for `deeptm run`, which keeps the plan as long as its command runs");
  const auto settings = settings_of(options.memory, options.follow, {}, 0);
  if (!settings) return refuse("env: " + settings.error().message);
  std::vector<std::string> command{options.python};
  const auto stack = find_stack_for(command);
  if (!stack) return refuse(stack.error().message, kFailed);
  Environment environment = clean_environment();
  for (const Adapter& adapter : stack->adapters) {
    load_adapter(environment, adapter, runtime_config(*settings, adapter, {}, {}));
  }
  print(variables_of(Environment::current()), variables_of(environment), options.json);
  return 0;
}

}  // namespace

Subcommand add_env(CLI::App& app) {
  auto* sub = app.add_subcommand("env", "the environment for processes that others start: notebooks, containers");
  auto options = std::make_shared<Options>();
  options->memory.add_to(*sub);
  sub->get_option("--fast")->required(false);
  options->follow.add_to(*sub);
  sub->add_option("--python", options->python, "whose framework it is for")->capture_default_str();
  sub->add_flag("--json", options->json, "instead of lines for a shell");
  example(sub, "deeptm env --fast 4GiB          (for a shell: eval \"$(deeptm env --fast 4GiB)\")");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli

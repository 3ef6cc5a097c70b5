// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json_fields.h"
#include "cli/command_line.h"
#include "launch/installation.h"

namespace deeptm::cli {
namespace {

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  const std::vector<std::string_view> candidates(known.begin(), known.end());
  const std::string_view nearest = nearest_name(word, candidates);
  return nearest.empty() ? "" : fmt::format(": did you mean '{}'?", nearest);
}

std::vector<std::string> names_of(const std::vector<Subcommand>& subcommands) {
  std::vector<std::string> names;
  for (const Subcommand& subcommand : subcommands) names.push_back(subcommand.app->get_name());
  return names;
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

// One line for what CLI11 refused, with the nearest known name for what it does not know.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const auto given = app.get_subcommands();
  const CLI::App& at = given.empty() ? app : *given.front();
  const std::string prefix = given.empty() ? "" : at.get_name() + ": ";
  for (const std::string& word : at.remaining()) {
    if (word.starts_with("-")) {
      const std::string flag = word.substr(0, word.find('='));
      return fmt::format("{}unknown option '{}'{}", prefix, flag, did_you_mean(flag, flags_of(at)));
    }
  }
  if (const auto words = at.remaining(); !words.empty()) {
    return fmt::format(
        "{}unexpected '{}'{}", prefix, words.front(),
        at.get_name() == "run" ? ": write the command behind --, as in deeptm run --fast 4GiB -- python train.py" : "");
  }
  return fmt::format("{}{} (see deeptm {}{}--help)", prefix, error.what(), given.empty() ? "" : at.get_name(),
                     given.empty() ? "" : " ");
}

// Nothing where a program was moved away from what it was built or installed with.
void add_documentation(CLI::App& app) {
  const auto installation = this_installation();
  if (!installation || !std::filesystem::exists(installation->documentation)) return;
  app.footer(app.get_footer() + "\nDocumentation: " + installation->documentation.string());
}

int parse_and_run(CLI::App& app, const std::vector<Subcommand>& subcommands, std::vector<std::string> arguments) {
  const auto names = names_of(subcommands);
  if (arguments.empty()) {
    add_documentation(app);
    fmt::print(stderr, "{}", app.help());
    return kBadInput;
  }
  const std::string& first = arguments.front();
  if (!first.starts_with("-") && std::find(names.begin(), names.end(), first) == names.end()) {
    return refuse(fmt::format("unknown command '{}'{} (commands: {})", first, did_you_mean(first, names),
                              fmt::join(names, ", ")));
  }
  try {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the end
    app.parse(arguments);
  } catch (const CLI::Success& success) {
    add_documentation(app);
    return app.exit(success);  // help or version
  } catch (const CLI::ParseError& error) {
    return refuse(explain(app, error));
  }
  for (const Subcommand& subcommand : subcommands) {
    if (subcommand.app->parsed()) return subcommand.run();
  }
  return kBadInput;
}

int main(std::vector<std::string> arguments) {
  // What stands behind "--" belongs to the user's command, whatever it looks like.
  std::vector<std::string> command;
  if (const auto dashes = std::find(arguments.begin(), arguments.end(), "--"); dashes != arguments.end()) {
    command.assign(dashes + 1, arguments.end());
    arguments.erase(dashes, arguments.end());
  }
  CLI::App app("Trains neural networks in less fast memory than they need, at almost full speed.", "deeptm");
  app.set_version_flag("--version", std::string("deeptm ") + DEEPTM_VERSION);
  app.require_subcommand(1);
  const std::vector<Subcommand> subcommands = {
      add_run(app, command), add_env(app),       add_train(app), add_record(app), add_show(app),
      add_synthesize(app),   add_aggregate(app), add_plan(app),  add_verify(app), add_simulate(app),
      add_compare(app),      add_capacity(app),  add_trace(app), add_report(app), add_reproduce(app),
      add_calibrate(app),    add_doctor(app),    add_clean(app)};
  app.footer(
      "Examples:\n"
      "  deeptm run --fast 4GiB -- python train.py          your own script in 4 GiB\n"
      "  eval \"$(deeptm env --fast 4GiB)\"                   the same for what this shell starts\n"
      "  deeptm train mobilenet --image 96 --fast 20% --check   a built-in model, proven bit-identical\n"
      "  deeptm record mobilenet --image 96 -o graphs       its step graph as a file\n"
      "  deeptm show graphs/mobilenet.graph.json.zst        what is in that file\n"
      "  deeptm aggregate graphs/mobilenet.graph.json.zst --picture map.svg   its tensors in the arena\n"
      "  deeptm plan graphs/mobilenet.graph.json.zst -o plan.json   where its tensors live, when they move\n"
      "  deeptm verify graphs/mobilenet.graph.json.zst plan.json    whether that is right\n"
      "  deeptm simulate graphs/mobilenet.graph.json.zst plan.json  how long a step takes\n"
      "  deeptm synthesize chain --tensors 5000 -o chain.graph.json   a step of any size that nobody recorded\n"
      "  deeptm compare graphs/*.zst --fast 10%,20%          policies on modelled machines\n"
      "  deeptm capacity graphs/*.zst --target 90%           the memory to buy for 90 % of the speed\n"
      "  deeptm report --graph graphs/mobilenet.graph.json.zst --plan plan.json   a plan as an HTML page\n"
      "  deeptm trace graphs/mobilenet.graph.json.zst plan.json      the same for Perfetto\n"
      "  deeptm reproduce --quick                            the DeepTM paper's evaluation, ours beside what was "
      "published\n"
      "  deeptm calibrate -o machine.json                   this machine, for --machine\n"
      "  deeptm doctor                                      what this machine has and lacks\n"
      "  deeptm clean                                       removes what it keeps among your files");
  const bool takes_command = !arguments.empty() && arguments.front() == "run";
  if (!command.empty() && !takes_command) return refuse("only `deeptm run` takes a command behind --");
  return parse_and_run(app, subcommands, std::move(arguments));
}

}  // namespace
}  // namespace deeptm::cli

int main(int count, char** values) {
  try {
    return deeptm::cli::main({values + 1, values + count});
  } catch (const std::exception& error) {
    return deeptm::cli::refuse(error.what(), deeptm::cli::kFailed);
  }
}

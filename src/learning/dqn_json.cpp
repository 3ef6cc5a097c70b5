// SPDX-License-Identifier: Apache-2.0
#include "learning/dqn_json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/files.h"
#include "base/json_fields.h"

namespace deeptm {
namespace {

using nlohmann::json;

constexpr std::string_view kMagic = "deeptm-agent";
constexpr std::uint32_t kFormat = 1;

std::string_view to_string(TdLoss loss) { return loss == TdLoss::kHuber ? "huber" : "squared"; }

// Calls visit(name, option) for every option in the order of the file, loss aside.
template <class Options, class Visit>
void each_option(Options& options, Visit visit) {
  visit("inputs", options.inputs);
  visit("actions", options.actions);
  visit("hidden", options.hidden);
  visit("episodes", options.episodes);
  visit("exploring_episodes", options.exploring_episodes);
  visit("replay", options.replay);
  visit("batch", options.batch);
  visit("learning_rate", options.learning_rate);
  visit("gamma", options.gamma);
  visit("learn_every", options.learn_every);
  visit("target_every", options.target_every);
  visit("seed", options.seed);
}

DqnOptions read_options(Fields& agent, const Place& root, std::optional<Error>& problem) {
  DqnOptions options;
  const json* object = agent.object("options", Need::kRequired);
  if (object == nullptr) return options;
  const Place at{&root, "options"};
  Fields fields(*object, at, problem);
  each_option(options, [&](std::string_view name, auto& option) { fields.get(name, option, Need::kRequired); });
  std::string loss;
  fields.get("loss", loss, Need::kRequired);
  options.loss = loss == "squared" ? TdLoss::kSquared : TdLoss::kHuber;
  if (!problem && loss != to_string(options.loss))
    fields.complain("loss", fmt::format("must be huber or squared, not {}", brief_json(loss)));
  fields.refuse_others();
  if (const auto checked = check(options); !checked && !problem)
    problem = Error{fmt::format("{}.{}", at.text(), checked.error().message)};
  return options;
}

// As many numbers as the sizes ask for: the array is counted before the network is made.
std::optional<QNetwork> read_network(const json& array, const QNetworkSizes& sizes, const Place& at,
                                     std::optional<Error>& problem) {
  if (array.size() != sizes.parameters()) {
    complain_at(at,
                fmt::format("has {} numbers; {} inputs, {} hidden units and {} actions need {}", array.size(),
                            sizes.inputs, sizes.hidden, sizes.actions, sizes.parameters()),
                problem);
    return std::nullopt;
  }
  QNetwork network(sizes, 0);
  for (std::size_t i = 0; i < array.size(); ++i) {
    const double value = array[i].is_number() ? array[i].get<double>() : std::numeric_limits<double>::infinity();
    if (!(std::abs(value) <= std::numeric_limits<float>::max())) {
      complain_at(Place{at.parent, at.name, i},
                  fmt::format("must be a number in the range of float, not {}", brief_json(array[i])), problem);
      return std::nullopt;
    }
    network.parameters()[i] = static_cast<float>(value);
  }
  return network;
}

}  // namespace

Result<std::string> agent_to_json(const Agent& agent) {
  std::string text = fmt::format("{{\"magic\":\"{}\",\"format\":{},\"trained_on\":{},\n\"options\":{{", kMagic, kFormat,
                                 quoted_json(agent.trained_on));
  each_option(agent.options,
              [&](std::string_view name, auto option) { text += fmt::format("\"{}\":{},", name, option); });
  text += fmt::format("\"loss\":\"{}\"}},\n\"parameters\":[", to_string(agent.options.loss));
  std::string_view separator = "\n";
  const auto parameters = agent.network.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!std::isfinite(parameters[i])) return fail(fmt::format("parameters[{}] is {}", i, parameters[i]));
    // As a double, which is how it will be read: rounded to float from there it is itself. (The shortest text of a
    // float would be rounded twice.) fmt has no point in -0, and JSON's integers no sign of 0.
    text.append(separator).append(json(static_cast<double>(parameters[i])).dump());
    separator = ",\n";
  }
  return text + "\n]}\n";
}

Result<Agent> agent_from_json(std::string_view text) {
  const auto document = parse_json(text);
  if (!document) return tl::unexpected<Error>(document.error());
  std::optional<Error> problem;
  const Place root;
  Fields fields(*document, root, problem);
  fields.head(kMagic, kFormat, "an agent");
  std::string trained_on;
  fields.get("trained_on", trained_on, Need::kRequired);
  const DqnOptions options = read_options(fields, root, problem);
  const json* parameters = fields.array("parameters", Need::kRequired);
  fields.refuse_others();
  std::optional<QNetwork> network;
  if (!problem) network = read_network(*parameters, options.sizes(), Place{&root, "parameters"}, problem);
  if (problem) return tl::unexpected<Error>(*problem);
  return Agent{options, std::move(trained_on), *std::move(network)};
}

Result<void> write_agent(const std::filesystem::path& path, const Agent& agent) {
  const auto text = agent_to_json(agent);
  if (!text) return fail(fmt::format("{}: {}", path.string(), text.error().message));
  return write_file(path, *text);
}

Result<Agent> read_agent(const std::filesystem::path& path) {
  const auto text = read_file(path);
  if (!text) return tl::unexpected<Error>(text.error());
  auto agent = agent_from_json(*text);
  if (!agent) return fail(fmt::format("{}: {}", path.string(), agent.error().message));
  return agent;
}

}  // namespace deeptm

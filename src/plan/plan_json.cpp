// SPDX-License-Identifier: Apache-2.0
#include "plan/plan_json.h"

#include <fmt/format.h>

#include "base/files.h"
#include "base/json_fields.h"

namespace deeptm {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view kMagic = "deeptm-plan";
constexpr std::uint32_t kFormat = 1;

TierIndex read_tier(Fields& fields, std::string_view field, const Machine& machine) {
  std::string name;
  fields.get(field, name, Need::kRequired);
  if (const auto tier = machine.tier(name)) return *tier;
  fields.complain(field, fmt::format("machine '{}' has no tier {}", machine.name, brief_json(name)));
  return 0;
}

TensorIndex read_tensor(Fields& fields, const StepGraph& graph) {
  TensorIndex tensor = 0;
  fields.get("tensor", tensor, Need::kRequired);
  if (tensor < graph.tensors.size()) return tensor;
  fields.complain("tensor", fmt::format("{} is past the last of {} tensors", tensor, graph.tensors.size()));
  return 0;
}

// Calls read(fields) for every element of the array, until something is wrong.
template <class Read>
void each(Fields& parent, const Place& root, std::string_view name, Need need, std::optional<Error>& problem,
          Read read) {
  const json* array = parent.array(name, need);
  for (std::size_t i = 0; array != nullptr && i < array->size() && !problem; ++i) {
    const Place at{&root, name, i};
    Fields fields((*array)[i], at, problem);
    read(fields);
    fields.refuse_others();
  }
}

Birth read_birth(Fields& fields, TensorIndex tensor, const StepGraph& graph, const Machine& machine) {
  Birth birth;
  fields.get("fast_bytes", birth.fast_bytes, Need::kOptional);
  birth.rest = read_tier(fields, "rest", machine);
  if (tensor < graph.tensors.size() && birth.fast_bytes > graph.tensors[tensor].bytes) {
    fields.complain("fast_bytes", fmt::format("{} is more than the {} bytes of tensor {}", birth.fast_bytes,
                                              graph.tensors[tensor].bytes, tensor));
  }
  return birth;
}

void read_recompute(Fields& fields, const StepGraph& graph, const Machine& machine, Plan& plan) {
  Recompute recompute;
  recompute.tensor = read_tensor(fields, graph);
  fields.get("gone", recompute.gone, Need::kRequired);
  fields.get("again", recompute.again, Need::kRequired);
  recompute.birth = read_birth(fields, recompute.tensor, graph, machine);
  plan.recomputes.push_back(recompute);
}

void read_move(Fields& fields, const StepGraph& graph, const Machine& machine, Plan& plan) {
  Move move;
  move.tensor = read_tensor(fields, graph);
  move.from = read_tier(fields, "from", machine);
  move.to = read_tier(fields, "to", machine);
  fields.get("begin", move.begin, Need::kOptional);
  move.end = graph.tensors.empty() ? 0 : graph.tensors[move.tensor].bytes;
  fields.get("end", move.end, Need::kOptional);
  fields.get("start", move.start, Need::kRequired);
  move.deadline = move.start;
  fields.get("deadline", move.deadline, Need::kOptional);
  fields.get("drop", move.drop, Need::kOptional);
  fields.get("joins", move.joins, Need::kOptional);
  fields.get("after_recomputes", move.after_recomputes, Need::kOptional);
  plan.moves.push_back(move);
}

void read_addresses(Fields& parent, const Place& root, std::optional<Error>& problem, Plan& plan) {
  const json* array = parent.array("addresses", Need::kOptional);
  for (std::size_t i = 0; array != nullptr && i < array->size() && !problem; ++i) {
    const json& address = (*array)[i];
    if (address.is_number_unsigned()) {
      plan.addresses.push_back(address.get<std::uint64_t>());
    } else {
      complain_at(Place{&root, "addresses", i}, fmt::format("must be a whole number, not {}", brief_json(address)),
                  problem);
    }
  }
}

}  // namespace

std::string plan_to_json(const Plan& plan, const StepGraph& graph, const Machine& machine) {
  const auto tier = [&](TierIndex t) -> const std::string& { return machine.tiers[t].name; };
  const auto where = [&](const Birth& birth) {
    return fmt::format("\"fast_bytes\":{},\"rest\":{}", birth.fast_bytes, quoted_json(tier(birth.rest)));
  };
  std::string text = fmt::format(
      "{{\"magic\":\"{}\",\"format\":{},\"graph\":{},\"machine\":{},\"policy\":{},\"options\":{},\"fast_bytes\":{},"
      "\"mode\":\"{}\",\n\"births\":[",
      kMagic, kFormat, quoted_json(plan.graph), quoted_json(plan.machine), quoted_json(plan.policy),
      quoted_json(plan.options), plan.fast_bytes, to_string(plan.mode));
  std::string_view separator = "\n";
  for (std::size_t t = 0; t < plan.births.size(); ++t) {
    const Birth& birth = plan.births[t];
    if (birth.fast_bytes == graph.tensors[t].bytes) continue;
    text += fmt::format("{}{{\"tensor\":{},{}}}", separator, t, where(birth));
    separator = ",\n";
  }
  text += "\n],\n\"moves\":[";
  separator = "\n";
  for (const Move& move : plan.moves) {
    text += fmt::format(
        "{}{{\"tensor\":{},\"from\":{},\"to\":{},\"begin\":{},\"end\":{},\"start\":{},\"deadline\":{}{}{}{}}}",
        separator, move.tensor, quoted_json(tier(move.from)), quoted_json(tier(move.to)), move.begin, move.end,
        move.start, move.deadline, move.drop ? ",\"drop\":true" : "", move.joins ? ",\"joins\":true" : "",
        move.after_recomputes ? ",\"after_recomputes\":true" : "");
    separator = ",\n";
  }
  text += "\n]";
  separator = ",\n\"recomputes\":[\n";
  for (const Recompute& recompute : plan.recomputes) {
    text += fmt::format("{}{{\"tensor\":{},\"gone\":{},\"again\":{},{}}}", separator, recompute.tensor, recompute.gone,
                        recompute.again, where(recompute.birth));
    separator = ",\n";
  }
  if (!plan.recomputes.empty()) text += "\n]";
  if (!plan.addresses.empty()) text += fmt::format(",\n\"addresses\":[{}]", fmt::join(plan.addresses, ","));
  return text + "}\n";
}

Result<Plan> plan_from_json(std::string_view text, const StepGraph& graph, const Machine& machine) {
  const auto document = parse_json(text);
  if (!document) return tl::unexpected<Error>(document.error());
  std::optional<Error> problem;
  const Place root;
  Fields fields(*document, root, problem);
  fields.head(kMagic, kFormat, "a plan");
  Plan plan;
  fields.get("graph", plan.graph, Need::kRequired);
  if (const std::string own = fingerprint(graph); !problem && plan.graph != own) {
    fields.complain("graph", fmt::format("the plan is for graph {}, this one is {}", brief_json(plan.graph), own));
  }
  fields.get("machine", plan.machine, Need::kRequired);
  if (!problem && plan.machine != machine.name) {
    fields.complain("machine", fmt::format("the plan is for {}, not '{}'", brief_json(plan.machine), machine.name));
  }
  fields.get("policy", plan.policy, Need::kOptional);
  fields.get("options", plan.options, Need::kOptional);
  fields.get("fast_bytes", plan.fast_bytes, Need::kRequired);
  std::string mode;
  fields.get("mode", mode, Need::kRequired);
  plan.mode = mode == "async" ? CopyMode::kAsync : CopyMode::kSync;
  if (!problem && mode != to_string(plan.mode)) {
    fields.complain("mode", fmt::format("must be sync or async, not {}", brief_json(mode)));
  }
  for (const Tensor& tensor : graph.tensors) plan.births.push_back({tensor.bytes, 1});
  each(fields, root, "births", Need::kRequired, problem, [&](Fields& item) {
    const TensorIndex tensor = read_tensor(item, graph);
    if (!problem) plan.births[tensor] = read_birth(item, tensor, graph, machine);
  });
  each(fields, root, "moves", Need::kRequired, problem, [&](Fields& item) { read_move(item, graph, machine, plan); });
  each(fields, root, "recomputes", Need::kOptional, problem,
       [&](Fields& item) { read_recompute(item, graph, machine, plan); });
  read_addresses(fields, root, problem, plan);
  fields.refuse_others();
  if (problem) return tl::unexpected<Error>(*problem);
  return plan;
}

Result<Plan> read_plan(const std::filesystem::path& path, const StepGraph& graph, const Machine& machine) {
  const auto text = read_file(path);
  if (!text) return tl::unexpected<Error>(text.error());
  auto plan = plan_from_json(*text, graph, machine);
  if (!plan) return fail(fmt::format("{}: {}", path.string(), plan.error().message));
  return plan;
}

}  // namespace deeptm

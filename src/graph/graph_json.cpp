// SPDX-License-Identifier: Apache-2.0
#include "graph/graph_json.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/json_fields.h"
#include "graph/validate.h"

namespace deeptm {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct KindName {
  GraphStepKind kind;
  std::string_view name;
};
constexpr std::array<KindName, 3> kKinds{{{GraphStepKind::kTraining, "training"},
                                          {GraphStepKind::kEvaluation, "evaluation"},
                                          {GraphStepKind::kOther, "other"}}};

// Strings of a framework may hold any bytes; those that are no UTF-8 are replaced.
std::string line(const ordered_json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

ordered_json types_to_json(const std::vector<TensorType>& types) {
  ordered_json array = ordered_json::array();
  for (const TensorType& type : types) {
    ordered_json& object = array.emplace_back(ordered_json{{"dtype", type.dtype}, {"shape", type.shape}});
    if (!type.shape_per_sample.empty()) object["shape_per_sample"] = type.shape_per_sample;
  }
  return array;
}

std::string kernel_line(const Kernel& kernel) {
  ordered_json object{{"name", kernel.name}, {"type", kernel.type}};
  if (!kernel.attributes.json().empty()) object["attributes"] = kernel.attributes.json();
  if (!kernel.inputs.empty()) object["inputs"] = types_to_json(kernel.inputs);
  if (!kernel.outputs.empty()) object["outputs"] = types_to_json(kernel.outputs);
  object["seconds"] = kernel.seconds;
  if (kernel.seconds_per_sample != 0.0) object["seconds_per_sample"] = kernel.seconds_per_sample;
  if (!kernel.wait_free) object["wait_free"] = false;
  if (kernel.placement_seconds) object["placement_seconds"] = *kernel.placement_seconds;
  return line(object);
}

std::string tensor_line(const Tensor& tensor) {
  ordered_json object{{"name", tensor.name},
                      {"bytes", tensor.bytes},
                      {"first_kernel", tensor.first_kernel},
                      {"last_kernel", tensor.last_kernel}};
  if (tensor.bytes_per_sample != 0) object["bytes_per_sample"] = tensor.bytes_per_sample;
  if (tensor.persistent) object["persistent"] = true;
  if (tensor.foreign) object["foreign"] = true;
  if (tensor.alive_at_start) object["alive_at_start"] = true;
  if (tensor.alive_at_end) object["alive_at_end"] = true;
  if (tensor.allocated_by) object["allocated_by"] = *tensor.allocated_by;
  if (tensor.becomes) object["becomes"] = *tensor.becomes;
  return line(object);
}

std::string access_line(const Access& access) {
  std::string text = fmt::format("{{\"kernel\":{},\"tensor\":{}", access.kernel, access.tensor);
  if (access.reads != 0) text += fmt::format(",\"reads\":{}", access.reads);
  if (access.writes != 0) text += fmt::format(",\"writes\":{}", access.writes);
  if (access.in_place) text += ",\"in_place\":true";
  return text + "}";
}

std::string origin_line(const GraphOrigin& origin) {
  ordered_json object{{"deeptm_version", origin.deeptm_version},
                      {"framework", origin.framework},
                      {"framework_version", origin.framework_version},
                      {"command_line", origin.command_line},
                      {"host", origin.host},
                      {"step_kind", step_kind_name(origin.step_kind)},
                      {"recorded_steps", origin.recorded_steps},
                      {"other_peak_bytes", origin.other_peak_bytes}};
  if (origin.batch != 0) object["batch"] = origin.batch;
  if (origin.fitted) object["fitted"] = true;
  if (const auto& placements = origin.placements) {
    object["placements"] = {{"machine", placements->machine},
                            {"kind", placements->emulated ? "emulated" : "measured"},
                            {"scale", placements->scale}};
  }
  return line(object);
}

template <class T>
void append_array(std::string& text, std::string_view name, const std::vector<T>& items,
                  std::string (*to_line)(const T&)) {
  text += fmt::format(",\n\"{}\":[", name);
  for (std::size_t i = 0; i < items.size(); ++i) {
    text += i == 0 ? "\n" : ",\n";
    text += to_line(items[i]);
  }
  text += "\n]";
}

// Reads each element of the array `name` by `read(Fields&, Place, T&)`.
template <class T, class Read>
void read_array(Fields& parent, const Place& place, std::string_view name, Need need, std::vector<T>& out,
                std::optional<Error>& problem, Read read) {
  const json* array = parent.array(name, need);
  if (array == nullptr) return;
  out.resize(array->size());
  for (std::size_t i = 0; i < out.size() && !problem; ++i) {
    const Place at{&place, name, i};
    Fields fields((*array)[i], at, problem);
    read(fields, at, out[i]);
    fields.refuse_others();
  }
}

void read_strings(const json* array, const Place& place, std::string_view name, std::vector<std::string>& out,
                  std::optional<Error>& problem) {
  for (std::size_t i = 0; array != nullptr && i < array->size() && !problem; ++i) {
    const json& value = (*array)[i];
    if (value.is_string())
      out.push_back(value.get_ref<const std::string&>());
    else
      complain_at(Place{&place, name, i}, fmt::format("must be a string, not {}", brief_json(value)), problem);
  }
}

void read_numbers(const json* array, const Place& place, std::string_view name, std::vector<std::int64_t>& out,
                  std::optional<Error>& problem) {
  for (std::size_t i = 0; array != nullptr && i < array->size() && !problem; ++i) {
    const json& value = (*array)[i];
    // Unsigned values past int64 would turn negative: refuse them here, negative ones are refused by validate().
    if (value.is_number_integer() && !(value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX))
      out.push_back(value.get<std::int64_t>());
    else
      complain_at(Place{&place, name, i}, fmt::format("must be a whole number, not {}", brief_json(value)), problem);
  }
}

void read_placements(const json& object, const Place& origin, PlacementOrigin& out, std::optional<Error>& problem) {
  const Place place{&origin, "placements", Place::kNoIndex};
  Fields fields(object, place, problem);
  fields.get("machine", out.machine, Need::kRequired);
  std::string kind;
  fields.get("kind", kind, Need::kRequired);
  out.emulated = kind == "emulated";
  if (!out.emulated && kind != "measured") {
    fields.complain("kind", fmt::format("must be measured or emulated, not {}", brief_json(kind)));
  }
  fields.get("scale", out.scale, Need::kOptional);
  fields.refuse_others();
}

// [[fast to fast, fast to slow], [slow to fast, slow to slow]].
void read_placement_seconds(const json& rows, const Place& kernel, PlacementSeconds& out,
                            std::optional<Error>& problem) {
  const auto is_pair = [](const json& value) { return value.is_array() && value.size() == 2; };
  const auto is_row = [&](const json& row) { return is_pair(row) && row[0].is_number() && row[1].is_number(); };
  if (!is_pair(rows) || !is_row(rows[0]) || !is_row(rows[1])) {
    const Place place{&kernel, "placement_seconds", Place::kNoIndex};
    complain_at(place, fmt::format("must be two rows of two numbers, not {}", brief_json(rows)), problem);
    return;
  }
  for (std::size_t in = 0; in < 2; ++in) {
    for (std::size_t outputs = 0; outputs < 2; ++outputs) out[in][outputs] = rows[in][outputs].get<double>();
  }
}

void read_origin(const json* object, const Place& root, GraphOrigin& out, std::optional<Error>& problem) {
  if (object == nullptr) return;
  const Place place{&root, "origin", Place::kNoIndex};
  Fields fields(*object, place, problem);
  fields.get("deeptm_version", out.deeptm_version, Need::kOptional);
  fields.get("framework", out.framework, Need::kOptional);
  fields.get("framework_version", out.framework_version, Need::kOptional);
  read_strings(fields.array("command_line", Need::kOptional), place, "command_line", out.command_line, problem);
  fields.get("host", out.host, Need::kOptional);
  std::string kind(step_kind_name(out.step_kind));
  fields.get("step_kind", kind, Need::kOptional);
  bool known = false;
  for (const KindName& entry : kKinds)
    if (entry.name == kind) out.step_kind = entry.kind, known = true;
  if (!known)
    fields.complain("step_kind", fmt::format("must be training, evaluation or other, not {}", brief_json(kind)));
  fields.get("recorded_steps", out.recorded_steps, Need::kOptional);
  fields.get("other_peak_bytes", out.other_peak_bytes, Need::kOptional);
  fields.get("batch", out.batch, Need::kOptional);
  fields.get("fitted", out.fitted, Need::kOptional);
  if (const json* placements = fields.object("placements", Need::kOptional)) {
    read_placements(*placements, place, out.placements.emplace(), problem);
  }
  fields.refuse_others();
}

void read_kernel(Fields& fields, const Place& place, Kernel& out, std::optional<Error>& problem) {
  fields.get("name", out.name, Need::kRequired);
  fields.get("type", out.type, Need::kRequired);
  if (const json* attributes = fields.object("attributes", Need::kOptional)) out.attributes = *attributes;
  const auto read_type = [&](Fields& type, const Place& at, TensorType& value) {
    type.get("dtype", value.dtype, Need::kRequired);
    read_numbers(type.array("shape", Need::kRequired), at, "shape", value.shape, problem);
    read_numbers(type.array("shape_per_sample", Need::kOptional), at, "shape_per_sample", value.shape_per_sample,
                 problem);
  };
  read_array(fields, place, "inputs", Need::kOptional, out.inputs, problem, read_type);
  read_array(fields, place, "outputs", Need::kOptional, out.outputs, problem, read_type);
  fields.get("seconds", out.seconds, Need::kRequired);
  fields.get("seconds_per_sample", out.seconds_per_sample, Need::kOptional);
  fields.get("wait_free", out.wait_free, Need::kOptional);
  if (const json* rows = fields.array("placement_seconds", Need::kOptional)) {
    read_placement_seconds(*rows, place, out.placement_seconds.emplace(), problem);
  }
}

void read_tensor(Fields& fields, Tensor& out) {
  fields.get("name", out.name, Need::kOptional);
  fields.get("bytes", out.bytes, Need::kRequired);
  fields.get("bytes_per_sample", out.bytes_per_sample, Need::kOptional);
  fields.get("first_kernel", out.first_kernel, Need::kRequired);
  fields.get("last_kernel", out.last_kernel, Need::kRequired);
  fields.get("persistent", out.persistent, Need::kOptional);
  fields.get("foreign", out.foreign, Need::kOptional);
  fields.get("alive_at_start", out.alive_at_start, Need::kOptional);
  fields.get("alive_at_end", out.alive_at_end, Need::kOptional);
  fields.get("allocated_by", out.allocated_by);
  fields.get("becomes", out.becomes);
}

void read_access(Fields& fields, Access& out) {
  fields.get("kernel", out.kernel, Need::kRequired);
  fields.get("tensor", out.tensor, Need::kRequired);
  fields.get("reads", out.reads, Need::kOptional);
  fields.get("writes", out.writes, Need::kOptional);
  fields.get("in_place", out.in_place, Need::kOptional);
}

}  // namespace

std::string_view step_kind_name(GraphStepKind kind) {
  for (const KindName& entry : kKinds)
    if (entry.kind == kind) return entry.name;
  return "other";
}

std::string graph_to_json(const StepGraph& graph) {
  std::string text = fmt::format("{{\"magic\":\"{}\",\"format\":{},\n\"origin\":{}", kGraphMagic, kGraphFormat,
                                 origin_line(graph.origin));
  append_array(text, "kernels", graph.kernels, kernel_line);
  append_array(text, "tensors", graph.tensors, tensor_line);
  append_array(text, "accesses", graph.accesses, access_line);
  return text + "}\n";
}

Result<StepGraph> graph_from_json(std::string_view text) {
  auto document = parse_json(text);
  if (!document) return tl::unexpected<Error>(document.error());
  std::optional<Error> problem;
  const Place root;
  StepGraph graph;
  Fields fields(*document, root, problem);
  fields.head(kGraphMagic, kGraphFormat, "a step graph");
  read_origin(fields.object("origin", Need::kOptional), root, graph.origin, problem);
  read_array(fields, root, "kernels", Need::kRequired, graph.kernels, problem,
             [&](Fields& item, const Place& at, Kernel& out) { read_kernel(item, at, out, problem); });
  read_array(fields, root, "tensors", Need::kRequired, graph.tensors, problem,
             [](Fields& item, const Place&, Tensor& out) { read_tensor(item, out); });
  read_array(fields, root, "accesses", Need::kRequired, graph.accesses, problem,
             [](Fields& item, const Place&, Access& out) { read_access(item, out); });
  fields.refuse_others();
  if (problem) return tl::unexpected<Error>(*problem);
  if (auto ok = validate(graph); !ok) return tl::unexpected<Error>(ok.error());
  return graph;
}

}  // namespace deeptm

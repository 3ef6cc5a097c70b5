// SPDX-License-Identifier: Apache-2.0
#include "machine/machine_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <optional>

#include "base/files.h"
#include "base/json_fields.h"
#include "machine/builtin_machines.h"

namespace deeptm {
namespace {

using nlohmann::json;

constexpr std::string_view kMagic = "deeptm-machine";
constexpr std::uint32_t kFormat = 1;

// Reads values that a machine is made of; every number is finite, and positive or at least not negative.
class Reader {
 public:
  explicit Reader(std::optional<Error>& problem) : problem_(problem) {}

  void number(Fields& fields, std::string_view name, double& out, Need need, bool may_be_zero) {
    fields.get(name, out, need);
    if (problem_) return;
    const bool given = need == Need::kRequired || out != 0.0;
    if (given && (!std::isfinite(out) || out < 0 || (out == 0 && !may_be_zero))) {
      fields.complain(name, fmt::format("must be {}, not {}", may_be_zero ? "at least 0" : "above 0", out));
    }
  }

  void curve(Fields& fields, const Place& place, std::string_view name, Curve& out) {
    const json* points = fields.array(name, Need::kRequired);
    if (points == nullptr) return;
    if (points->empty()) return complain_at(Place{&place, name, Place::kNoIndex}, "has no points", problem_);
    std::vector<Curve::Point> read;
    for (std::size_t i = 0; i < points->size() && !problem_; ++i) {
      const json& point = (*points)[i];
      const Place at{&place, name, i};
      if (!point.is_array() || point.size() != 2 || !point[0].is_number() || !point[1].is_number()) {
        return complain_at(at, fmt::format("must be two numbers, not {}", brief_json(point)), problem_);
      }
      read.emplace_back(point[0].get<double>(), point[1].get<double>());
      const auto [x, y] = read.back();
      if (!(x > 0) || !(y > 0)) return complain_at(at, "both numbers must be above 0", problem_);
      if (i > 0 && !(x > read[i - 1].first)) return complain_at(at, "the first numbers must ascend", problem_);
    }
    out = Curve(std::move(read));
  }

  bool failed() const { return problem_.has_value(); }
  std::optional<Error>& problem() { return problem_; }

 private:
  std::optional<Error>& problem_;
};

void read_compute(const json* object, const Place& root, ComputeProfile& out, Reader& reader) {
  if (object == nullptr) return;
  const Place place{&root, "compute", Place::kNoIndex};
  Fields fields(*object, place, reader.problem());
  fields.get("threads", out.threads, Need::kRequired);
  if (out.threads == 0) fields.complain("threads", "must be at least 1");
  reader.number(fields, "flops_per_second", out.flops_per_second, Need::kOptional, true);
  if (const json* types = fields.object("flops_per_second_by_type", Need::kOptional)) {
    for (const auto& [type, value] : types->items()) {
      const Place at{&place, "flops_per_second_by_type", Place::kNoIndex};
      if (!value.is_number() || !(value.get<double>() > 0)) {
        return complain_at(Place{&at, type, Place::kNoIndex}, "must be a number above 0", reader.problem());
      }
      out.by_type[type] = value.get<double>();
    }
  }
  fields.get("overlaps_memory", out.overlaps_memory, Need::kOptional);
  fields.refuse_others();
}

void read_tier(const json& object, const Place& place, MachineTier& out, Reader& reader) {
  Fields fields(object, place, reader.problem());
  fields.get("name", out.name, Need::kRequired);
  fields.get("capacity_bytes", out.capacity_bytes, Need::kRequired);
  fields.get("byte_addressable", out.byte_addressable, Need::kOptional);
  if (out.byte_addressable) {
    reader.curve(fields, place, "load", out.load);
    reader.curve(fields, place, "store", out.store);
    reader.number(fields, "load_latency_seconds", out.load_latency_seconds, Need::kOptional, true);
    reader.number(fields, "store_latency_seconds", out.store_latency_seconds, Need::kOptional, true);
  }
  reader.number(fields, "price_per_gb", out.price_per_gb, Need::kOptional, true);
  fields.refuse_others();
}

TierIndex tier_named(Fields& fields, std::string_view field, const Machine& machine) {
  std::string name;
  fields.get(field, name, Need::kRequired);
  if (const auto tier = machine.tier(name)) return *tier;
  fields.complain(field, fmt::format("no tier is named {}", brief_json(name)));
  return 0;
}

void read_copy(const json& object, const Place& place, const Machine& machine, CopyPath& out, Reader& reader) {
  Fields fields(object, place, reader.problem());
  out.from = tier_named(fields, "from", machine);
  out.to = tier_named(fields, "to", machine);
  if (!reader.failed() && out.from == out.to) fields.complain("to", "is the tier that the copy is from");
  fields.get("threads", out.threads, Need::kRequired);
  if (out.threads == 0) fields.complain("threads", "must be at least 1");
  reader.curve(fields, place, "by_threads", out.by_threads);
  reader.curve(fields, place, "by_size", out.by_size);
  reader.number(fields, "fixed_seconds", out.fixed_seconds, Need::kOptional, true);
  fields.refuse_others();
}

void read_parts(Fields& fields, const Place& root, Machine& machine, Reader& reader) {
  read_compute(fields.object("compute", Need::kRequired), root, machine.compute, reader);
  const json* tiers = fields.array("tiers", Need::kRequired);
  for (std::size_t i = 0; tiers != nullptr && i < tiers->size() && !reader.failed(); ++i) {
    read_tier((*tiers)[i], Place{&root, "tiers", i}, machine.tiers.emplace_back(), reader);
  }
  const json* copies = fields.array("copies", Need::kRequired);
  for (std::size_t i = 0; copies != nullptr && i < copies->size() && !reader.failed(); ++i) {
    CopyPath path;
    read_copy((*copies)[i], Place{&root, "copies", i}, machine, path, reader);
    if (machine.path(path.from, path.to) != nullptr) {
      complain_at(Place{&root, "copies", i}, "is there already between these tiers", reader.problem());
    }
    machine.copies.push_back(std::move(path));
  }
}

Result<void> check(const Machine& machine) {
  if (machine.tiers.size() < 2 || machine.tiers.size() > kMostTiers) {
    return fail(fmt::format("tiers: there are {}; a machine has 2 to {}", machine.tiers.size(), kMostTiers));
  }
  if (!machine.tiers[0].byte_addressable) return fail("tiers[0].byte_addressable: the fast tier must be");
  for (std::size_t i = 0; i < machine.tiers.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (machine.tiers[i].name == machine.tiers[j].name) return fail(fmt::format("tiers[{}].name: is there twice", i));
    }
    const auto tier = static_cast<TierIndex>(i);
    if (i > 0 && (machine.path(0, tier) == nullptr || machine.path(tier, 0) == nullptr)) {
      return fail(fmt::format("copies: there must be one from '{}' to '{}' and one back", machine.tiers[0].name,
                              machine.tiers[i].name));
    }
  }
  return {};
}

// 12000000000 and 1.9e-05, not 1.2e+10.
std::string number(double value) {
  const bool whole = value == std::floor(value) && std::abs(value) < 1e15;
  return whole ? fmt::format("{:.0f}", value) : fmt::format("{}", value);
}

std::string curve_to_json(const Curve& curve) {
  std::string text = "[";
  for (const auto& [x, y] : curve.points()) {
    text += fmt::format("{}[{}, {}]", text.size() > 1 ? ", " : "", number(x), number(y));
  }
  return text + "]";
}

std::string compute_to_json(const ComputeProfile& compute) {
  std::string types;
  for (const auto& [type, rate] : compute.by_type) {
    types += fmt::format("{}{}:{}", types.empty() ? "" : ",", quoted_json(type), number(rate));
  }
  return fmt::format("{{\"threads\":{},\"flops_per_second\":{}{},\"overlaps_memory\":{}}}", compute.threads,
                     number(compute.flops_per_second),
                     types.empty() ? "" : fmt::format(",\"flops_per_second_by_type\":{{{}}}", types),
                     compute.overlaps_memory);
}

std::string tier_to_json(const MachineTier& tier) {
  std::string text = fmt::format("{{\"name\":{},\"capacity_bytes\":{}", quoted_json(tier.name), tier.capacity_bytes);
  if (tier.byte_addressable) {
    text += fmt::format(",\"load\":{},\"store\":{},\"load_latency_seconds\":{},\"store_latency_seconds\":{}",
                        curve_to_json(tier.load), curve_to_json(tier.store), number(tier.load_latency_seconds),
                        number(tier.store_latency_seconds));
  } else {
    text += ",\"byte_addressable\":false";
  }
  return text + fmt::format(",\"price_per_gb\":{}}}", number(tier.price_per_gb));
}

}  // namespace

Result<Machine> machine_from_json(std::string_view text) {
  const auto document = parse_json(text);
  if (!document) return tl::unexpected<Error>(document.error());
  std::optional<Error> problem;
  const Place root;
  Fields fields(*document, root, problem);
  Reader reader(problem);
  fields.head(kMagic, kFormat, "a machine");
  Machine machine;
  fields.get("name", machine.name, Need::kRequired);
  fields.get("source", machine.source, Need::kRequired);
  read_parts(fields, root, machine, reader);
  fields.get("copies_overlap_kernels", machine.copies_overlap_kernels, Need::kOptional);
  reader.number(fields, "copy_cores", machine.copy_cores, Need::kOptional, true);
  fields.refuse_others();
  if (problem) return tl::unexpected<Error>(*problem);
  if (auto sound = check(machine); !sound) return tl::unexpected<Error>(sound.error());
  return machine;
}

std::string machine_to_json(const Machine& machine) {
  std::string text = fmt::format(
      "{{\"magic\":\"{}\",\"format\":{},\n\"name\":{},\n\"source\":{},\n\"compute\":{},\n\"copies_overlap_kernels\":{},"
      "\n"
      "\"copy_cores\":{},\n\"tiers\":[",
      kMagic, kFormat, quoted_json(machine.name), quoted_json(machine.source), compute_to_json(machine.compute),
      machine.copies_overlap_kernels, number(machine.copy_cores));
  std::string_view separator = "\n";
  for (const MachineTier& tier : machine.tiers) {
    text += fmt::format("{}{}", separator, tier_to_json(tier));
    separator = ",\n";
  }
  text += "\n],\n\"copies\":[";
  separator = "\n";
  for (const CopyPath& path : machine.copies) {
    text += fmt::format(
        "{}{{\"from\":{},\"to\":{},\"threads\":{},\"by_threads\":{},\"by_size\":{},\"fixed_seconds\":{}}}", separator,
        quoted_json(machine.tiers[path.from].name), quoted_json(machine.tiers[path.to].name), path.threads,
        curve_to_json(path.by_threads), curve_to_json(path.by_size), number(path.fixed_seconds));
    separator = ",\n";
  }
  return text + "\n]}\n";
}

std::vector<std::string_view> builtin_machine_names() {
  std::vector<std::string_view> names;
  names.reserve(std::size(kBuiltinMachines));
  for (const BuiltinMachine& machine : kBuiltinMachines) names.push_back(machine.name);
  return names;
}

Result<Machine> find_machine(const std::string& name_or_file) {
  for (const BuiltinMachine& builtin : kBuiltinMachines) {
    if (builtin.name == name_or_file) return machine_from_json(builtin.json);
  }
  const auto text = read_file(name_or_file);
  if (!text) {
    return fail(fmt::format("no machine '{}': name a file, or one of {}", name_or_file,
                            fmt::join(builtin_machine_names(), ", ")));
  }
  auto machine = machine_from_json(*text);
  if (!machine) return fail(fmt::format("{}: {}", name_or_file, machine.error().message));
  return machine;
}

}  // namespace deeptm

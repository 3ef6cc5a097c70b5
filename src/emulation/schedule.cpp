// SPDX-License-Identifier: Apache-2.0
#include "emulation/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json_fields.h"

namespace deeptm {
namespace {

constexpr std::string_view kMagic = "deeptm-emulation";
constexpr std::uint32_t kFormat = 1;

void read_seconds(Fields& fields, std::string_view name, double& out) {
  fields.get(name, out, Need::kRequired);
  if (!std::isfinite(out) || out < 0) fields.complain(name, fmt::format("{} is not a duration", out));
}

void read_kernel(Fields& fields, ScheduledKernel& kernel) {
  fields.get("name", kernel.name, Need::kRequired);
  read_seconds(fields, "delay_seconds", kernel.delay_seconds);
}

void read_move(Fields& fields, std::size_t kernels, std::uint32_t before, ScheduledMove& move) {
  fields.get("bytes", move.bytes, Need::kRequired);
  read_seconds(fields, "seconds", move.seconds);
  fields.get("queue", move.queue, Need::kRequired);
  fields.get("start", move.start, Need::kRequired);
  fields.get("deadline", move.deadline, Need::kRequired);
  if (move.queue >= kMostQueues) fields.complain("queue", fmt::format("{} is not below {}", move.queue, kMostQueues));
  if (move.start > kernels) {
    fields.complain("start", fmt::format("{} is past the end of {} kernels", move.start, kernels));
  } else if (move.start < before) {
    fields.complain("start", fmt::format("{} is before that of the move above, {}", move.start, before));
  } else if (move.deadline < move.start) {
    fields.complain("deadline", fmt::format("{} is before its start {}", move.deadline, move.start));
  } else if (move.deadline > 2 * kernels) {
    fields.complain("deadline", fmt::format("{} is past the next step of {} kernels", move.deadline, kernels));
  }
}

// Calls read(fields, element) for each element of the array `name`, until something is wrong.
template <class T, class Read>
void read_all(Fields& parent, std::string_view name, std::vector<T>& out, std::optional<Error>& problem, Read read) {
  const Place root;
  const nlohmann::json* array = parent.array(name, Need::kRequired);
  for (std::size_t i = 0; array != nullptr && i < array->size() && !problem; ++i) {
    const Place at{&root, name, i};
    Fields fields((*array)[i], at, problem);
    read(fields, out.emplace_back());
    fields.refuse_others();
  }
}

}  // namespace

std::uint32_t EmulationSchedule::queues() const {
  std::uint32_t count = 0;
  for (const ScheduledMove& move : moves) count = std::max(count, move.queue + 1);
  return count;
}

std::string schedule_to_json(const EmulationSchedule& schedule) {
  std::string text =
      fmt::format("{{\"magic\":\"{}\",\"format\":{},\"machine\":{},\"policy\":{},\"scale\":{},\n\"kernels\":[", kMagic,
                  kFormat, quoted_json(schedule.machine), quoted_json(schedule.policy), schedule.scale);
  std::string_view separator = "\n";
  for (const ScheduledKernel& kernel : schedule.kernels) {
    text += fmt::format("{}{{\"name\":{},\"delay_seconds\":{}}}", separator, quoted_json(kernel.name),
                        kernel.delay_seconds);
    separator = ",\n";
  }
  text += "\n],\n\"moves\":[";
  separator = "\n";
  for (const ScheduledMove& move : schedule.moves) {
    text += fmt::format("{}{{\"bytes\":{},\"seconds\":{},\"queue\":{},\"start\":{},\"deadline\":{}}}", separator,
                        move.bytes, move.seconds, move.queue, move.start, move.deadline);
    separator = ",\n";
  }
  return text + "\n]}\n";
}

Result<EmulationSchedule> schedule_from_json(std::string_view text) {
  const auto document = parse_json(text);
  if (!document) return tl::unexpected<Error>(document.error());
  std::optional<Error> problem;
  const Place root;
  Fields fields(*document, root, problem);
  fields.head(kMagic, kFormat, "an emulation's schedule");
  EmulationSchedule schedule;
  fields.get("machine", schedule.machine, Need::kRequired);
  fields.get("policy", schedule.policy, Need::kRequired);
  fields.get("scale", schedule.scale, Need::kRequired);
  if (!std::isfinite(schedule.scale) || schedule.scale <= 0) fields.complain("scale", "must be above 0");
  read_all(fields, "kernels", schedule.kernels, problem, read_kernel);
  if (schedule.kernels.empty()) fields.complain("kernels", "is empty; a step has at least one kernel");
  std::uint32_t before = 0;
  read_all(fields, "moves", schedule.moves, problem, [&](Fields& item, ScheduledMove& move) {
    read_move(item, schedule.kernels.size(), before, move);
    before = move.start;
  });
  fields.refuse_others();
  if (problem) return tl::unexpected<Error>(*problem);
  return schedule;
}

}  // namespace deeptm

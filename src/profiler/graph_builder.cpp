// SPDX-License-Identifier: Apache-2.0
#include "profiler/graph_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <span>

#include "base/json_fields.h"
#include "deeptm/runtime.h"
#include "profiler/passes.h"
#include "profiler/step_timing.h"
#include "profiler/untouched_buffers.h"

namespace deeptm {
namespace {

std::span<const LoggedAccess> inputs_of(const StepLog& log, const KernelRun& run) {
  return std::span(log.accesses).subspan(run.first_input, run.input_count);
}
std::span<const LoggedAccess> outputs_of(const StepLog& log, const KernelRun& run) {
  return std::span(log.accesses).subspan(run.first_output, run.output_count);
}

// Buffers by lifetime; foreign memory, of which no lifetime is known, by address.
struct BufferKey {
  std::uint64_t id;
  const void* foreign_base;
  auto operator<=>(const BufferKey&) const = default;
};
BufferKey key_of(const LoggedAccess& access) { return {access.buffer, access.buffer == 0 ? access.base : nullptr}; }

// One tensor on the way into the graph.
struct Candidate {
  Tensor tensor;
  std::uint64_t buffer = 0;
  EventNumber born = 0, freed = kNever;
  FirstUse first_use{UINT32_MAX, UINT32_MAX};
  bool variable = false;
};

class Builder {
 public:
  Builder(const StepLog& log, const RecordingContext& context)
      : log_(log), context_(context), numbers_(canonical_numbers(log)) {
    for (const KernelRun& run : log_.runs) last_ended_ = std::max(last_ended_, run.ended);
    boundary_ = std::max(last_ended_, log_.boundary == kNever ? last_ended_ : log_.boundary);
  }

  GraphDraft build() {
    for (std::uint32_t r = 0; r < log_.runs.size(); ++r) add_kernel(r);
    find_own_buffers();
    for (std::uint32_t r = 0; r < log_.runs.size(); ++r) add_accesses(r);
    for (Candidate& candidate : candidates_) set_flags(candidate);
    draft_.graph.origin.other_peak_bytes = others_peak();
    put_in_order();
    return std::move(draft_);
  }

 private:
  const KernelInfo& info(std::uint32_t run) const {
    static const KernelInfo unknown{"unregistered", "Unknown", "{}"};
    const auto it = context_.kernels.find(log_.runs[run].kernel);
    return it == context_.kernels.end() ? unknown : it->second;
  }

  // The kernel that was running, or had run last, at an event.
  std::uint32_t position(EventNumber event) const {
    const auto after = std::upper_bound(log_.runs.begin(), log_.runs.end(), event,
                                        [](EventNumber e, const KernelRun& run) { return e < run.begun; });
    return after == log_.runs.begin() ? 0 : static_cast<std::uint32_t>(after - log_.runs.begin() - 1);
  }

  TensorType type_of(const LoggedAccess& access) const {
    const auto first = log_.extents.begin() + access.first_extent;
    return {context_.dtypes[access.dtype], {first, first + access.rank}};
  }

  void add_kernel(std::uint32_t r) {
    const KernelInfo& known = info(r);
    Kernel kernel;
    kernel.name = known.name.empty() ? "unnamed" : known.name;
    kernel.type = known.type.empty() ? "Unknown" : known.type;
    auto attributes = parse_json(known.attributes_json);
    if (!attributes || !attributes->is_object()) attributes = nlohmann::json{{"text", known.attributes_json}};
    kernel.attributes = std::move(*attributes);
    for (const LoggedAccess& input : inputs_of(log_, log_.runs[r])) kernel.inputs.push_back(type_of(input));
    for (const LoggedAccess& output : outputs_of(log_, log_.runs[r]))
      if ((output.flags & DEEPTM_OUTPUT) != 0) kernel.outputs.push_back(type_of(output));
    draft_.graph.kernels.push_back(std::move(kernel));
  }

  // Buffers that the step's kernels name, allocate, or that are variables.
  void find_own_buffers() {
    std::set<std::uint64_t> named;
    for (const LoggedAccess& access : log_.accesses) named.insert(access.buffer);
    const EventNumber begun = log_.runs.front().begun;
    for (const BufferLife& life : context_.lives) {
      if (life.born > last_ended_ || life.freed < begun || life.bytes == 0) continue;
      const auto allocator = allocating_run(life);
      if (!life.variable && !allocator && !named.contains(life.id)) {
        others_.push_back(&life);
        continue;
      }
      Candidate candidate;
      candidate.buffer = life.id;
      candidate.born = life.born, candidate.freed = life.freed;
      candidate.variable = life.variable;
      candidate.tensor.bytes = life.bytes;
      candidate.tensor.allocated_by = allocator;
      candidate.tensor.alive_at_start = life.born < begun;
      candidate.tensor.alive_at_end = life.freed > boundary_;
      candidate.tensor.first_kernel = allocator ? *allocator : position(life.born);
      candidate.tensor.last_kernel = candidate.tensor.alive_at_end ? last_run() : position(life.freed);
      candidate.tensor.last_kernel = std::max(candidate.tensor.last_kernel, candidate.tensor.first_kernel);
      if (allocator) allocated_by_[*allocator].push_back(candidates_.size());
      index_.emplace(BufferKey{life.id, nullptr}, candidates_.size());
      candidates_.push_back(std::move(candidate));
    }
  }

  std::optional<KernelIndex> allocating_run(const BufferLife& life) const {
    if (life.allocated_by == 0) return std::nullopt;
    const std::uint32_t run = position(life.allocated_by);
    if (log_.runs[run].begun != life.allocated_by) return std::nullopt;
    return run;
  }

  std::uint32_t last_run() const { return static_cast<std::uint32_t>(log_.runs.size() - 1); }

  // The candidate of a named buffer; none for an empty one.
  std::optional<std::size_t> find(const LoggedAccess& access, std::uint32_t run) {
    if (access.bytes == 0) return std::nullopt;
    const auto it = index_.find(key_of(access));
    if (it != index_.end()) return it->second;
    if (access.buffer != 0) return std::nullopt;  // born and freed around the step by an unordered thread
    Candidate foreign;
    foreign.tensor.bytes = access.bytes;
    foreign.tensor.foreign = true;
    foreign.tensor.first_kernel = foreign.tensor.last_kernel = run;
    candidates_.push_back(std::move(foreign));
    index_.emplace(key_of(access), candidates_.size() - 1);
    return candidates_.size() - 1;
  }

  // What one kernel does to each of its buffers, by candidate.
  using Touches = std::map<std::size_t, Access>;

  void add_accesses(std::uint32_t r) {
    const KernelRun& run = log_.runs[r];
    Touches touches;
    std::set<std::size_t> plain, overwritten, replacing;
    std::uint32_t slot = 0;
    for (const LoggedAccess& input : inputs_of(log_, run)) {
      const std::uint32_t passes = passes_over_input(draft_.graph.kernels[r], slot);
      const auto c = use(input, r, slot++, "input");
      if (!c) continue;
      if ((input.flags & DEEPTM_READ) != 0) touches[*c].reads += passes;
      if ((input.flags & DEEPTM_WRITE) != 0) ++touches[*c].writes;
      const bool variable_written = (input.flags & DEEPTM_VARIABLE) != 0 && (input.flags & DEEPTM_WRITE) != 0;
      (variable_written ? overwritten : plain).insert(*c);
    }
    std::uint32_t output_slot = 0;
    for (const LoggedAccess& output : outputs_of(log_, run)) {
      const bool is_output = (output.flags & DEEPTM_OUTPUT) != 0;
      const auto c = use(output, r, slot++, "");
      if (c && is_output) name(*c, fmt::format("{}:{}", info(r).name, output_slot));
      if (is_output) ++output_slot;
      if (!c) continue;
      if (is_output)
        touch_output(*c, run, plain, touches, hands_buffers_on(info(r).type));
      else
        replacing.insert(*c);
    }
    swap_variables(overwritten, replacing, plain, run, touches);
    touch_scratch(r, touches);
    for (auto& [candidate, access] : touches) {
      if (access.reads == 0 && access.writes == 0) continue;
      access.kernel = r;
      access.tensor = static_cast<TensorIndex>(candidate);
      draft_.graph.accesses.push_back(access);
    }
  }

  std::optional<std::size_t> use(const LoggedAccess& access, std::uint32_t r, std::uint32_t slot,
                                 std::string_view role) {
    const auto c = find(access, r);
    if (!c) return c;
    Candidate& candidate = candidates_[*c];
    candidate.first_use = std::min(candidate.first_use, FirstUse{numbers_[r], slot});
    candidate.tensor.first_kernel = std::min(candidate.tensor.first_kernel, r);
    candidate.tensor.last_kernel = std::max(candidate.tensor.last_kernel, r);
    if (!role.empty()) name(*c, fmt::format("{}:{}{}", info(r).name, role, slot));
    return c;
  }

  void name(std::size_t candidate, std::string text) {
    if (candidates_[candidate].tensor.name.empty()) candidates_[candidate].tensor.name = std::move(text);
  }

  void touch_output(std::size_t c, const KernelRun& run, const std::set<std::size_t>& plain, Touches& touches,
                    bool hands_on) {
    if (plain.contains(c)) {
      if (hands_on) {
        touches.erase(c);
      } else {
        ++touches[c].writes;
        touches[c].in_place = true;
      }
    } else if (candidates_[c].tensor.foreign || candidates_[c].born > run.begun) {
      ++touches[c].writes;  // else it was there before: a constant, or a batch made elsewhere, handed out
    }
  }

  // A variable that changed its buffer. Either an input was swapped in, and no bytes were touched; or the kernel
  // copied the old buffer to a new one, to update that while others still read the old.
  void swap_variables(const std::set<std::size_t>& before, const std::set<std::size_t>& after,
                      const std::set<std::size_t>& plain, const KernelRun& run, Touches& touches) {
    if (after.empty()) return;
    bool swapped = false;
    for (const std::size_t c : after) {
      if (before.contains(c)) continue;
      if (plain.contains(c)) {
        touches.erase(c);
        swapped = true;
      } else if (candidates_[c].born > run.begun) {
        touches[c].reads = std::max(touches[c].reads, 1u);
        touches[c].writes = std::max(touches[c].writes, 2u);  // the copy; the update
      }
    }
    for (const std::size_t old : before) {
      if (after.contains(old) || plain.contains(old)) continue;
      if (swapped)
        touches.erase(old);
      else
        touches[old].writes = 0;
    }
  }

  void touch_scratch(std::uint32_t r, Touches& touches) {
    const auto allocated = allocated_by_.find(r);
    if (allocated == allocated_by_.end()) return;
    std::uint32_t number = 0;
    for (const std::size_t c : allocated->second) {
      if (!candidates_[c].tensor.name.empty()) continue;  // an output
      const bool scratch = candidates_[c].freed < log_.runs[r].ended;
      name(c, fmt::format("{}:{}{}", info(r).name, scratch ? "scratch" : "state", number++));
      if (touches.contains(c)) continue;
      touches[c].writes = 1;
      touches[c].reads = scratch ? 1 : 0;
    }
  }

  // Flags of lifetimes that uses have widened.
  void set_flags(Candidate& candidate) {
    Tensor& tensor = candidate.tensor;
    if (tensor.name.empty()) tensor.name = "unused";
    if (tensor.allocated_by) tensor.first_kernel = *tensor.allocated_by;
    if (tensor.alive_at_start) tensor.first_kernel = 0;
    tensor.persistent = candidate.variable && (tensor.alive_at_start || tensor.alive_at_end);
  }

  std::uint64_t others_peak() const {
    const EventNumber begun = log_.runs.front().begun;
    std::vector<std::pair<EventNumber, std::int64_t>> changes;
    for (const BufferLife* life : others_) {
      changes.emplace_back(std::max(life->born, begun), static_cast<std::int64_t>(life->bytes));
      if (life->freed <= last_ended_) changes.emplace_back(life->freed, -static_cast<std::int64_t>(life->bytes));
    }
    std::sort(changes.begin(), changes.end());
    std::int64_t live = 0, peak = 0;
    for (const auto& [event, bytes] : changes) peak = std::max(peak, live += bytes);
    return static_cast<std::uint64_t>(peak);
  }

  // Tensors by first kernel, within a kernel by first use: the same whatever the addresses were.
  void put_in_order() {
    std::vector<std::uint32_t> order(candidates_.size()), place(candidates_.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      const auto rank = [&](const Candidate& c) {
        return std::tuple(c.tensor.first_kernel, c.first_use, c.born, c.buffer);
      };
      const auto left = rank(candidates_[a]), right = rank(candidates_[b]);
      return left != right ? left < right : a < b;
    });
    for (std::uint32_t i = 0; i < order.size(); ++i) {
      const Candidate& candidate = candidates_[order[i]];
      place[order[i]] = i;
      draft_.graph.tensors.push_back(candidate.tensor);
      if (candidate.tensor.alive_at_start) draft_.alive_at_start.emplace(candidate.first_use, i);
      if (candidate.tensor.alive_at_end) draft_.alive_at_end.emplace(candidate.buffer, i);
    }
    auto& accesses = draft_.graph.accesses;
    for (Access& access : accesses) access.tensor = place[access.tensor];
    std::sort(accesses.begin(), accesses.end(), [](const Access& a, const Access& b) {
      return std::pair(a.kernel, a.tensor) < std::pair(b.kernel, b.tensor);
    });
  }

  const StepLog& log_;
  const RecordingContext& context_;
  std::vector<std::uint32_t> numbers_;
  EventNumber last_ended_ = 0, boundary_ = 0;
  std::vector<Candidate> candidates_;
  std::map<BufferKey, std::size_t> index_;
  std::unordered_map<std::uint32_t, std::vector<std::size_t>> allocated_by_;
  std::vector<const BufferLife*> others_;
  GraphDraft draft_;
};

}  // namespace

GraphDraft draft_graph(const StepLog& log, const RecordingContext& context) { return Builder(log, context).build(); }

void link_to_next_step(GraphDraft& draft, const StepLog& next, const RecordingContext& context) {
  const std::vector<std::uint32_t> numbers = canonical_numbers(next);
  std::unordered_map<std::uint64_t, FirstUse> first_uses;
  for (std::uint32_t r = 0; r < next.runs.size(); ++r) {
    std::uint32_t slot = 0;
    for (const auto accesses : {inputs_of(next, next.runs[r]), outputs_of(next, next.runs[r])}) {
      for (const LoggedAccess& access : accesses) {
        const FirstUse use{numbers[r], slot++};
        if (access.bytes == 0 || access.buffer == 0) continue;
        const auto [it, is_new] = first_uses.emplace(access.buffer, use);
        if (!is_new) it->second = std::min(it->second, use);
      }
    }
  }
  std::set<TensorIndex> taken;
  for (const BufferLife& life : context.lives) {
    const auto from = draft.alive_at_end.find(life.id);
    if (from == draft.alive_at_end.end()) continue;
    Tensor& tensor = draft.graph.tensors[from->second];
    if (life.variable) tensor.persistent = true;
    const auto use = first_uses.find(life.id);
    if (use == first_uses.end()) continue;
    const auto to = draft.alive_at_start.find(use->second);
    if (to == draft.alive_at_start.end() || to->second == from->second) continue;
    if (draft.graph.tensors[to->second].bytes == tensor.bytes && taken.insert(to->second).second)
      tensor.becomes = to->second;
  }
}

}  // namespace deeptm

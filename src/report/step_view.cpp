// SPDX-License-Identifier: Apache-2.0
#include "report/step_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "aggregator/layout.h"
#include "base/bytes.h"
#include "simulator/simulator.h"

namespace deeptm {
namespace {

using nlohmann::json;

constexpr std::size_t kMostWaits = 25;

// Microseconds are all that can be seen, and take half of the digits.
double rounded(double seconds) { return std::round(seconds * 1e7) / 1e7; }

// Numbers for texts, of which many are alike.
class Texts {
 public:
  std::uint32_t number(const std::string& text) {
    const auto [at, is_new] = numbers_.try_emplace(text, static_cast<std::uint32_t>(texts_.size()));
    if (is_new) texts_.push_back(text);
    return at->second;
  }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<std::string> texts_;
};

struct Wait {
  double seconds = 0.0;
  KernelIndex kernel = 0;
  bool stalls = false;  // before the kernel; else it works on slow bytes
};

struct Remedy {
  std::optional<TensorIndex> tensor;
  std::string text;
};

class StepView {
 public:
  StepView(const StepGraph& graph, const Machine& machine, const StepCosts& costs, const Plan& plan)
      : graph_(graph),
        machine_(machine),
        costs_(costs),
        plan_(plan),
        timeline_(simulate(graph, machine, costs, plan)) {}

  json view() {
    json view = {{"policy", plan_.policy},
                 {"mode", to_string(plan_.mode)},
                 {"machine", machine_.name},
                 {"limit", plan_.fast_bytes},
                 {"seconds", timeline_.step_seconds},
                 {"all_fast_seconds", costs_.all_fast_seconds()},
                 {"stall_seconds", timeline_.stall_seconds},
                 {"bytes_in", timeline_.bytes_in},
                 {"bytes_out", timeline_.bytes_out}};
    view["kernels"] = kernels();
    view["tensors"] = tensors();
    view["moves"] = moves();
    add_occupancy(view);
    view["waits"] = waits();
    view["names"] = names_.texts();
    view["types"] = types_.texts();
    return view;
  }

 private:
  json kernels() {
    std::vector<std::uint32_t> name, type;
    std::vector<double> start, end;
    for (KernelIndex k = 0; k < graph_.kernels.size(); ++k) {
      name.push_back(names_.number(graph_.kernels[k].name));
      type.push_back(types_.number(graph_.kernels[k].type));
      start.push_back(rounded(timeline_.kernels[k].start));
      end.push_back(rounded(timeline_.kernels[k].end));
    }
    return {{"name", name}, {"type", type}, {"start", start}, {"end", end}};
  }

  json tensors() {
    const std::vector<std::uint64_t> addresses = plan_.addresses.empty() ? lay_out(graph_).addresses : plan_.addresses;
    const std::vector<bool> micro = micro_tensors(graph_);
    std::vector<std::uint32_t> uses(graph_.tensors.size());
    for (const Access& access : graph_.accesses) uses[access.tensor] += access.reads + access.writes;
    std::vector<std::uint32_t> name;
    std::vector<std::uint64_t> bytes, fast;
    std::vector<KernelIndex> first, last;
    std::vector<int> kind;
    json address = json::array();
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      const Tensor& tensor = graph_.tensors[t];
      name.push_back(names_.number(tensor.name));
      bytes.push_back(tensor.bytes);
      first.push_back(tensor.first_kernel);
      last.push_back(tensor.last_kernel);
      fast.push_back(tensor.foreign ? 0 : plan_.births[t].fast_bytes);
      kind.push_back(micro[t] ? 2 : tensor.persistent ? 1 : 0);
      address.push_back(tensor.foreign ? json() : json(addresses[t]));
    }
    return {{"name", name}, {"bytes", bytes}, {"fast", fast}, {"first", first},
            {"last", last}, {"uses", uses},   {"kind", kind}, {"address", std::move(address)}};
  }

  json moves() const {
    std::vector<TensorIndex> tensor;
    std::vector<int> to_fast;
    std::vector<std::uint32_t> start, due;
    std::vector<std::uint64_t> bytes;
    std::vector<double> begin, finish;
    for (std::size_t m = 0; m < plan_.moves.size(); ++m) {
      const Move& move = plan_.moves[m];
      if (move.from != 0 && move.to != 0) continue;
      tensor.push_back(move.tensor);
      to_fast.push_back(move.to == 0 ? 1 : 0);
      start.push_back(move.start);
      due.push_back(move.deadline);
      bytes.push_back(move.bytes());
      begin.push_back(rounded(timeline_.moves[m].start));
      finish.push_back(rounded(timeline_.moves[m].end));
    }
    return {{"tensor", tensor}, {"to_fast", to_fast}, {"start", start},  {"due", due},
            {"bytes", bytes},   {"begin", begin},     {"finish", finish}};
  }

  void add_occupancy(json& view) const {
    const std::size_t tiers = machine_.tiers.size();
    std::vector<std::uint64_t> fast, slow;
    for (KernelIndex k = 0; k < graph_.kernels.size(); ++k) {
      fast.push_back(timeline_.occupancy[k * tiers]);
      std::uint64_t behind = 0;
      for (std::size_t t = 1; t < tiers; ++t) behind += timeline_.occupancy[k * tiers + t];
      slow.push_back(behind);
    }
    view["fast"] = fast;
    view["slow"] = slow;
  }

  // Of the moves that are due before kernel k, the one that ends last.
  std::optional<std::size_t> last_move_before(KernelIndex k) const {
    std::optional<std::size_t> last;
    for (std::size_t m = 0; m < plan_.moves.size(); ++m) {
      const Move& move = plan_.moves[m];
      if (move.drop || move.deadline % (graph_.kernels.size() + 1) != k) continue;
      if (!last || timeline_.moves[m].end > timeline_.moves[*last].end) last = m;
    }
    return last;
  }

  Remedy of_stall(KernelIndex k, double seconds) const {
    Remedy remedy{{}, "shorter copies: faster slow memory"};
    const auto m = last_move_before(k);
    if (!m) return remedy;
    const Move& move = plan_.moves[*m];
    remedy.tensor = move.tensor;
    const double rate =
        static_cast<double>(move.bytes()) / std::max(1e-9, timeline_.moves[*m].end - timeline_.moves[*m].start);
    const auto missing = static_cast<std::uint64_t>(std::min(seconds * rate, static_cast<double>(move.bytes())));
    remedy.text = move.to == 0 ? fmt::format("{} of it kept in fast memory, or the copy begun {:.1f} ms earlier",
                                             format_bytes(missing), seconds * 1e3)
                               : fmt::format("{} more fast memory, so that it can leave later", format_bytes(missing));
    return remedy;
  }

  Remedy of_slow_operands(KernelIndex k) const {
    Remedy remedy;
    double most = 0.0;
    std::uint64_t bytes = 0;
    for (const AccessCost& access : costs_.of(costs_.kernels[k])) {
      const double extra = *std::max_element(access.extra_seconds.begin(), access.extra_seconds.end());
      if (extra <= most) continue;
      most = extra;
      remedy.tensor = access.tensor;
      bytes = graph_.tensors[access.tensor].bytes;
    }
    remedy.text =
        fmt::format("works on bytes in the slow tier: up to {} more fast memory during it", format_bytes(bytes));
    return remedy;
  }

  json waits() {
    std::vector<Wait> found;
    double before = 0.0;
    for (KernelIndex k = 0; k < graph_.kernels.size(); ++k) {
      const Span& span = timeline_.kernels[k];
      const double stall = span.start - before,
                   slow = timeline_.kernel_work[k] - costs_.seconds(costs_.kernels[k], 0.0);
      if (stall > 1e-6) found.push_back({stall, k, true});
      if (slow > 1e-6) found.push_back({slow, k, false});
      before = span.end;
    }
    std::stable_sort(found.begin(), found.end(), [](const Wait& a, const Wait& b) { return a.seconds > b.seconds; });
    found.resize(std::min(found.size(), kMostWaits));
    json list = json::array();
    for (const Wait& wait : found) {
      const Remedy remedy = wait.stalls ? of_stall(wait.kernel, wait.seconds) : of_slow_operands(wait.kernel);
      list.push_back({{"seconds", rounded(wait.seconds)},
                      {"kernel", wait.kernel},
                      {"tensor", remedy.tensor ? json(*remedy.tensor) : json()},
                      {"remedy", remedy.text}});
    }
    return list;
  }

  const StepGraph& graph_;
  const Machine& machine_;
  const StepCosts& costs_;
  const Plan& plan_;
  const Timeline timeline_;
  Texts names_, types_;
};

}  // namespace

json step_view(const StepGraph& graph, const Machine& machine, const StepCosts& costs, const Plan& plan) {
  return StepView(graph, machine, costs, plan).view();
}

}  // namespace deeptm

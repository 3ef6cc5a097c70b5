// SPDX-License-Identifier: Apache-2.0
#include "evaluation/capacity.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "cost/money.h"
#include "evaluation/bisection.h"
#include "graph/lifetimes.h"

namespace deeptm {
namespace {

bool reaches(const CapacityPoint& point, double target) { return point.planned() && point.row.performance >= target; }

// Of the peak, ascending, each once.
std::vector<double> shares_of(const std::vector<FastLimit>& sizes, std::uint64_t peak_bytes, const Machine& machine) {
  const auto peak = static_cast<double>(peak_bytes);
  const double most = std::min(1.0, static_cast<double>(machine.tiers[0].capacity_bytes) / peak);
  std::vector<double> shares;
  for (const FastLimit& size : sizes) {
    const auto* bytes = std::get_if<std::uint64_t>(&size);
    const double share = bytes != nullptr ? static_cast<double>(*bytes) / peak : std::get<Percent>(size).value / 100;
    shares.push_back(std::min(share, most));
  }
  std::sort(shares.begin(), shares.end());
  shares.erase(std::unique(shares.begin(), shares.end()), shares.end());
  return shares;
}

class CapacityPlanner {
 public:
  CapacityPlanner(Evaluation& evaluation, const CapacityRequest& request)
      : evaluation_(evaluation), request_(request) {}

  Result<std::vector<GraphCapacity>> make() {
    for (const CapacityRequest::Graph& graph : request_.graphs) {
      if (auto added = add(graph); !added) return tl::unexpected(added.error());
    }
    if (auto asked = ask_for_sizes(); !asked) return tl::unexpected(asked.error());
    if (auto found = search_least(); !found) return tl::unexpected(found.error());
    if (request_.bounded) {
      if (auto found = search_bounds(); !found) return tl::unexpected(found.error());
    }
    for (GraphCapacity& graph : graphs_) finish(graph);
    return std::move(graphs_);
  }

 private:
  Result<void> add(const CapacityRequest::Graph& graph) {
    GraphCapacity& made = graphs_.emplace_back(GraphCapacity{graph});
    for (const auto& machine : request_.machines) {
      const auto setting = evaluation_.setting({machine, request_.mode}, graph.name, graph.batch);
      if (!setting) return tl::unexpected(setting.error());
      made.peak_bytes = live_peak_bytes((*setting)->graph);
      if (made.peak_bytes == 0) return fail(fmt::format("{}: no tensor has a byte", graph.name));
      const double dollars = memory_dollars(*machine, std::array{made.peak_bytes});
      for (const std::string& policy : request_.policies) {
        made.curves.push_back({machine, policy, dollars, (*setting)->costs.all_fast_seconds()});
      }
    }
    return {};
  }

  Question question(const GraphCapacity& graph, const CapacityCurve& curve, double share) const {
    return {{curve.machine, request_.mode}, graph.graph.name, graph.graph.batch, curve.policy, share};
  }

  template <class Each>
  void for_each_curve(const Each& each) {
    for (GraphCapacity& graph : graphs_) {
      for (CapacityCurve& curve : graph.curves) each(graph, curve);
    }
  }

  Result<void> ask_for_sizes() {
    std::vector<Question> questions;
    std::vector<CapacityCurve*> askers;
    for_each_curve([&](GraphCapacity& graph, CapacityCurve& curve) {
      for (const double share : shares_of(request_.sizes, graph.peak_bytes, *curve.machine)) {
        questions.push_back(question(graph, curve, share));
        askers.push_back(&curve);
      }
    });
    auto answers = evaluation_.ask(questions);
    if (!answers) return tl::unexpected(answers.error());
    for (std::size_t i = 0; i < askers.size(); ++i) {
      if (!(*answers)[i]) return fail(fmt::format("{}: {}", askers[i]->policy, note_of((*answers)[i])));
      askers[i]->points.push_back({std::move(*(*answers)[i])});
    }
    return {};
  }

  Result<void> search_least() {
    std::vector<LeastShare> searches;
    std::vector<CapacityCurve*> askers;
    for_each_curve([&](GraphCapacity& graph, CapacityCurve& curve) {
      const auto first = std::find_if(curve.points.begin(), curve.points.end(),
                                      [&](const CapacityPoint& point) { return reaches(point, request_.target); });
      if (first == curve.points.end()) return;
      const auto share = [&](const CapacityPoint& point) {
        return static_cast<double>(point.row.fast_bytes) / static_cast<double>(graph.peak_bytes);
      };
      const double low = first == curve.points.begin() ? 0.0 : share(*std::prev(first));
      searches.push_back(
          {question(graph, curve, 0.0), request_.target, Bisection(low, share(*first), request_.tolerance)});
      askers.push_back(&curve);
    });
    if (auto found = find_least_shares(evaluation_, searches); !found) return found;
    for (std::size_t i = 0; i < searches.size(); ++i) {
      if (!searches[i].answer) continue;  // the size that reaches it is the least
      auto& points = askers[i]->points;
      const auto behind = std::find_if(points.begin(), points.end(), [&](const CapacityPoint& point) {
        return point.row.fast_bytes > searches[i].answer->fast_bytes;
      });
      points.insert(behind, {std::move(*searches[i].answer)});
    }
    return {};
  }

  // Of rows whose bound alone counts: of the policy that is planned fastest.
  Result<void> search_bounds() {
    std::vector<LeastShare> searches;
    for (const GraphCapacity& graph : graphs_) {
      for (const auto& machine : request_.machines) {
        LeastShare& search = searches.emplace_back();
        search.question = {{machine, request_.mode}, graph.graph.name, graph.graph.batch, "first-touch"};
        search.question.bounded = true;
        search.performance = request_.target;
        search.search = Bisection(0.0, 1.0, request_.tolerance);
      }
    }
    if (auto found = find_least_shares(evaluation_, searches); !found) return found;
    auto search = searches.cbegin();
    for (GraphCapacity& graph : graphs_) {
      for (const auto& machine : request_.machines) graph.bounds.push_back(bound_of(graph, machine, *search++));
    }
    return {};
  }

  static CapacityBound bound_of(const GraphCapacity& graph, const std::shared_ptr<const Machine>& machine,
                                const LeastShare& search) {
    const std::uint64_t bytes =
        static_cast<std::uint64_t>(search.search.most_not_enough() * static_cast<double>(graph.peak_bytes));
    const std::uint64_t rest = graph.peak_bytes - bytes;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t t = 1; t < machine->tiers.size(); ++t) {
      std::vector<std::uint64_t> bought(machine->tiers.size(), 0);
      bought[0] = bytes;
      bought[t] = rest;
      least = std::min(least, memory_dollars(*machine, bought));
    }
    return {machine, bytes, least, search.note};
  }

  void finish(GraphCapacity& graph) const;

  Evaluation& evaluation_;
  const CapacityRequest& request_;
  std::vector<GraphCapacity> graphs_;
};

// Performance and dollars over bytes of fast memory, straight between the points. More memory is never slower: the plan
// of less fits in it.
class Trend {
 public:
  explicit Trend(const CapacityCurve& curve) {
    double best = 0.0;
    for (const CapacityPoint& point : curve.points) {
      if (!point.planned()) continue;
      best = std::max(best, point.row.performance);
      samples_.push_back({static_cast<double>(point.row.fast_bytes), best, point.row.memory_dollars});
    }
  }

  // Up to the last point at most, which has none.
  std::optional<NextGiB> next(std::uint64_t bytes) const {
    const auto from = static_cast<double>(bytes);
    if (from >= samples_.back().bytes) return std::nullopt;
    const Sample here = at(from), there = at(from + static_cast<double>(kGiB));
    return NextGiB{there.performance - here.performance, there.dollars - here.dollars};
  }

 private:
  struct Sample {
    double bytes = 0.0, performance = 0.0, dollars = 0.0;
  };

  Sample at(double bytes) const {
    const auto after = std::find_if(samples_.begin(), samples_.end(), [&](const Sample& s) { return s.bytes > bytes; });
    if (after == samples_.begin() || after == samples_.end()) {
      return after == samples_.end() ? samples_.back() : samples_.front();
    }
    const Sample& before = *std::prev(after);
    const double way = (bytes - before.bytes) / (after->bytes - before.bytes);
    return {bytes, before.performance + way * (after->performance - before.performance),
            before.dollars + way * (after->dollars - before.dollars)};
  }

  std::vector<Sample> samples_;
};

void mark_frontier(std::vector<CapacityCurve>& curves) {
  std::vector<CapacityPoint*> all;
  for (CapacityCurve& curve : curves) {
    for (CapacityPoint& point : curve.points) {
      if (point.planned() && curve.priced()) all.push_back(&point);
    }
  }
  const auto key = [](const CapacityPoint* p) { return std::pair(p->row.memory_dollars, p->row.step_seconds); };
  std::stable_sort(all.begin(), all.end(), [&](const auto* a, const auto* b) { return key(a) < key(b); });
  const CapacityPoint* best = nullptr;
  for (CapacityPoint* point : all) {
    const bool faster = best == nullptr || point->row.step_seconds < best->row.step_seconds;
    point->on_frontier = faster || key(point) == key(best);
    if (faster) best = point;
  }
}

void CapacityPlanner::finish(GraphCapacity& graph) const {
  for (CapacityCurve& curve : graph.curves) {
    const Trend trend(curve);
    for (std::size_t p = 0; p < curve.points.size(); ++p) {
      CapacityPoint& point = curve.points[p];
      if (point.planned()) point.next = trend.next(point.row.fast_bytes);
      if (!reaches(point, request_.target)) continue;
      if (!curve.least) curve.least = p;
      if (!curve.cheapest || point.row.memory_dollars < curve.points[*curve.cheapest].row.memory_dollars) {
        curve.cheapest = p;
      }
    }
  }
  mark_frontier(graph.curves);
  double cheapest = std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < graph.curves.size(); ++c) {
    const CapacityCurve& curve = graph.curves[c];
    if (!curve.cheapest || curve.points[*curve.cheapest].row.memory_dollars >= cheapest) continue;
    cheapest = curve.points[*curve.cheapest].row.memory_dollars;
    graph.cheapest = c;
  }
}

}  // namespace

std::optional<double> NextGiB::dollars_per_point() const {
  return performance > 0 ? std::optional(dollars / (100 * performance)) : std::nullopt;
}

bool CapacityCurve::falls_below_again(double target) const {
  return least && std::any_of(points.begin() + static_cast<std::ptrdiff_t>(*least), points.end(),
                              [&](const CapacityPoint& point) { return !reaches(point, target); });
}

Result<std::vector<GraphCapacity>> plan_capacity(Evaluation& evaluation, const CapacityRequest& request) {
  return CapacityPlanner(evaluation, request).make();
}

std::vector<LeastForAll> least_for_all(const std::vector<GraphCapacity>& graphs) {
  std::vector<LeastForAll> all;
  for (std::size_t c = 0; !graphs.empty() && c < graphs.front().curves.size(); ++c) {
    const CapacityCurve& first = graphs.front().curves[c];
    LeastForAll& most = all.emplace_back(LeastForAll{first.machine->name, first.policy});
    for (const GraphCapacity& graph : graphs) {
      const CapacityCurve& curve = graph.curves[c];
      if (!curve.least) {
        most.bytes.reset();
        most.graph = graph.graph.name;
        break;
      }
      const std::uint64_t bytes = curve.points[*curve.least].row.fast_bytes;
      if (bytes <= most.bytes.value_or(0)) continue;
      most.bytes = bytes;
      most.graph = graph.graph.name;
    }
  }
  return all;
}

}  // namespace deeptm

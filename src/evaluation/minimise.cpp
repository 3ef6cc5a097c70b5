// SPDX-License-Identifier: Apache-2.0
#include "evaluation/minimise.h"

#include <algorithm>
#include <cmath>

namespace deeptm {
namespace {

using Point = std::vector<double>;

class Simplex {
 public:
  Simplex(const std::function<double(const Point&)>& function, const std::vector<Range>& box, Point start, int most)
      : function_(function), box_(box), most_(most) {
    add(std::move(start));
  }

  Minimum run() {
    constexpr double kGain = 1e-3;
    double before = 0.0;
    double size = 0.25;  // of the box
    do {
      before = corners_.front().value;
      surround(size);
      while (evaluations_ < most_ && !is_flat()) step();
      corners_.resize(1);
      size /= 2;
    } while (evaluations_ < most_ && before - corners_.front().value > kGain * before);
    return {corners_.front().at, corners_.front().value, evaluations_};
  }

 private:
  struct Corner {
    Point at;
    double value;
  };

  Corner corner(Point at) {
    for (std::size_t i = 0; i < at.size(); ++i) at[i] = std::clamp(at[i], box_[i].low, box_[i].high);
    ++evaluations_;
    const double value = function_(at);
    return {std::move(at), value};
  }

  // Best first; of equal ones the older.
  void insert(Corner added) {
    const auto behind = std::upper_bound(corners_.begin(), corners_.end(), added.value,
                                         [](double value, const Corner& other) { return value < other.value; });
    corners_.insert(behind, std::move(added));
  }
  void add(Point at) { insert(corner(std::move(at))); }

  // A corner more along each axis, away from the nearer side of the box.
  void surround(double size) {
    const Point center = corners_.front().at;
    for (std::size_t i = 0; i < center.size(); ++i) {
      Point at = center;
      const double length = box_[i].high - box_[i].low;
      at[i] += center[i] - box_[i].low > length / 2 ? -size * length : size * length;
      add(std::move(at));
    }
  }

  bool is_flat() const {
    constexpr double kFlat = 1e-7;
    return corners_.back().value - corners_.front().value < kFlat * (1e-9 + corners_.front().value);
  }

  // The point `far` times as far from the middle of the others as the worst corner, on the other side.
  Point reflected(double far) const {
    const std::size_t others = corners_.size() - 1;
    Point at(box_.size(), 0.0);
    for (std::size_t i = 0; i < at.size(); ++i) {
      for (std::size_t c = 0; c < others; ++c) at[i] += corners_[c].at[i] / static_cast<double>(others);
      at[i] += far * (at[i] - corners_.back().at[i]);
    }
    return at;
  }

  void replace_worst(Corner by) {
    corners_.pop_back();
    insert(std::move(by));
  }

  void step() {
    Corner opposite = corner(reflected(1.0));
    const double second_worst = corners_[corners_.size() - 2].value;
    if (opposite.value < corners_.front().value) {
      Corner farther = corner(reflected(2.0));
      return replace_worst(farther.value < opposite.value ? std::move(farther) : std::move(opposite));
    }
    if (opposite.value < second_worst) return replace_worst(std::move(opposite));
    const bool outside = opposite.value < corners_.back().value;
    Corner nearer = corner(reflected(outside ? 0.5 : -0.5));
    if (nearer.value < std::min(opposite.value, corners_.back().value)) return replace_worst(std::move(nearer));
    shrink();
  }

  void shrink() {
    std::vector<Corner> old = std::move(corners_);
    corners_.clear();
    const Point best = old.front().at;
    corners_.push_back(std::move(old.front()));
    for (std::size_t c = 1; c < old.size(); ++c) {
      for (std::size_t i = 0; i < best.size(); ++i) old[c].at[i] = (old[c].at[i] + best[i]) / 2;
      add(std::move(old[c].at));
    }
  }

  const std::function<double(const Point&)>& function_;
  const std::vector<Range>& box_;
  int most_, evaluations_ = 0;
  std::vector<Corner> corners_;
};

}  // namespace

Minimum minimise(const std::function<double(const std::vector<double>&)>& function, const std::vector<Range>& box,
                 const std::vector<double>& start, int most_evaluations) {
  return Simplex(function, box, start, most_evaluations).run();
}

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
// The highest point of a concave function of many variables by a proximal bundle method (Kiwiel 1990). Where the
// function was asked it gave a plane that it is below (a *cut*); asked next is the highest point of all cuts near the
// best point so far. What the cuts stand for, weighted as they are, comes near what the maximum consists of.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace deeptm::joint {

class Bundle {
 public:
  using Vector = std::vector<double>;
  // Makes of a point the nearest one that is allowed, as `scale` measures.
  using Project = std::function<void(Vector&)>;

  // Keeps so many cuts, at least two.
  explicit Bundle(std::size_t most_cuts) : most_(most_cuts) {}

  // Forgets all cuts; the first new one has index 0. `scale`: by variable, how far it is likely to go.
  void start(Vector at, double value, Vector slope, Vector scale, Project project);

  // Where to ask next.
  const Vector& propose();
  // Where there is no room for one more cut `gone` becomes a part of `into`: that share of it. Then `gone` is free.
  struct Merge {
    std::size_t into = 0, gone = 0;
    double share = 0.0;
  };
  Merge make_room();
  // What was found at the point that was proposed. Returns the index of its cut.
  std::size_t tell(double value, Vector slope);

  // How much higher the cuts let the function be at the point that was proposed last.
  double expected() const { return expected_; }
  // By cut; their sum is 1.
  const Vector& weights() const { return weights_; }

 private:
  struct Cut {
    double above = 0.0;  // the function, at the best point
    Vector slope;
  };
  double model() const;
  void weigh(const Vector& linear);
  void add_products(std::size_t cut);
  double product(const Vector& a, const Vector& b) const;

  std::size_t most_;
  Project project_;
  std::vector<Cut> cuts_;
  std::vector<Vector> products_;  // of slopes
  Vector weights_;
  Vector best_, scale_, proposed_;
  Vector mean_, push_;  // of the slopes; what keeps the point allowed
  double value_ = 0.0, expected_ = 0.0;
  double step_ = 1.0;
  int misses_ = 0;
  std::size_t free_ = 0;  // index of the next cut
};

}  // namespace deeptm::joint

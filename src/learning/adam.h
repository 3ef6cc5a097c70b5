// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <span>

namespace deeptm {

struct AdamOptions {
  double learning_rate = 1e-4;
  double beta1 = 0.9, beta2 = 0.999;  // how much of the first and second moment stays at each step
  double epsilon = 1e-8;
};

// Adam with bias correction (Kingma and Ba, "Adam: A Method for Stochastic Optimization", algorithm 1).
class Adam {
 public:
  Adam(std::size_t parameters, const AdamOptions& options);

  // Both spans are as long as the constructor was told. Allocates nothing.
  void step(std::span<float> parameters, std::span<const float> gradient);

 private:
  AdamOptions options_;
  double beta1_power_ = 1, beta2_power_ = 1;  // beta to the number of steps
  Eigen::ArrayXf first_, second_;             // moments: running means of the gradient and of its square
};

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
#include "learning/adam.h"

#include <Eigen/Core>

namespace deeptm {

Adam::Adam(std::size_t parameters, const AdamOptions& options)
    : options_(options),
      first_(Eigen::ArrayXf::Zero(static_cast<Eigen::Index>(parameters))),
      second_(Eigen::ArrayXf::Zero(static_cast<Eigen::Index>(parameters))) {}

void Adam::step(std::span<float> parameters, std::span<const float> gradient) {
  Eigen::Map<Eigen::ArrayXf> p(parameters.data(), first_.size());
  const Eigen::Map<const Eigen::ArrayXf> g(gradient.data(), first_.size());
  const auto beta1 = static_cast<float>(options_.beta1), beta2 = static_cast<float>(options_.beta2);
  first_ = beta1 * first_ + static_cast<float>(1 - options_.beta1) * g;
  second_ = beta2 * second_ + static_cast<float>(1 - options_.beta2) * g.square();
  beta1_power_ *= options_.beta1;
  beta2_power_ *= options_.beta2;
  const auto rate = static_cast<float>(options_.learning_rate / (1 - beta1_power_));
  const auto correction = static_cast<float>(1 / (1 - beta2_power_));
  p -= rate * first_ / ((second_ * correction).sqrt() + static_cast<float>(options_.epsilon));
}

}  // namespace deeptm

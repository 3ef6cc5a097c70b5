// SPDX-License-Identifier: Apache-2.0
// What synthetic steps repeat: blocks of layers, forward in order and back again.
#pragma once

#include <memory>
#include <random>

#include "graph/synthetic.h"
#include "graph/synthetic_layers.h"

namespace deeptm {

// Of an activation: `extent` x `extent` pixels of `channels` each, or `extent` positions of `channels` each.
struct Geometry {
  std::int64_t batch = 1, extent = 1, channels = 1;
};

// The geometry that comes nearest to so many bytes with proportions of real models.
Geometry geometry_of(const SyntheticOptions& options);

class Blocks {
 public:
  using Id = StepBuilder::Id;
  virtual ~Blocks() = default;

  // From the batch to what the first block is given.
  virtual Id enter() = 0;
  virtual Id forward(Id x, std::uint32_t block) = 0;
  // Of the last block that has not been gone back through.
  virtual Id backward(Id dy) = 0;
  virtual void leave(Id dy) = 0;
};

// `blocks`: how many there will be; residual networks halve their images three times on the way.
std::unique_ptr<Blocks> make_blocks(const SyntheticOptions& options, std::uint32_t blocks, Layers& layers);

}  // namespace deeptm

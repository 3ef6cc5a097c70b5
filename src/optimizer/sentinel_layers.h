// SPDX-License-Identifier: Apache-2.0
// Layers of a step graph, from the names of its kernels. Sentinel has its user say where layers begin.
//
//     StatefulPartitionedCall/vgg19_1/fc1_1/Relu                           forward pass of vgg19_1/fc1_1
//     StatefulPartitionedCall/gradient_tape/vgg19_1/fc1_1/MatMul/MatMul    its backward pass
//     StatefulPartitionedCall/sgd_1/AssignSubVariableOp_32                 optimizer
//     unknown_17, StatefulPartitionedCall/AddN_1                           says nothing
//
// A layer is a run of kernels in execution order, and one that is executed in pieces is several. Two things keep runs
// long: kernels that say nothing, or that touch only tensors that are tiny beside the step's peak, belong to the layer
// that runs around them; an optimizer that updates one variable belongs to the layer that made the gradient, only one
// that updates several in a row is a layer. A graph whose names know less than two layers has one for each kernel.
#pragma once

#include <vector>

#include "graph/step_graph.h"

namespace deeptm {

// The first kernel of each layer, ascending from 0, and behind them the number of kernels.
std::vector<KernelIndex> layer_begins(const StepGraph& graph);

}  // namespace deeptm

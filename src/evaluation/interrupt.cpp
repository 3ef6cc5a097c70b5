// SPDX-License-Identifier: Apache-2.0
#include "evaluation/interrupt.h"

#include <atomic>

namespace deeptm {
namespace {

std::atomic<bool> asked_to_end = false;

}  // namespace

Interruptible::Interruptible() {
  struct sigaction action {};
  action.sa_handler = [](int) { asked_to_end = true; };
  ::sigaction(SIGINT, &action, &before_);
}

Interruptible::~Interruptible() { ::sigaction(SIGINT, &before_, nullptr); }

bool interrupted() { return asked_to_end; }

}  // namespace deeptm

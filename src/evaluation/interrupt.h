// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>

namespace deeptm {

// While one is there, Ctrl-C does not end the program but makes interrupted() true. They may be nested.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  struct sigaction before_ {};
};

bool interrupted();

}  // namespace deeptm

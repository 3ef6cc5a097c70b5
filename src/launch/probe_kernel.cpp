// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/bytes.h"
#include "launch/finding.h"
#include "launch/machine_info.h"
#include "memory/userfault.h"

namespace deeptm {
namespace {

std::string first_line(const char* path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

Finding userfault() {
  const UserfaultSupport support = probe_userfault();
  Finding finding{"userfaultfd", Health::kOk, "full mode, UFFDIO_MOVE", ""};
  constexpr const char* cure =
      "cure: run as root or with CAP_SYS_PTRACE, give your user access to /dev/userfaultfd, or as root "
      "`sysctl vm.unprivileged_userfaultfd=1`";
  if (!support.available) {
    finding.health = Health::kFailure;
    finding.text = support.reason.empty() ? "not available" : support.reason;
    finding.cost = fmt::format("training cannot be managed without it; {}", cure);
  } else if (!support.system_calls) {
    finding.health = Health::kFailure;
    finding.text = "user mode only";
    finding.cost =
        fmt::format("system calls on tensors that are away would fail (saving, loading), so runs refuse; {}", cure);
  } else if (!support.move) {
    finding.health = Health::kWarning;
    finding.text = "full mode, no UFFDIO_MOVE";
    finding.cost = "mremap is used: slower moves, and direct I/O into tensors is not safe; cure: Linux 6.8 or later";
  }
  return finding;
}

Finding io_uring() {
  struct io_uring_params parameters {};
  const long ring = ::syscall(SYS_io_uring_setup, 4, &parameters);
  if (ring >= 0) {
    ::close(static_cast<int>(ring));
    return {"io_uring", Health::kOk, "usable", ""};
  }
  return {"io_uring", Health::kWarning, fmt::format("not usable ({})", std::strerror(errno)),
          "the file tier uses threads of pread and pwrite: more processor time"};
}

Finding huge_pages() {
  const std::string line = first_line("/sys/kernel/mm/transparent_hugepage/enabled");
  const auto open = line.find('['), close = line.find(']');
  const std::string mode = open == std::string::npos ? "not there" : line.substr(open + 1, close - open - 1);
  if (mode == "always" || mode == "madvise") return {"huge pages", Health::kOk, mode, ""};
  return {"huge pages", Health::kWarning, mode,
          "moves of 2 MiB take about 20 times longer; cure: `echo madvise > "
          "/sys/kernel/mm/transparent_hugepage/enabled` as root"};
}

Finding mappings() {
  constexpr long kDefault = 65530;
  const std::string line = first_line("/proc/sys/vm/max_map_count");
  const long count = std::strtol(line.c_str(), nullptr, 10);
  Finding finding{"vm.max_map_count", Health::kOk, line, ""};
  if (count < kDefault) {
    finding.health = Health::kWarning;
    finding.cost = fmt::format("large models may run out of mappings; cure: `sysctl vm.max_map_count={}`", kDefault);
  }
  return finding;
}

Finding swap() {
  const std::uint64_t bytes = machine_info().swap_bytes;
  if (bytes == 0) return {"swap", Health::kOk, "off", ""};
  return {"swap", Health::kWarning, fmt::format("{} on", format_bytes(bytes)),
          "the kernel may swap out fast memory, which is not locked; cure: `swapoff -a` while training"};
}

}  // namespace

std::vector<Finding> probe_kernel() {
  return {{"kernel", Health::kOk, "Linux " + machine_info().kernel, ""},
          userfault(),
          io_uring(),
          huge_pages(),
          mappings(),
          swap()};
}

}  // namespace deeptm

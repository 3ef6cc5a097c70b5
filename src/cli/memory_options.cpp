// SPDX-License-Identifier: Apache-2.0
#include "cli/memory_options.h"

namespace deeptm::cli {

void MemoryOptions::add_to(CLI::App& app) {
  auto* limit = app.add_option("--fast", fast, "fast memory for all tensors: 4GiB, or 20% of the peak of live tensors");
  fast_option = limit;
  if (fast.empty()) {
    limit->required();
  } else {
    limit->capture_default_str();
  }
  app.add_option(
      "--slow", slow,
      "where the rest goes: file:DIR (a directory on disk), memory, or node:N (memory of a NUMA node that kernels "
      "work in: persistent memory, CXL) [DEEPTM_SLOW_DIR, else /var/tmp]");
  app.add_flag("--verify-slow", verify_slow, "keep checksums of what is in slow memory, compare when it comes back");
  app.add_option("--chunk", chunk, "unit of moves, a power of two from 64KiB to 2MiB [chosen by the limit]");
  app.add_option("--workers", workers, "threads that move bytes [4, or 8 with small chunks]")->check(CLI::Range(1, 64));
  app.add_option("--remap", remap, "how pages move: auto, move (Linux 6.8) or mremap [auto]")
      ->check(CLI::IsMember({"auto", "move", "mremap"}));
}

void MemoryOptions::add_processes_to(CLI::App& app) {
  app.add_option("--processes", processes,
                 "processes of the command that train and share the limit evenly, as those of torchrun")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
}

Result<MemorySettings> MemoryOptions::settings() const {
  MemorySettings settings;
  const auto limit = parse_fast_limit(fast);
  if (!limit) return fail("--fast: " + limit.error().message);
  settings.fast = *limit;
  const auto place = parse_slow(slow, default_slow_directory());
  if (!place) return fail("--slow: " + place.error().message);
  settings.slow = *place;
  settings.verify_slow = verify_slow;
  if (!chunk.empty()) {
    const auto bytes = parse_bytes(chunk);
    if (!bytes) return fail("--chunk: " + bytes.error().message);
    settings.chunk_bytes = *bytes;
  }
  settings.workers = workers;
  settings.processes = processes;
  settings.remap = remap;
  const auto warnings = check_settings(settings);
  if (!warnings) return tl::unexpected(warnings.error());
  for (const std::string& warning : *warnings) say(warning);
  return settings;
}

}  // namespace deeptm::cli

// SPDX-License-Identifier: Apache-2.0
// The slow tiers beside the limit of what they are made of: rates and processor time, what a demand fetch waits beside
// planned transfers, what computing loses beside them.
//
// Every figure is the median of rounds in which the two things compared take turns of 0.15 s, as ratios: other work on
// the machine then hits both. The limit of the file tier is a bare io_uring loop, 16 requests of 2 MiB in flight per
// direction, one thread (up to 64 of the chunks' own size where these are scattered); that of the memory tier is a loop
// of the better copy of the two, with as many threads. Writes JSON rows to stdout.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "base/bytes.h"
#include "base/short_turns.h"
#include "io_load.h"
#include "memory/file_tier.h"
#include "memory/memory_tier.h"
#include "memory/stream_copy.h"

namespace deeptm::bench {
namespace {

constexpr double kTurnSeconds = 0.15;
constexpr std::array kChunks = {64 * kKiB, 256 * kKiB, 2 * kMiB};
constexpr std::array kThreads = {1U, 2U, 4U};

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "io_bench: {}\n", why);
  std::exit(1);
}

void row(const std::string& fields) {
  static bool first = true;
  fmt::print("{}{{{}}}", first ? "[" : ",\n ", fields);
  std::fflush(stdout);
  first = false;
}

std::string_view name_of(Load load) { return load == Load::kBoth ? "both" : load == Load::kRead ? "read" : "write"; }

struct Options {
  bool short_turns = true;  // of threads that transfer
  FileTierOptions file{.directory = "/var/tmp"};
  std::vector<std::string> parts;
  int rounds = 9;
};

struct Compared {
  std::vector<double> rate, limit, ratio, cpu, limit_cpu;
  void add(const Turn& ours, const Turn& bare) {
    rate.push_back(ours.bytes_per_second());
    limit.push_back(bare.bytes_per_second());
    ratio.push_back(ours.bytes_per_second() / bare.bytes_per_second());
    cpu.push_back(ours.cpu_seconds_per_gigabyte());
    limit_cpu.push_back(bare.cpu_seconds_per_gigabyte());
  }
  std::string fields() {
    return fmt::format(
        R"("of_limit": {:.3f}, "gigabytes_per_second": {:.2f}, "limit": {:.2f}, "cpu_seconds_per_gigabyte": {:.4f}, )"
        R"("limit_cpu": {:.4f})",
        quantile(ratio, 0.5), quantile(rate, 0.5) / 1e9, quantile(limit, 0.5) / 1e9, quantile(cpu, 0.5),
        quantile(limit_cpu, 0.5));
  }
};

void rates(Tier& tier, const Memory& memory, const Options& options,
           const std::function<Turn(Load, std::uint64_t, unsigned, bool)>& limit) {
  for (const Load load : {Load::kRead, Load::kWrite, Load::kBoth}) {
    for (const std::uint64_t chunk : kChunks) {
      for (const unsigned threads : kThreads) {
        for (const bool scattered : {false, true}) {
          if (scattered && threads != 2) continue;
          Compared compared;
          for (int round = 0; round < options.rounds; ++round) {
            const Turn bare = limit(load, chunk, threads, scattered);
            compared.add(turn(kTurnSeconds,
                              [&] {
                                return Transfers(tier, memory, load,
                                                 {chunk, threads, scattered, Priority::kPlanned, options.short_turns});
                              }),
                         bare);
          }
          row(fmt::format(R"("tier": "{}", "load": "{}", "chunk_kib": {}, "threads": {}, "scattered": {}, {})",
                          tier.name(), name_of(load), chunk / kKiB, threads, scattered, compared.fields()));
        }
      }
    }
  }
}

// Single chunks, read at random moments: alone, beside transfers of both directions as planned ones, and as demand.
void demand(Tier& tier, const Memory& memory, const Options& options) {
  enum Beside { kAlone, kPlanned, kDemand };
  for (const std::uint64_t chunk : kChunks) {
    std::array<std::vector<double>, 3> seconds, rate;
    for (int round = 0; round < options.rounds; ++round) {
      for (const Beside beside : {kAlone, kPlanned, kDemand}) {
        const Priority priority = beside == kPlanned ? Priority::kPlanned : Priority::kDemand;
        const Turn taken = turn(0.0, [&] {
          Transfers transfers(tier, memory, Load::kBoth,
                              {2 * kMiB, beside == kAlone ? 0U : 2U, false, priority, options.short_turns});
          fetch_at_random(tier, memory.spare(), {chunk, 1, true, Priority::kDemand, options.short_turns}, 30,
                          seconds[beside]);
          return transfers;
        });
        rate[beside].push_back(taken.bytes_per_second());
      }
    }
    for (const Beside beside : {kAlone, kPlanned, kDemand}) {
      row(fmt::format(R"("tier": "{}", "demand_kib": {}, "beside": "{}", "p50_ms": {:.2f}, "p99_ms": {:.2f}, )"
                      R"("gigabytes_per_second_beside": {:.2f})",
                      tier.name(), chunk / kKiB,
                      beside == kAlone     ? "nothing"
                      : beside == kPlanned ? "planned transfers"
                                           : "the same on demand",
                      quantile(seconds[beside], 0.5) * 1e3, quantile(seconds[beside], 0.99) * 1e3,
                      quantile(rate[beside], 0.5) / 1e9));
    }
  }
}

// Two threads that compute in their caches, alone and beside transfers.
void computing(Tier& tier, const Memory& memory, const Options& options) {
  for (const Load load : {Load::kRead, Load::kWrite, Load::kBoth}) {
    for (const std::uint64_t chunk : kChunks) {
      std::vector<double> left, rate;
      for (int round = 0; round < options.rounds; ++round) {
        const double alone = Computing::rate_during([] { sleep_seconds(kTurnSeconds); });
        Turn taken;
        const double beside = Computing::rate_during([&] {
          taken = turn(kTurnSeconds, [&] {
            return Transfers(tier, memory, load, {chunk, 1, false, Priority::kPlanned, options.short_turns});
          });
        });
        left.push_back(beside / alone);
        rate.push_back(taken.bytes_per_second());
      }
      row(fmt::format(R"("tier": "{}", "load": "{}", "chunk_kib": {}, "computing_left": {:.3f}, )"
                      R"("gigabytes_per_second": {:.2f})",
                      tier.name(), name_of(load), chunk / kKiB, quantile(left, 0.5), quantile(rate, 0.5) / 1e9));
    }
  }
}

void plain_copy(std::byte* to, const std::byte* from, std::size_t bytes) { std::memcpy(to, from, bytes); }

Turn copy_loop(const Memory& memory, Load load, unsigned threads, Copies::Copy copy) {
  return turn(kTurnSeconds, [&] { return Copies(memory, load == Load::kBoth ? 2 * threads : threads, copy); });
}

void run(const Options& options) {
  const auto wanted = [&](std::string_view part) {
    return options.parts.empty() || std::count(options.parts.begin(), options.parts.end(), part) != 0;
  };
  const Memory memory;
  if (!memory) give_up("no memory");
  auto file = open_file_tier(options.file);
  if (!file) give_up(file.error().message);
  auto slow = open_memory_tier();
  if (!slow) give_up(slow.error().message);
  const BareFile bare(options.file.directory, memory);
  if (!bare) give_up("no second file in " + options.file.directory.string());
  const auto fill = [&](Tier& tier) {
    if (auto filled = fill_tier(tier, memory); !filled) give_up(filled.error().message);
  };
  fill(**file);
  if (wanted("file")) {
    rates(**file, memory, options, [&](Load load, std::uint64_t chunk, unsigned, bool scattered) {
      return turn(kTurnSeconds, [&] { return BareLoop(bare, memory, load, scattered ? chunk : 2 * kMiB, scattered); });
    });
  }
  if (wanted("demand")) demand(**file, memory, options);
  if (wanted("computing")) computing(**file, memory, options);
  if (wanted("memory")) {
    fill(**slow);  // now: memory that nobody has touched for a while is slow once, on virtual machines at least
    rates(**slow, memory, options, [&](Load load, std::uint64_t, unsigned threads, bool) {
      const Turn plain = copy_loop(memory, load, threads, plain_copy);
      const Turn streamed = copy_loop(memory, load, threads, stream_copy);
      return plain.bytes_per_second() > streamed.bytes_per_second() ? plain : streamed;
    });
  }
  fmt::print("]\n");
}

}  // namespace
}  // namespace deeptm::bench

int main(int count, char** values) {
  deeptm::bench::Options options;
  CLI::App app("The slow tiers beside the limit of what they are made of; JSON to stdout.");
  app.add_option("parts", options.parts, "file, demand, computing, memory")
      ->check(CLI::IsMember({"file", "demand", "computing", "memory"}));
  app.add_option("--directory", options.file.directory);
  app.add_flag("!--usual-turns", options.short_turns, "threads do not ask to be run soon after they wake");
  app.add_option("--rounds", options.rounds);
  app.add_option("--planned-bytes", options.file.planned_bytes)->transform(CLI::AsSizeValue(false));
  app.add_option("--piece-bytes", options.file.piece_bytes)->transform(CLI::AsSizeValue(false));
  CLI11_PARSE(app, count, values);
  deeptm::bench::run(options);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/config.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <optional>
#include <utility>

#include "base/json_fields.h"

namespace deeptm {
namespace {

template <class E, std::size_t N>
void choose(Fields& fields, std::string_view name, E& out,
            const std::array<std::pair<std::string_view, E>, N>& choices) {
  std::string text;
  fields.get(name, text, Need::kOptional);
  if (text.empty()) return;
  std::string names;
  for (const auto& [choice, value] : choices) {
    if (choice == text) {
      out = value;
      return;
    }
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", choice);
  }
  fields.complain(name, fmt::format("'{}' is none of {}", text, names));
}

constexpr std::array<std::pair<std::string_view, FileIo>, 3> kIo = {
    {{"auto", FileIo::kAuto}, {"uring", FileIo::kUring}, {"threads", FileIo::kThreads}}};
constexpr std::array<std::pair<std::string_view, RemapMethod>, 3> kRemap = {
    {{"auto", RemapMethod::kAuto}, {"move", RemapMethod::kMove}, {"mremap", RemapMethod::kMremap}}};
constexpr std::array<std::pair<std::string_view, CopyMode>, 2> kModes = {
    {{"sync", CopyMode::kSync}, {"async", CopyMode::kAsync}}};
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kSlow = {
    {{"file", "file"}, {"memory", "memory"}, {"node", "node"}}};

void read_limit(Fields& fields, FastLimit& fast) {
  std::uint64_t bytes = 0;
  double percent = 0;
  fields.get("fast_bytes", bytes, Need::kOptional);
  fields.get("fast_percent", percent, Need::kOptional);
  if ((bytes == 0) == (percent == 0)) {
    fields.complain("fast_bytes", "exactly one of fast_bytes and fast_percent must be there, above 0");
  } else if (bytes != 0) {
    fast = bytes;
  } else if (percent < 0 || percent > 100) {
    fields.complain("fast_percent", "is a percentage above 0 and up to 100");
  } else {
    fast = Percent{percent};
  }
}

void read_words(Fields& fields, std::string_view name, std::vector<std::string>& out) {
  const auto* words = fields.array(name, Need::kOptional);
  if (words == nullptr) return;
  for (const auto& word : *words) {
    if (!word.is_string()) return fields.complain(name, "is a list of words");
    out.push_back(word.get<std::string>());
  }
}

void read_kept_plan(Fields& fields, KeptPlan& kept) {
  std::vector<std::string> files;
  read_words(fields, "kept_plan", files);
  if (files.empty()) return;
  if (files.size() != 3) return fields.complain("kept_plan", "names three files: of the graph, the machine, the plan");
  kept = {files[0], files[1], files[2]};
}

void read_planning(Fields& fields, RuntimeConfig& config) {
  fields.get("policy", config.policy, Need::kOptional);
  choose(fields, "mode", config.mode, kModes);
  fields.get("machine_file", config.machine_file, Need::kOptional);
  fields.get("plan_file", config.plan_file, Need::kOptional);
  fields.get("graph_file", config.graph_file, Need::kOptional);
  if (config.plan_file.empty() != config.graph_file.empty())
    fields.complain("plan_file", "goes with graph_file, and the other way round");
  if (!config.plan_file.empty() && config.machine_file.empty())
    fields.complain("plan_file", "goes with machine_file, the machine that it was made for");
  if (config.policy == "demand") return;
  const auto policy = find_policy(config.policy);
  if (!policy) return fields.complain("policy", policy.error().message + ", and demand");
  if (auto works = works_in(*policy, config.mode); !works) fields.complain("policy", works.error().message);
}

}  // namespace

bool plans_live(const RuntimeConfig& config) {
  const auto* percent = std::get_if<Percent>(&config.fast);
  const bool everything_fits = percent != nullptr && percent->value >= 100;
  return config.policy != "demand" && config.plan_file.empty() && config.emulation_file.empty() && !everything_fits;
}

Result<RuntimeConfig> parse_config(std::string_view json) {
  const auto document = parse_json(json);
  if (!document) return fail("configuration: " + document.error().message);
  const Place place{nullptr, "configuration"};
  std::optional<Error> problem;
  Fields fields(*document, place, problem);
  RuntimeConfig config;
  read_limit(fields, config.fast);
  std::string_view slow = config.slow;
  choose(fields, "slow", slow, kSlow);
  config.slow = slow;
  fields.get("slow_directory", config.slow_directory, Need::kOptional);
  fields.get("slow_node", config.slow_node, Need::kOptional);
  choose(fields, "io", config.io, kIo);
  fields.get("verify_slow", config.verify_slow, Need::kOptional);
  if (config.verify_slow && config.slow == "node")
    fields.complain("verify_slow", "is for slow memory that is reached by transfers, \"file\" or \"memory\"");
  fields.get("chunk_bytes", config.chunk_bytes, Need::kOptional);
  fields.get("workers", config.workers, Need::kOptional);
  fields.get("read_ahead_chunks", config.read_ahead_chunks, Need::kOptional);
  fields.get("threads", config.threads, Need::kOptional);
  choose(fields, "remap", config.remap, kRemap);
  fields.get("allow_user_mode_only", config.allow_user_mode_only, Need::kOptional);
  fields.get("record_file", config.record_file, Need::kOptional);
  fields.get("record_steps", config.record_steps, Need::kOptional);
  read_words(fields, "command", config.command);
  fields.get("framework", config.framework, Need::kOptional);
  fields.get("telemetry", config.telemetry, Need::kOptional);
  read_words(fields, "more_telemetry", config.more_telemetry);
  read_planning(fields, config);
  read_kept_plan(fields, config.kept_plan);
  fields.get("emulation_file", config.emulation_file, Need::kOptional);
  fields.get("launcher", config.launcher, Need::kOptional);
  fields.refuse_others();
  if (config.chunk_bytes != 0 && (!std::has_single_bit(config.chunk_bytes) || config.chunk_bytes < kLeastChunkBytes ||
                                  config.chunk_bytes > kMostChunkBytes)) {
    fields.complain("chunk_bytes", "is a power of two from 64 KiB to 2 MiB");
  }
  if (config.workers > 64) fields.complain("workers", "is between 1 and 64");
  if (config.record_steps == 0) fields.complain("record_steps", "is at least 1");
  if (problem) return tl::unexpected(*problem);
  if (config.chunk_bytes == 0) config.chunk_bytes = choose_chunk_bytes(config.fast);
  const Depth depth = choose_depth(config.chunk_bytes);
  if (config.workers == 0) config.workers = depth.workers;
  if (config.read_ahead_chunks == 0) config.read_ahead_chunks = depth.read_ahead_chunks;
  return config;
}

std::uint64_t choose_chunk_bytes(const FastLimit& fast) {
  const auto* bytes = std::get_if<std::uint64_t>(&fast);
  if (bytes == nullptr) return kMostChunkBytes;
  constexpr std::uint64_t kLeastFrames = 64, kSmall = 256 * kKiB;
  if (*bytes / kMostChunkBytes >= kLeastFrames) return kMostChunkBytes;
  std::uint64_t chunk = kSmall;
  while (chunk > kLeastChunkBytes && *bytes / chunk < kLeastFrames) chunk /= 2;
  return chunk;
}

}  // namespace deeptm

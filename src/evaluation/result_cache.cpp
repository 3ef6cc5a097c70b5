// SPDX-License-Identifier: Apache-2.0
#include "evaluation/result_cache.h"

#include <fmt/format.h>

#include "base/files.h"
#include "base/hash.h"
#include "base/json_file.h"

namespace deeptm {

ResultCache::ResultCache(std::filesystem::path folder) : folder_(std::move(folder)) {
  if (folder_.empty()) return;
  Fnv hash;
  if (const auto program = read_file("/proc/self/exe")) hash.add(std::string_view(*program));
  program_ = hash.value();
}

std::filesystem::path ResultCache::file(std::string_view hash) const {
  return folder_ / fmt::format("{}-{:016x}.json", hash, program_);
}

std::optional<nlohmann::json> ResultCache::find(std::string_view hash) const {
  if (folder_.empty()) return std::nullopt;
  const auto text = read_file(file(hash));
  if (!text) return std::nullopt;
  auto json = nlohmann::json::parse(*text, nullptr, false);
  return json.is_discarded() ? std::nullopt : std::optional(std::move(json));
}

void ResultCache::keep(std::string_view hash, const nlohmann::json& result) const {
  if (!folder_.empty()) (void)write_json(file(hash), result);
}

}  // namespace deeptm

// SPDX-License-Identifier: Apache-2.0
// Results kept in a folder, so that a command that was interrupted goes on where it was.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace deeptm {

class ResultCache {
 public:
  ResultCache() = default;  // keeps nothing
  explicit ResultCache(std::filesystem::path folder);

  // By a hash of all that the result depends on, the program apart, which is part of the name anyway: another build may
  // answer otherwise. Nothing where none was kept or it is damaged.
  std::optional<nlohmann::json> find(std::string_view hash) const;
  // What can't be written is computed again.
  void keep(std::string_view hash, const nlohmann::json& result) const;

 private:
  std::filesystem::path file(std::string_view hash) const;

  std::filesystem::path folder_;
  std::uint64_t program_ = 0;
};

}  // namespace deeptm

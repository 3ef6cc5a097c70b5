// SPDX-License-Identifier: Apache-2.0
// Strict reading of JSON objects: every field is known, has its type, and is there unless it has a default. The first
// problem is kept, with the place it is at ("tensors[17].last_kernel"); reading goes on harmlessly after it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace deeptm {

// Parses JSON text, refusing what other readers would pass over: objects that name a field twice, nesting deeper
// than any real file has. The error gives line and column.
Result<nlohmann::json> parse_json(std::string_view text);

// Where in a document a value is. Text is made only when something is wrong.
struct Place {
  static constexpr std::size_t kNoIndex = static_cast<std::size_t>(-1);
  const Place* parent = nullptr;
  std::string_view name;
  std::size_t index = kNoIndex;

  std::string text() const;
};

// The candidate that `name` is most likely a misspelling of; empty if none is near.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> candidates);

enum class Need { kRequired, kOptional };

class Fields {
 public:
  // `object`, `place` and `problem` are borrowed.
  Fields(const nlohmann::json& object, const Place& place, std::optional<Error>& problem);

  // Leave `out` as it is when an optional field is missing.
  void get(std::string_view name, std::string& out, Need need);
  void get(std::string_view name, bool& out, Need need);
  void get(std::string_view name, double& out, Need need);
  void get(std::string_view name, std::uint32_t& out, Need need);
  void get(std::string_view name, std::uint64_t& out, Need need);
  void get(std::string_view name, std::int64_t& out, Need need);
  void get(std::string_view name, std::optional<std::uint32_t>& out);
  // The value of any type, or null; array() and object() insist on theirs.
  const nlohmann::json* array(std::string_view name, Need need);
  const nlohmann::json* object(std::string_view name, Need need);

  // "magic" and "format", which come first: a file of another kind gets no lecture on missing fields. `what` is what a
  // file with this magic is: "a plan".
  void head(std::string_view magic, std::uint32_t format, std::string_view what);

  // Call last: complains of a field that nobody asked for.
  void refuse_others();

  void complain(std::string_view field, std::string_view what);

 private:
  const nlohmann::json* find(std::string_view name, Need need);
  const nlohmann::json* typed(std::string_view name, Need need, bool (nlohmann::json::*is)() const noexcept,
                              std::string_view expected);
  std::optional<std::uint64_t> whole(std::string_view name, Need need, std::uint64_t most);

  const nlohmann::json& object_;
  const Place& place_;
  std::optional<Error>& problem_;
  std::array<std::string_view, 32> asked_{};  // no object of ours has more fields
  std::size_t asked_count_ = 0, found_count_ = 0;
};

// "12", "\"abc\"", cut to a length that fits in an error line.
std::string brief_json(const nlohmann::json& value);

// As a JSON string; what is no UTF-8 is replaced.
std::string quoted_json(const std::string& text);

// Keeps the first problem only.
void complain_at(const Place& place, std::string_view what, std::optional<Error>& problem);

}  // namespace deeptm

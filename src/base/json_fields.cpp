// SPDX-License-Identifier: Apache-2.0
#include "base/json_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace deeptm {
namespace {

using nlohmann::json;

constexpr int kDeepest = 32;  // copying and writing JSON recurse

// "line 3, column 9": where the text's first `byte` bytes end.
std::string position(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t newline = before.rfind('\n');
  const std::size_t column = newline == std::string_view::npos ? before.size() : before.size() - newline - 1;
  return fmt::format("line {}, column {}", line, std::max<std::size_t>(column, 1));
}

// Byte at which brackets nest deeper than kDeepest.
std::optional<std::size_t> too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDeepest) return i;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return std::nullopt;
}

// Builds the document as json::parse() does, and notices fields given twice. (With a callback that could notice them,
// json::parse() goes through all that an array has so far whenever another element of it ends.)
class DocumentBuilder : public nlohmann::json_sax<json> {
 public:
  DocumentBuilder() {}  // may throw: a default one would promise not to
  DocumentBuilder(const DocumentBuilder&) = delete;
  DocumentBuilder& operator=(const DocumentBuilder&) = delete;

  json document;
  std::optional<std::string> twice;     // the first such field
  std::optional<std::size_t> wrong_at;  // bytes read until the text was no JSON
  bool out_of_range = false;            // a number past the range of double

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(json::binary_t&) override { return false; }  // not in text

  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    const auto [field, is_new] = open_.back()->get_ref<json::object_t&>().try_emplace(name);
    if (!is_new && !twice) twice = name;
    field_ = &field->second;
    return true;
  }

  bool parse_error(std::size_t at, const std::string&, const json::exception& error) override {
    out_of_range = dynamic_cast<const json::out_of_range*>(&error) != nullptr;
    wrong_at = at;
    return false;
  }

 private:
  json& place(json value) {
    if (open_.empty()) return document = std::move(value);
    if (open_.back()->is_array()) return open_.back()->get_ref<json::array_t&>().emplace_back(std::move(value));
    return *field_ = std::move(value);
  }
  bool add(json value) {
    place(std::move(value));
    return true;
  }
  bool open(json value) {
    open_.push_back(&place(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<json*> open_;  // a parent does not grow, and so does not move its elements, while a child is open
  json* field_ = nullptr;    // of the innermost object: the one that comes next
};

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
    }
  }
  return row.back();
}

}  // namespace

Result<json> parse_json(std::string_view text) {
  if (const auto byte = too_deep(text))
    return fail(fmt::format("{}: nested deeper than {} levels", position(text, *byte + 1), kDeepest));
  DocumentBuilder builder;
  json::sax_parse(text, &builder);
  if (builder.out_of_range) return fail("a number is out of range");
  if (builder.wrong_at) return fail(fmt::format("{}: not valid JSON", position(text, *builder.wrong_at)));
  if (builder.twice) return fail(fmt::format("the field {} is given twice in one object", brief_json(*builder.twice)));
  return std::move(builder.document);
}

std::string Place::text() const {
  std::string prefix = parent != nullptr ? parent->text() : std::string();
  if (!prefix.empty() && !name.empty()) prefix += '.';
  prefix += name;
  if (index != kNoIndex) prefix += fmt::format("[{}]", index);
  return prefix;
}

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = name.size() / 2 + 1;
  if (name.size() > 64) return best;  // no field has such a name; keeps the distance cheap
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return best;
}

std::string quoted_json(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string brief_json(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 48) text = text.substr(0, 45) + "...";
  return text;
}

void complain_at(const Place& place, std::string_view what, std::optional<Error>& problem) {
  if (problem) return;
  const std::string where = place.text();
  problem = fail(where.empty() ? std::string(what) : fmt::format("{}: {}", where, what)).value();
}

Fields::Fields(const json& object, const Place& place, std::optional<Error>& problem)
    : object_(object), place_(place), problem_(problem) {
  if (!object_.is_object())
    complain_at(place_, fmt::format("must be an object, not {}", brief_json(object_)), problem_);
}

void Fields::complain(std::string_view field, std::string_view what) {
  complain_at(Place{&place_, field, Place::kNoIndex}, what, problem_);
}

const json* Fields::find(std::string_view name, Need need) {
  if (asked_count_ < asked_.size()) asked_[asked_count_++] = name;
  if (!object_.is_object()) return nullptr;
  const auto it = object_.find(name);
  if (it != object_.end()) {
    ++found_count_;
    return &*it;
  }
  if (need == Need::kRequired) complain(name, "is missing");
  return nullptr;
}

const json* Fields::typed(std::string_view name, Need need, bool (json::*is)() const noexcept,
                          std::string_view expected) {
  const json* value = find(name, need);
  if (value == nullptr || (value->*is)()) return value;
  complain(name, fmt::format("must be {}, not {}", expected, brief_json(*value)));
  return nullptr;
}

std::optional<std::uint64_t> Fields::whole(std::string_view name, Need need, std::uint64_t most) {
  const json* value = find(name, need);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_unsigned() && value->get<std::uint64_t>() <= most) return value->get<std::uint64_t>();
  complain(name, fmt::format("must be a whole number from 0 to {}, not {}", most, brief_json(*value)));
  return std::nullopt;
}

void Fields::get(std::string_view name, std::string& out, Need need) {
  if (const json* value = typed(name, need, &json::is_string, "a string")) out = value->get_ref<const std::string&>();
}

void Fields::get(std::string_view name, bool& out, Need need) {
  if (const json* value = typed(name, need, &json::is_boolean, "true or false")) out = value->get<bool>();
}

void Fields::get(std::string_view name, double& out, Need need) {
  if (const json* value = typed(name, need, &json::is_number, "a number")) out = value->get<double>();
}

void Fields::get(std::string_view name, std::uint32_t& out, Need need) {
  if (const auto value = whole(name, need, std::numeric_limits<std::uint32_t>::max()))
    out = static_cast<std::uint32_t>(*value);
}

void Fields::get(std::string_view name, std::uint64_t& out, Need need) {
  if (const auto value = whole(name, need, std::numeric_limits<std::uint64_t>::max())) out = *value;
}

void Fields::get(std::string_view name, std::int64_t& out, Need need) {
  const json* value = typed(name, need, &json::is_number_integer, "a whole number");
  if (value == nullptr) return;
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX) return complain(name, "is past 2^63 - 1");
  out = value->get<std::int64_t>();
}

void Fields::get(std::string_view name, std::optional<std::uint32_t>& out) {
  if (const auto value = whole(name, Need::kOptional, std::numeric_limits<std::uint32_t>::max()))
    out = static_cast<std::uint32_t>(*value);
}

const json* Fields::array(std::string_view name, Need need) { return typed(name, need, &json::is_array, "an array"); }

const json* Fields::object(std::string_view name, Need need) {
  return typed(name, need, &json::is_object, "an object");
}

void Fields::head(std::string_view magic, std::uint32_t format, std::string_view what) {
  std::string found_magic;
  get("magic", found_magic, Need::kRequired);
  if (!problem_ && found_magic != magic) {
    complain("magic", fmt::format("{} is not \"{}\": not {}", brief_json(found_magic), magic, what));
  }
  std::uint32_t found_format = 0;
  get("format", found_format, Need::kRequired);
  if (!problem_ && found_format != format) {
    complain("format", fmt::format("{} is not known to this version of deeptm, which reads {}", found_format, format));
  }
}

void Fields::refuse_others() {
  if (!object_.is_object() || found_count_ == object_.size()) return;
  const std::span<const std::string_view> known(asked_.data(), asked_count_);
  for (const auto& [name, value] : object_.items()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string_view near = nearest_name(name, known);
    return complain(brief_json(name).substr(1, brief_json(name).size() - 2),
                    near.empty() ? "unknown field" : fmt::format("unknown field; did you mean {}?", near));
  }
}

}  // namespace deeptm

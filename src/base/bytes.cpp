// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

namespace deeptm {
namespace {

struct Unit {
  std::string_view name;
  double bytes;
};
constexpr std::array<Unit, 10> kUnits = {{{"", 1.0},
                                          {"b", 1.0},
                                          {"kib", 1024.0},
                                          {"mib", 1024.0 * 1024},
                                          {"gib", 1024.0 * 1024 * 1024},
                                          {"tib", 1024.0 * 1024 * 1024 * 1024},
                                          {"kb", 1e3},
                                          {"mb", 1e6},
                                          {"gb", 1e9},
                                          {"tb", 1e12}}};

struct Quantity {
  double number;
  std::string unit;
};

Result<Quantity> parse_quantity(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !std::isfinite(number) || number <= 0) return fail("not a positive number");
  std::string unit(end, text.data() + text.size());
  std::erase(unit, ' ');
  std::transform(unit.begin(), unit.end(), unit.begin(), [](unsigned char c) { return std::tolower(c); });
  return Quantity{number, unit};
}

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const auto quantity = parse_quantity(text);
  if (quantity) {
    const auto* unit =
        std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == quantity->unit; });
    if (unit != kUnits.end() && quantity->number * unit->bytes < 9e18) {
      return static_cast<std::uint64_t>(quantity->number * unit->bytes);
    }
  }
  return fail(fmt::format("'{}' is not a size: write for example 512MiB, 4GiB or 4GB", text));
}

Result<FastLimit> parse_fast_limit(std::string_view text) {
  if (!text.ends_with('%')) {
    auto bytes = parse_bytes(text);
    if (!bytes) return fail(fmt::format("'{}' is not a limit: write for example 4GiB, or 20% of the peak", text));
    return FastLimit{*bytes};
  }
  const auto quantity = parse_quantity(text.substr(0, text.size() - 1));
  if (!quantity || !quantity->unit.empty() || quantity->number > 100) {
    return fail(fmt::format("'{}' is not a share of the peak: write a percentage above 0% and up to 100%", text));
  }
  return FastLimit{Percent{quantity->number}};
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> names = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < names.size()) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : value < 100 ? 1 : 0, names[unit]);
}

}  // namespace deeptm

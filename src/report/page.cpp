// SPDX-License-Identifier: Apache-2.0
#include "report/page.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "report/page_parts.h"
#include "report/svg.h"

namespace deeptm {
namespace {

// A script's text must not end its element.
std::string in_script(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '/' && i > 0 && text[i - 1] == '<') safe += '\\';
    safe += text[i];
  }
  return safe;
}

// For who reads without scripts: the headline in words.
std::string without_script(const nlohmann::json& data) {
  std::string text = "This page draws with JavaScript. In words:\n" + data.value("subtitle", "") + '\n';
  const auto cards = data.find("headline");
  if (cards == data.end() || !cards->is_array()) return text;
  for (const auto& card : *cards) {
    text += fmt::format("{}: {} ({})\n", card.value("name", ""), card.value("value", ""), card.value("note", ""));
  }
  return text;
}

}  // namespace

std::string report_page(const nlohmann::json& data) {
  const std::string text = data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const std::array<std::pair<std::string_view, std::string>, 7> parts = {{
      {"@licence@", std::string(kPageLicence)},
      {"@title@", svg_text(data.value("title", "DeepTM"))},
      {"@style@", std::string(kPageStyle)},
      {"@text@", svg_text(without_script(data))},
      {"@data@", in_script(text)},
      {"@library@", std::string(kPageLibrary)},
      {"@script@", std::string(kPageScript)},
  }};
  std::string page;
  std::string_view rest = kPageTemplate;
  for (const auto& [mark, content] : parts) {  // in the template's order
    const std::size_t at = rest.find(mark);
    page += rest.substr(0, at);
    page += content;
    rest.remove_prefix(at + mark.size());
  }
  return page += rest;
}

}  // namespace deeptm

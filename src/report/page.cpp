// SPDX-License-Identifier: Apache-2.0
#include "report/page.h"

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

}  // namespace

std::string report_page(const nlohmann::json& data) {
  const std::string text = data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const std::array<std::pair<std::string_view, std::string>, 6> parts = {{
      {"@licence@", std::string(kPageLicence)},
      {"@title@", svg_text(data.value("title", "DeepTM"))},
      {"@style@", std::string(kPageStyle)},
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

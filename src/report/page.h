// SPDX-License-Identifier: Apache-2.0
// One HTML file that holds everything it shows: data, style, scripts (page/), and the drawing library
// (third_party/d3). It needs no network.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace deeptm {

// `data`: "title", "subtitle", "kind", and a part for each view that is to be on the page (page/page.js names them).
// The same data gives the same bytes.
std::string report_page(const nlohmann::json& data);

}  // namespace deeptm

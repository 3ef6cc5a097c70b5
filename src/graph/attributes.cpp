// SPDX-License-Identifier: Apache-2.0
#include "graph/attributes.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace deeptm {

Attributes::Attributes(nlohmann::json object) : object_(std::make_shared<const nlohmann::json>(std::move(object))) {}

const nlohmann::json& Attributes::json() const {
  static const nlohmann::json none = nlohmann::json::object();
  return object_ != nullptr ? *object_ : none;
}

bool Attributes::operator==(const Attributes& other) const { return json() == other.json(); }

}  // namespace deeptm

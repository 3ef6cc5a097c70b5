// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

namespace deeptm {

// What a framework tells of a kernel: a JSON object. Who looks inside includes nlohmann/json.hpp, which takes the
// compiler longer than most files that have a step graph.
class Attributes {
 public:
  Attributes() = default;  // {}
  Attributes(nlohmann::json object);

  const nlohmann::json& json() const;
  bool operator==(const Attributes& other) const;

 private:
  std::shared_ptr<const nlohmann::json> object_;  // null: {}
};

}  // namespace deeptm

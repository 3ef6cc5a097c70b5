// SPDX-License-Identifier: Apache-2.0
// Runs a fuzzer without clang: over the files and folders named on the command line and, with --mutants=N, over N
// mutants of each, the same ones every time.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void run(std::string_view input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

// Some bytes are changed, doubled or missing.
std::string mutant(std::string bytes, std::mt19937& random) {
  const auto below = [&](std::size_t count) { return random() % count; };
  for (std::size_t changes = 1 + below(4); changes != 0 && !bytes.empty(); --changes) {
    const std::size_t at = below(bytes.size()), count = std::min(bytes.size() - at, 1 + below(16));
    switch (below(3)) {
      case 0:
        bytes[at] = static_cast<char>(below(256));
        break;
      case 1:
        bytes.insert(below(bytes.size()), bytes.substr(at, count));
        break;
      default:
        bytes.erase(at, count);
        break;
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr std::string_view kMutants = "--mutants=";
  unsigned long mutants = 0;
  std::vector<std::filesystem::path> files;
  for (const std::string_view argument : std::vector<std::string_view>(argv + 1, argv + argc)) {
    if (argument.starts_with(kMutants)) {
      mutants = std::strtoul(argument.data() + kMutants.size(), nullptr, 10);
    } else if (std::filesystem::is_directory(argument)) {
      for (const auto& entry : std::filesystem::directory_iterator(argument)) files.push_back(entry.path());
    } else {
      files.emplace_back(argument);
    }
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const auto contents = deeptm::read_file(file);
    if (!contents) {
      std::fprintf(stderr, "%s\n", contents.error().message.c_str());
      return 1;
    }
    run(*contents);
    std::mt19937 random(1);
    for (unsigned long i = 0; i < mutants; ++i) run(mutant(*contents, random));
  }
  std::printf("%zu inputs, %lu mutants of each\n", files.size(), mutants);
  return files.empty() ? 1 : 0;
}

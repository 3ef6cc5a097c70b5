// SPDX-License-Identifier: Apache-2.0
#include "graph/graph_file.h"

#include <fmt/format.h>
#include <zstd.h>

#include <memory>

#include "base/bytes.h"
#include "base/files.h"
#include "graph/graph_json.h"
#include "graph/validate.h"

namespace deeptm {
namespace {

constexpr std::string_view kZstdMagic("\x28\xB5\x2F\xFD", 4);
constexpr int kLevel = 9;

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

Result<std::string> decompress(std::string_view frame, std::uint64_t most_bytes) {
  const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  if (!context) return fail("out of memory");
  std::string text;
  std::string block(ZSTD_DStreamOutSize(), '\0');
  ZSTD_inBuffer in{frame.data(), frame.size(), 0};
  std::size_t left = 1;  // 0 at the end of the frame
  while (left != 0) {
    ZSTD_outBuffer out{block.data(), block.size(), 0};
    left = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(left) != 0) return fail(fmt::format("damaged zstd data: {}", ZSTD_getErrorName(left)));
    if (out.pos > most_bytes - text.size())
      return fail(fmt::format("unpacks to more than {}; no step graph is that large", format_bytes(most_bytes)));
    text.append(block.data(), out.pos);
    if (left != 0 && out.pos == 0 && in.pos == in.size) return fail("the file ends in the middle of its zstd data");
  }
  if (in.pos != in.size) return fail(fmt::format("{} bytes after the end of its zstd data", in.size - in.pos));
  return text;
}

// With a checksum, so that no damaged file is taken for another graph.
Result<std::string> compress(std::string_view text) {
  const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (!context) return fail("out of memory");
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string frame(ZSTD_compressBound(text.size()), '\0');
  const std::size_t bytes = ZSTD_compress2(context.get(), frame.data(), frame.size(), text.data(), text.size());
  if (ZSTD_isError(bytes) != 0) return fail(fmt::format("cannot compress: {}", ZSTD_getErrorName(bytes)));
  frame.resize(bytes);
  return frame;
}

}  // namespace

Result<StepGraph> parse_graph(std::string_view contents, std::string_view name, std::uint64_t most_text_bytes) {
  const auto named = [&](const Error& error) { return fail(fmt::format("{}: {}", name, error.message)); };
  if (contents.empty()) return fail(fmt::format("{}: is empty", name));
  std::string unpacked;
  if (contents.starts_with(kZstdMagic)) {
    auto text = decompress(contents, most_text_bytes);
    if (!text) return named(text.error());
    unpacked = std::move(*text);
    contents = unpacked;
  }
  if (contents.size() > most_text_bytes)
    return fail(fmt::format("{}: larger than {}; no step graph is that large", name, format_bytes(most_text_bytes)));
  auto graph = graph_from_json(contents);
  if (!graph) return named(graph.error());
  return graph;
}

Result<StepGraph> read_graph(const std::filesystem::path& path) {
  auto contents = read_file(path);
  if (!contents) return tl::unexpected<Error>(contents.error());
  return parse_graph(*contents, path.string());
}

Result<void> write_graph(const std::filesystem::path& path, const StepGraph& graph) {
  if (auto ok = validate(graph); !ok)
    return fail(fmt::format("{}: not written: {}", path.string(), ok.error().message));
  std::string contents = graph_to_json(graph);
  if (path.extension() != ".json") {
    auto frame = compress(contents);
    if (!frame) return fail(fmt::format("{}: {}", path.string(), frame.error().message));
    contents = std::move(*frame);
  }
  return write_file(path, contents);
}

}  // namespace deeptm

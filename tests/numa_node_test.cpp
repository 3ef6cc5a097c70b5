// SPDX-License-Identifier: Apache-2.0
#include "memory/numa_node.h"

#include <gmock/gmock.h>
#include <sys/mman.h>

#include <fstream>

#include "base/bytes.h"

namespace deeptm {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class NumaNode : public ::testing::Test {
 protected:
  NumaNode() {
    std::string name = (fs::temp_directory_path() / "deeptm-nodes.XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~NumaNode() override { fs::remove_all(root_); }
  void put(const std::string& file, const std::string& text) {
    const fs::path path = root_ / "sys/devices/system/node" / file;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  fs::path root_;
};

TEST_F(NumaNode, NodesWithMemoryAreListed) {
  EXPECT_THAT(memory_nodes(root_), IsEmpty());
  EXPECT_THAT(node_memory(0, root_).error().message, HasSubstr("no NUMA nodes: use file:DIR"));
  put("has_memory", "0-2,5\n");
  EXPECT_THAT(memory_nodes(root_), ElementsAre(0, 1, 2, 5));
  EXPECT_EQ(node_memory(7, root_).error().message, "no NUMA node 7 with memory is here; there is 0, 1, 2, 5");
}

TEST_F(NumaNode, PageCacheThatCanBeDroppedIsAvailable) {
  put("has_memory", "1\n");
  put("node1/meminfo",
      "Node 1 MemTotal:       16384 kB\nNode 1 MemFree:        1000 kB\nNode 1 Active(anon):   5000 kB\n"
      "Node 1 Active(file):    200 kB\nNode 1 Inactive(file):   30 kB\n");
  const auto memory = node_memory(1, root_);
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->bytes, 16384U * 1024);
  EXPECT_EQ(memory->available_bytes, 1230U * 1024);
}

TEST(NumaNodeHere, BindsToItsOwnNodesAlone) {
  ASSERT_FALSE(memory_nodes().empty());
  const unsigned node = memory_nodes().front();
  EXPECT_GT(node_memory(node)->available_bytes, 0U);
  void* memory = ::mmap(nullptr, kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  EXPECT_EQ(bind_to_node(memory, kMiB, node), 0);
  EXPECT_EQ(bind_to_node(memory, kMiB, 1023), EINVAL);
  EXPECT_EQ(keep_pages_on_their_nodes(memory, kMiB), 0);
  *static_cast<volatile char*>(memory) = 1;
  ::munmap(memory, kMiB);
}

}  // namespace
}  // namespace deeptm

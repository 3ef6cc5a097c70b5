/* SPDX-License-Identifier: Apache-2.0 */
/* What an adapter does, in little: 64 buffers of 1 MiB within 16 MiB of fast memory, each written by one kernel and
 * read by another. */
#include <deeptm/runtime.h>
#include <stdint.h>
#include <stdio.h>

enum { kBuffers = 64, kWords = (1 << 20) / sizeof(uint32_t) };

static void print(int level, const char* message) {
  if (level != DEEPTM_LOG_INFO) fprintf(stderr, "%s\n", message);
}

static uint32_t word(uint32_t buffer, uint32_t index) { return buffer * 2654435761u + index; }

int main(void) {
  char error[256];
  deeptm_runtime* runtime =
      deeptm_create("{\"fast_bytes\": 16777216, \"chunk_bytes\": 262144, \"workers\": 2}", print, error, sizeof error);
  if (runtime == NULL) {
    fprintf(stderr, "%s\n", error);
    return 1;
  }
  const uint32_t write = deeptm_register_kernel(runtime, "write", "Write", "{}");
  const uint32_t read = deeptm_register_kernel(runtime, "read", "Read", "{}");
  uint32_t* buffers[kBuffers];
  uint32_t wrong = 0;
  for (uint32_t b = 0; b < kBuffers; ++b) {
    deeptm_scope scope;
    deeptm_kernel_begin(runtime, &scope, write, 1, NULL, 0);
    buffers[b] = deeptm_allocate(runtime, sizeof(uint32_t) * kWords, 64);
    if (buffers[b] == NULL) {
      fprintf(stderr, "%s\n", deeptm_last_error());
      return 1;
    }
    for (uint32_t i = 0; i < kWords; ++i) buffers[b][i] = word(b, i);
    const deeptm_access output = {
        .base = buffers[b], .bytes = sizeof(uint32_t) * kWords, .flags = DEEPTM_WRITE | DEEPTM_OUTPUT};
    deeptm_kernel_end(runtime, &scope, &output, 1);
  }
  for (uint32_t b = 0; b < kBuffers; ++b) {
    deeptm_scope scope;
    const deeptm_access input = {.base = buffers[b], .bytes = sizeof(uint32_t) * kWords, .flags = DEEPTM_READ};
    deeptm_kernel_begin(runtime, &scope, read, 1, &input, 1);
    for (uint32_t i = 0; i < kWords; ++i) wrong += buffers[b][i] != word(b, i);
    deeptm_kernel_end(runtime, &scope, NULL, 0);
    deeptm_free(runtime, buffers[b]);
  }
  deeptm_destroy(runtime);
  printf("deeptm %s: %d buffers of 1 MiB in 16 MiB, %u wrong words\n", deeptm_version(), kBuffers, wrong);
  return wrong != 0;
}

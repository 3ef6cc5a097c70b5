/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C interface between a framework adapter and DeepTM.
 *
 * An adapter creates one runtime, lets it own every tensor buffer of the framework, and announces each kernel
 * before and after it runs. It needs nothing else of DeepTM, and DeepTM needs nothing else of the framework.
 *
 * Addresses never change: a buffer keeps its address from deeptm_allocate to deeptm_free, wherever its bytes are.
 * All functions are thread-safe and none throws. None prints: messages go to the log function of deeptm_create.
 */
#ifndef DEEPTM_RUNTIME_H_
#define DEEPTM_RUNTIME_H_

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define DEEPTM_API __attribute__((visibility("default")))
#else
#define DEEPTM_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Changes whenever a structure or function below does; the adapter compares it with deeptm_abi_version(). */
#define DEEPTM_ABI_VERSION 1

typedef struct deeptm_runtime deeptm_runtime;

enum deeptm_log_level { DEEPTM_LOG_INFO = 0, DEEPTM_LOG_WARNING = 1, DEEPTM_LOG_ERROR = 2 };

/* Receives one line without newline. May be called from any thread; must not call back into the runtime. */
typedef void (*deeptm_log_fn)(int level, const char* message);

enum deeptm_access_flag {
  DEEPTM_READ = 1,
  DEEPTM_WRITE = 2,
  DEEPTM_VARIABLE = 4, /* the buffer belongs to a resource variable (weights, optimizer state) */
  DEEPTM_OUTPUT = 8    /* an output of the kernel */
};

/* One buffer that a kernel touches. */
typedef struct deeptm_access {
  const void* base;     /* first byte of the buffer (of the root buffer, for a view); may be foreign memory */
  size_t bytes;         /* size of that buffer */
  uint32_t flags;       /* deeptm_access_flag, combined */
  uint32_t rank;        /* dimensions of the tensor; only while recording, else 0 */
  const int64_t* shape; /* rank extents; only while recording, else NULL */
  const char* dtype;    /* framework's name of the element type; only while recording, else NULL */
} deeptm_access;

/* Room that the caller keeps (on its stack, or in its callback) from deeptm_kernel_begin to deeptm_kernel_end. */
typedef struct deeptm_scope {
  uint64_t opaque[8];
} deeptm_scope;

DEEPTM_API uint32_t deeptm_abi_version(void);
DEEPTM_API const char* deeptm_version(void);

/*
 * Creates the runtime from a JSON configuration (docs/configuration.md names the fields).
 * Returns NULL on failure and writes one line into error (error_bytes long, always terminated).
 * At most one runtime may exist in a process at a time.
 */
DEEPTM_API deeptm_runtime* deeptm_create(const char* config_json, deeptm_log_fn log, char* error, size_t error_bytes);

/* Writes out what is recorded, publishes final statistics, ends the threads. Buffers must not be touched any more. */
DEEPTM_API void deeptm_destroy(deeptm_runtime*);

/* Writes out recordings and final statistics but keeps serving: for process exit, when tensors may still be touched. */
DEEPTM_API void deeptm_flush(deeptm_runtime*);

/*
 * Returns bytes of uninitialised memory aligned to alignment (a power of two), or NULL when fast and slow memory
 * together cannot hold them; deeptm_last_error then says why, on the same thread. bytes == 0 gives a unique pointer.
 */
DEEPTM_API void* deeptm_allocate(deeptm_runtime*, size_t bytes, size_t alignment);
DEEPTM_API void deeptm_free(deeptm_runtime*, void* buffer);
DEEPTM_API int deeptm_owns(const deeptm_runtime*, const void* address);
/* Bytes asked for at allocation; 0 for a foreign pointer. */
DEEPTM_API size_t deeptm_requested_bytes(const deeptm_runtime*, const void* buffer);
DEEPTM_API const char* deeptm_last_error(void);

/*
 * Registers a kernel of the framework and returns its number. name is its unique name in the framework's graph, type
 * its operation, attributes_json a JSON object of what is needed to count its FLOPs ("{}" if nothing).
 */
DEEPTM_API uint32_t deeptm_register_kernel(deeptm_runtime*, const char* name, const char* type,
                                           const char* attributes_json);

/* 1 while kernels are being recorded, so that accesses should carry shapes and types. */
DEEPTM_API int deeptm_recording(const deeptm_runtime*);

/*
 * A kernel is about to run on this thread, or (asynchronous kernels) to be started from it, as part of the
 * framework's step `step`. Until deeptm_kernel_end its buffers are the last to leave fast memory.
 */
DEEPTM_API void deeptm_kernel_begin(deeptm_runtime*, deeptm_scope*, uint32_t kernel, int64_t step,
                                    const deeptm_access* inputs, size_t input_count);

/*
 * The kernel has run; its outputs are named now because they exist only now. For asynchronous kernels the
 * adapter calls deeptm_kernel_detach on the starting thread as soon as the start returns.
 */
DEEPTM_API void deeptm_kernel_end(deeptm_runtime*, deeptm_scope*, const deeptm_access* outputs, size_t output_count);

/* The starting thread of an asynchronous kernel goes on to other work; the scope stays open until deeptm_kernel_end. */
DEEPTM_API void deeptm_kernel_detach(deeptm_runtime*, deeptm_scope*);

#ifdef __cplusplus
}
#endif
#endif /* DEEPTM_RUNTIME_H_ */

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be preloaded: makes one of libdeeptm.so's own calls fail.
 *
 *   DEEPTM_FAULT=NAME:N:ERRNO     the N-th call of NAME fails with that number; N+ : and all after it
 *   DEEPTM_FAULT=NAME:N-M:ERRNO   those from the N-th to the M-th do
 *   DEEPTM_FAULT=NAME:N:short     it reads or writes half of what was asked for
 *   DEEPTM_FAULT_COUNTS=FILE      at exit, how often each was called: a line "NAME COUNT"
 *   DEEPTM_DELAYS=SEED            before and after it holds a lock it sometimes waits, now longer and now shorter
 *   DEEPTM_FAULT_IN=program       the calls of the program itself are meant, not those of the library
 *
 * NAME is the function, for ioctl and syscall that and what is asked ("ioctl.UFFDIO_MOVE", "syscall.mbind"),
 * "completion" a result of io_uring. Only calls from within libdeeptm.so count: what the program, the C library and
 * liburing ask for themselves works.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>
#include <link.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  kMmap,
  kMadvise,
  kMremap,
  kMincore,
  kOpen,
  kCloseRange,
  kRead,
  kWrite,
  kPread,
  kPwrite,
  kPreadv,
  kPwritev,
  kFallocate,
  kFtruncate,
  kPoll,
  kEventfd,
  kUffdApi,
  kUffdRegister,
  kUffdWake,
  kUffdMove,
  kUffdZeropage,
  kUffdNew,
  kOtherIoctl,
  kSysUserfaultfd,
  kSysMbind,
  kOtherSyscall,
  kThread,
  kRingInit,
  kRingDontfork,
  kRingSubmit,
  kCompletion,
  kCalls
};
static const char* const kNames[kCalls] = {"mmap",
                                           "madvise",
                                           "mremap",
                                           "mincore",
                                           "open",
                                           "close_range",
                                           "read",
                                           "write",
                                           "pread",
                                           "pwrite",
                                           "preadv",
                                           "pwritev",
                                           "fallocate",
                                           "ftruncate",
                                           "poll",
                                           "eventfd",
                                           "ioctl.UFFDIO_API",
                                           "ioctl.UFFDIO_REGISTER",
                                           "ioctl.UFFDIO_WAKE",
                                           "ioctl.UFFDIO_MOVE",
                                           "ioctl.UFFDIO_ZEROPAGE",
                                           "ioctl.USERFAULTFD_IOC_NEW",
                                           "ioctl.other",
                                           "syscall.userfaultfd",
                                           "syscall.mbind",
                                           "syscall.other",
                                           "pthread_create",
                                           "io_uring_queue_init",
                                           "io_uring_ring_dontfork",
                                           "io_uring_submit_and_wait",
                                           "completion"};

enum { kShort = -1 };

static atomic_ulong counts[kCalls];
static uintptr_t library_begin, library_end;
static int target = -1, fault;
static unsigned long target_call, last_call, delays;

static int find_library(struct dl_phdr_info* info, size_t size, void* unused) {
  (void)size, (void)unused;
  const char* in = getenv("DEEPTM_FAULT_IN");
  const int wanted = in != NULL ? info->dlpi_name[0] == '\0' : strstr(info->dlpi_name, "libdeeptm.so") != NULL;
  if (!wanted) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)* part = &info->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0) continue;
    library_begin = info->dlpi_addr + part->p_vaddr;
    library_end = library_begin + part->p_memsz;
  }
  return 1;
}

__attribute__((constructor)) static void prepare(void) {
  dl_iterate_phdr(find_library, NULL);
  const char* seed = getenv("DEEPTM_DELAYS");
  if (seed != NULL) delays = strtoul(seed, NULL, 10);
  const char* asked = getenv("DEEPTM_FAULT");
  if (asked == NULL) return;
  char name[64], number[16], what[16];
  if (sscanf(asked, "%63[^:]:%15[^:]:%15s", name, number, what) != 3) {
    fprintf(stderr, "DEEPTM_FAULT=%s: write NAME:N:ERRNO\n", asked);
    _exit(99);
  }
  for (int i = 0; i < kCalls; ++i) {
    if (strcmp(kNames[i], name) == 0) target = i;
  }
  target_call = strtoul(number, NULL, 10);
  const char* to = strchr(number, '-');
  last_call = to != NULL ? strtoul(to + 1, NULL, 10) : strchr(number, '+') != NULL ? -1UL : target_call;
  fault = strcmp(what, "short") == 0 ? kShort : atoi(what);
  if (target < 0 || fault == 0) {
    fprintf(stderr, "DEEPTM_FAULT=%s: no such call or number\n", asked);
    _exit(99);
  }
}

__attribute__((destructor)) static void tell(void) {
  const char* name = getenv("DEEPTM_FAULT_COUNTS");
  FILE* file = name != NULL ? fopen(name, "w") : NULL;
  if (file == NULL) return;
  for (int i = 0; i < kCalls; ++i) fprintf(file, "%s %lu\n", kNames[i], counts[i]);
  fclose(file);
}

/* 0: the call works. */
static int fault_of_next(int call) {
  const unsigned long number = 1 + atomic_fetch_add(&counts[call], 1);
  return call == target && number >= target_call && number <= last_call ? fault : 0;
}

static int fault_of(int call, const void* caller) {
  const uintptr_t at = (uintptr_t)caller;
  return at >= library_begin && at < library_end ? fault_of_next(call) : 0;
}
#define FAULT(call) fault_of(call, __builtin_return_address(0))

/* System calls as they are: the functions below have the names of those that would make them. */
static long raw(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
static long with_errno(long result) {
  if (result >= 0 || result < -4095) return result;
  errno = (int)-result;
  return -1;
}
static long failed(int code) {
  errno = code;
  return -1;
}

void* mmap(void* at, size_t bytes, int protection, int flags, int file, off_t offset) {
  const int code = FAULT(kMmap);
  return (void*)(code ? failed(code)
                      : with_errno(raw(SYS_mmap, (long)at, (long)bytes, protection, flags, file, offset)));
}

int madvise(void* at, size_t bytes, int advice) {
  const int code = FAULT(kMadvise);
  return (int)(code ? failed(code) : with_errno(raw(SYS_madvise, (long)at, (long)bytes, advice, 0, 0, 0)));
}

void* mremap(void* at, size_t bytes, size_t new_bytes, int flags, ...) {
  const int code = FAULT(kMremap);
  va_list rest;
  va_start(rest, flags);
  void* to = va_arg(rest, void*);
  va_end(rest);
  return (void*)(code ? failed(code)
                      : with_errno(raw(SYS_mremap, (long)at, (long)bytes, (long)new_bytes, flags, (long)to, 0)));
}

int mincore(void* at, size_t bytes, unsigned char* there) {
  const int code = FAULT(kMincore);
  return (int)(code ? failed(code) : with_errno(raw(SYS_mincore, (long)at, (long)bytes, (long)there, 0, 0, 0)));
}

int open(const char* path, int flags, ...) {
  const int code = FAULT(kOpen);
  va_list rest;
  va_start(rest, flags);
  const int mode = va_arg(rest, int);
  va_end(rest);
  return (int)(code ? failed(code) : with_errno(raw(SYS_openat, -100, (long)path, flags, mode, 0, 0)));
}

int close_range(unsigned first, unsigned last, int flags) {
  const int code = FAULT(kCloseRange);
  return (int)(code ? failed(code) : with_errno(raw(SYS_close_range, first, last, flags, 0, 0, 0)));
}

ssize_t read(int file, void* to, size_t bytes) {
  const int code = FAULT(kRead);
  return code > 0 ? failed(code) : with_errno(raw(SYS_read, file, (long)to, (long)bytes, 0, 0, 0));
}

ssize_t write(int file, const void* from, size_t bytes) {
  const int code = FAULT(kWrite);
  return code > 0 ? failed(code) : with_errno(raw(SYS_write, file, (long)from, (long)bytes, 0, 0, 0));
}

/* Half, in whole blocks: direct I/O takes no other. */
static size_t half(size_t bytes) { return bytes / 2 & ~(size_t)4095; }

ssize_t pread(int file, void* to, size_t bytes, off_t offset) {
  const int code = FAULT(kPread);
  return code > 0 ? failed(code)
                  : with_errno(raw(SYS_pread64, file, (long)to, (long)(code ? half(bytes) : bytes), offset, 0, 0));
}

ssize_t pwrite(int file, const void* from, size_t bytes, off_t offset) {
  const int code = FAULT(kPwrite);
  return code > 0 ? failed(code)
                  : with_errno(raw(SYS_pwrite64, file, (long)from, (long)(code ? half(bytes) : bytes), offset, 0, 0));
}

ssize_t preadv(int file, const struct iovec* parts, int count, off_t offset) {
  const int code = FAULT(kPreadv);
  return code > 0 ? failed(code) : with_errno(raw(SYS_preadv, file, (long)parts, code ? 1 : count, offset, 0, 0));
}

ssize_t pwritev(int file, const struct iovec* parts, int count, off_t offset) {
  const int code = FAULT(kPwritev);
  return code > 0 ? failed(code) : with_errno(raw(SYS_pwritev, file, (long)parts, code ? 1 : count, offset, 0, 0));
}

int fallocate(int file, int mode, off_t from, off_t bytes) {
  const int code = FAULT(kFallocate);
  return (int)(code ? failed(code) : with_errno(raw(SYS_fallocate, file, mode, from, bytes, 0, 0)));
}

int ftruncate(int file, off_t bytes) {
  const int code = FAULT(kFtruncate);
  return (int)(code ? failed(code) : with_errno(raw(SYS_ftruncate, file, bytes, 0, 0, 0, 0)));
}

int poll(struct pollfd* watched, nfds_t count, int timeout) {
  const int code = FAULT(kPoll);
  return (int)(code ? failed(code) : with_errno(raw(SYS_poll, (long)watched, (long)count, timeout, 0, 0, 0)));
}

int eventfd(unsigned count, int flags) {
  const int code = FAULT(kEventfd);
  return (int)(code ? failed(code) : with_errno(raw(SYS_eventfd2, count, flags, 0, 0, 0, 0)));
}

int ioctl(int file, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  int call = kOtherIoctl;
  if (request == UFFDIO_API) call = kUffdApi;
  if (request == UFFDIO_REGISTER) call = kUffdRegister;
  if (request == UFFDIO_WAKE) call = kUffdWake;
  if (request == 0xc028aa05) call = kUffdMove; /* UFFDIO_MOVE, younger than some headers */
  if (request == UFFDIO_ZEROPAGE) call = kUffdZeropage;
  if (request == 0xaa00) call = kUffdNew;
  const int code = FAULT(call);
  if (code != 0 && call == kUffdMove)
    ((int64_t*)argument)[4] = -code; /* as the kernel does: how many bytes it moved, or -errno */
  return (int)(code ? failed(code) : with_errno(raw(SYS_ioctl, file, (long)request, (long)argument, 0, 0, 0)));
}

long syscall(long number, ...) {
  va_list rest;
  long argument[6];
  va_start(rest, number);
  for (int i = 0; i < 6; ++i) argument[i] = va_arg(rest, long);
  va_end(rest);
  const int call = number == SYS_userfaultfd ? kSysUserfaultfd : number == SYS_mbind ? kSysMbind : kOtherSyscall;
  /* The C++ library's own waiting is not a request that can be refused. */
  const int code = number == SYS_futex ? 0 : FAULT(call);
  return code ? failed(code)
              : with_errno(raw(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]));
}

/* The real function goes to *real, a pointer to one. */
static void find_next(const char* name, void* real) {
  void* found = dlsym(RTLD_NEXT, name);
  if (found == NULL) _exit(98);
  memcpy(real, &found, sizeof found);
}

/* Threads meet otherwise than they would: the same numbers each time, the meetings not. */
static void delay(const void* caller) {
  static _Thread_local unsigned long state;
  const uintptr_t at = (uintptr_t)caller;
  if (delays == 0 || at < library_begin || at >= library_end) return;
  if (state == 0) state = delays * 0x9e3779b97f4a7c15 + (unsigned long)gettid();
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  if (state % 4 == 0) sched_yield();
  if (state % 64 == 1) usleep((useconds_t)(state >> 32) % 300);
}
#define DELAY() delay(__builtin_return_address(0))

int pthread_mutex_lock(pthread_mutex_t* mutex) {
  static int (*real)(pthread_mutex_t*);
  if (real == NULL) find_next("pthread_mutex_lock", &real);
  DELAY();
  return real(mutex);
}

int pthread_mutex_unlock(pthread_mutex_t* mutex) {
  static int (*real)(pthread_mutex_t*);
  if (real == NULL) find_next("pthread_mutex_unlock", &real);
  const int result = real(mutex);
  DELAY();
  return result;
}

/* The C++ library's threads are the library's, and in a program that has no other. */
int pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*body)(void*), void* argument) {
  static int (*real)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  if (real == NULL) find_next("pthread_create", &real);
  const int code = fault_of_next(kThread);
  return code ? code : real(thread, how, body, argument);
}

int io_uring_queue_init(unsigned entries, struct io_uring* ring, unsigned flags) {
  static int (*real)(unsigned, struct io_uring*, unsigned);
  if (real == NULL) find_next("io_uring_queue_init", &real);
  const int code = FAULT(kRingInit);
  return code ? -code : real(entries, ring, flags);
}

int io_uring_ring_dontfork(struct io_uring* ring) {
  static int (*real)(struct io_uring*);
  if (real == NULL) find_next("io_uring_ring_dontfork", &real);
  const int code = FAULT(kRingDontfork);
  return code ? -code : real(ring);
}

int io_uring_submit_and_wait(struct io_uring* ring, unsigned wanted) {
  static int (*real)(struct io_uring*, unsigned);
  if (real == NULL) find_next("io_uring_submit_and_wait", &real);
  const int code = FAULT(kRingSubmit);
  if (code != 0) return -code;
  /* Results that were there before have been seen before: the caller takes all of them each time. */
  const int result = real(ring, wanted);
  const unsigned end = atomic_load_explicit((_Atomic unsigned*)ring->cq.ktail, memory_order_acquire);
  for (unsigned at = *ring->cq.khead; at != end; ++at) {
    struct io_uring_cqe* entry = &ring->cq.cqes[at & *ring->cq.kring_mask];
    const int its_fault = fault_of_next(kCompletion);
    if (its_fault > 0) entry->res = -its_fault;
    if (its_fault == kShort && entry->res > 4096) entry->res = (int)half((size_t)entry->res);
  }
  return result;
}

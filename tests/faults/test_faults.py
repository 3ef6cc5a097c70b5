# SPDX-License-Identifier: Apache-2.0
"""One failing call at a time: a small training in a quarter of its memory, run again and again, each time with another of the library's own
calls failing. However it goes on, no word is wrong, nothing hangs, and no end is without a line that says why.

A few calls of each kind here; DEEPTM_FAULTS=all fails every one, of one step and in larger chunks, which are some ten thousand."""

import collections
import concurrent.futures
import errno
import functools
import json
import os
import pathlib
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("DEEPTM_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
ALL = os.environ.get("DEEPTM_FAULTS") == "all"
STEPS = 1 if ALL else 3
CHUNK_BYTES = 1 << (18 if ALL else 16)
ENDS = {0: "right", 3: "no runtime", 4: "refused", 74: "ended"}
SAYS = {3: "no runtime: ", 4: "refused: ", 74: "so it ends here"}
FAULTS = {
    "pread": ("EIO", "EINTR", "EAGAIN", "short"), "pwrite": ("EIO", "ENOSPC", "EINTR", "EAGAIN", "short"),
    "preadv": ("EIO", "EINTR", "EAGAIN", "short"), "pwritev": ("EIO", "ENOSPC", "EINTR", "EAGAIN", "short"),
    "completion": ("EIO", "ENOSPC", "EINTR", "EAGAIN", "short"), "io_uring_submit_and_wait": ("EINTR", "EAGAIN", "EBUSY", "EIO"),
    "io_uring_queue_init": ("ENOMEM", "EMFILE", "EPERM"), "io_uring_ring_dontfork": ("ENOMEM",),
    "fallocate": ("ENOSPC", "EINTR", "EOPNOTSUPP", "EIO"), "ftruncate": ("EIO",), "open": ("EMFILE", "EACCES"), "close_range": ("ENOSYS", "EPERM"),
    "mmap": ("ENOMEM",), "pthread_create": ("EAGAIN",), "madvise": ("ENOMEM", "EAGAIN"), "mremap": ("ENOMEM", "EFAULT"), "mincore": ("EAGAIN",),
    "ioctl.UFFDIO_MOVE": ("EBUSY", "EAGAIN", "ENOMEM"), "ioctl.UFFDIO_REGISTER": ("ENOMEM",), "ioctl.UFFDIO_WAKE": ("EAGAIN",),
    "ioctl.UFFDIO_ZEROPAGE": ("ENOMEM", "EAGAIN"), "ioctl.UFFDIO_API": ("EINVAL",), "ioctl.USERFAULTFD_IOC_NEW": ("EPERM",),
    "syscall.userfaultfd": ("EPERM", "EMFILE"), "syscall.mbind": ("EPERM",), "syscall.other": ("EPERM", "ENOSYS"),
    "poll": ("EINTR",), "read": ("EAGAIN", "EINTR"), "eventfd": ("EMFILE",),
}
TIERS = {
    "uring, move, planned": {"io": "uring", "remap": "move"},
    "uring, move": {"io": "uring", "remap": "move"},
    "threads, move": {"io": "threads", "remap": "move"},
    "uring, mremap": {"io": "uring", "remap": "mremap"},
    "memory": {"slow": "memory"},
}
FRAMEWORK = "faulty 1"
FAST_BYTES = 6 << 20
ON_A_DISK = os.environ.get("DEEPTM_SLOW_DIR", "/var/tmp")  # pytest's own folders may be in memory


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Fields of a configuration that follows a plan of the small training, from its first step on."""
    folder = tmp_path_factory.mktemp("plan")
    graph, plan = folder / "step.graph.json.zst", folder / "plan.json"
    recorded = json.dumps({"fast_percent": 100, "slow": "memory", "record_file": str(graph), "record_steps": 1, "framework": FRAMEWORK})
    subprocess.run([BUILD / "bin/faulty_step", recorded, "5"], check=True, capture_output=True)
    subprocess.run([BUILD / "bin/deeptm", "plan", graph, "--machine", "nvme", "--mode", "async", "--policy", "lru", "--fast",
                    str(FAST_BYTES), "-o", plan], check=True, capture_output=True)
    return {"plan_file": str(plan), "graph_file": str(graph), "machine_file": "nvme"}


def config(tier, plan, **more):
    fields = {"fast_bytes": FAST_BYTES, "chunk_bytes": CHUNK_BYTES, "workers": 2, "slow_directory": ON_A_DISK, "framework": FRAMEWORK}
    return json.dumps(fields | TIERS[tier] | (plan if "planned" in tier else {}) | more)


def step(settings, fault=None, counts=None, delays=None):
    environment = os.environ | {"LD_PRELOAD": str(BUILD / "lib/libfault_injector.so")}
    if delays:
        environment["DEEPTM_DELAYS"] = str(delays)
    if fault:
        environment["DEEPTM_FAULT"] = fault
    if counts:
        environment["DEEPTM_FAULT_COUNTS"] = str(counts)
    command = [BUILD / "bin/faulty_step", settings, str(STEPS)]
    return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=60)


def end_of(settings, fault):
    """The name of a good end, or what is wrong with it."""
    try:
        done = step(settings, fault)
    except subprocess.TimeoutExpired:
        return "hangs"
    name = ENDS.get(done.returncode)
    if name and SAYS.get(done.returncode, "") in done.stderr and (name != "right" or done.stdout == "right\n"):
        return name
    return f"exit code {done.returncode}, {done.stdout!r}, {done.stderr[-300:]!r}"


def chosen(count):
    """Which calls fail: the first few, then ever fewer of them; all with DEEPTM_FAULTS=all."""
    if ALL:
        return range(1, count + 1)
    few = range(1, count + 1) if count <= 16 else [1, 2, count // 3, count]
    return sorted({number for number in few if 1 <= number <= count})


@pytest.mark.parametrize("tier", TIERS)
def test_every_single_fault_ends_well(tier, plan, tmp_path):
    settings = config(tier, plan)
    whole = step(settings, counts=tmp_path / "counts")
    assert (whole.returncode, whole.stdout) == (0, "right\n"), whole.stderr
    calls = {name: int(count) for name, count in map(str.split, (tmp_path / "counts").read_text().splitlines())}
    assert sum(calls.values()) > 500
    assert ("plan: a step of training" in whole.stderr) == ("planned" in tier)
    faults = [f"{name}:{number}:{code if code == 'short' else getattr(errno, code)}"
              for name, codes in FAULTS.items() for number in chosen(calls[name]) for code in codes]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(functools.partial(end_of, settings), faults))
    bad = [(fault, end) for fault, end in zip(faults, ends) if end not in ENDS.values()]
    counts = collections.Counter(end for end in ends if end in ENDS.values())
    ended = collections.Counter(fault.split(":")[0] for fault, end in zip(faults, ends) if end == "ended")
    print(f"{tier}: {len(faults)} faults, {dict(counts)}, ended by {dict(ended)}")
    assert not bad
    assert counts["right"] > 20


@pytest.mark.parametrize("fault", [f"completion:40+:{errno.ENOSPC}", f"completion:60+:{errno.EIO}", f"ioctl.UFFDIO_MOVE:50+:{errno.EBUSY}"])
def test_a_fault_that_stays_ends_well(fault, plan):
    """A disk that stays full or broken, pages that stay pinned: no hang, no wrong word."""
    assert end_of(config("uring, move, planned", plan), fault) in ENDS.values()


def test_memory_for_frames_that_comes_late():
    """Everything fits, so that nothing is there that could leave."""
    settings = config("uring, move", None, fast_bytes=64 << 20)
    assert end_of(settings, f"mmap:12-60:{errno.ENOMEM}") == "right"
    assert end_of(settings, f"mmap:12+:{errno.ENOMEM}") == "ended"


@pytest.mark.parametrize("tier", TIERS)
def test_delays_at_every_lock_change_nothing(tier, plan):
    settings = config(tier, plan)
    for seed in range(1, 1 + int(os.environ.get("DEEPTM_DELAY_SEEDS", 3))):
        done = step(settings, delays=seed)
        assert (done.returncode, done.stdout) == (0, "right\n"), (seed, done.stderr)


def test_delays_at_every_lock_of_threads_that_share_memory():
    environment = os.environ | {"LD_PRELOAD": str(BUILD / "lib/libfault_injector.so"), "DEEPTM_DELAYS": "7", "DEEPTM_FAULT_IN": "program"}
    command = [BUILD / "bin/memory_stress_test", "--gtest_brief=1", "--gtest_filter=*/MovePlanned"]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stdout

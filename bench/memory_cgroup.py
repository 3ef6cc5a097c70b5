# SPDX-License-Identifier: Apache-2.0
"""A memory cgroup (version 1 or 2) for one command, and a swap file beside it. Both need root."""

import contextlib
import os
import pathlib
import subprocess
import tempfile
import time

ROOT = pathlib.Path("/sys/fs/cgroup")


class MemoryCgroup:
    """Use as a context; OSError where none can be made. `enter` is for subprocess's preexec_fn."""

    def __init__(self, name):
        self.version = 1 if (ROOT / "memory").is_dir() else 2
        self.folder = self._parent() / f"{name}-{os.getpid()}"

    def _parent(self):
        if self.version == 2:
            return ROOT  # a version 2 group that holds processes can't have groups below it, except the root
        groups = dict(line.split(":", 2)[1:] for line in open("/proc/self/cgroup"))
        return ROOT / "memory" / groups.get("memory", "/").strip().lstrip("/")

    def __enter__(self):
        self.folder.mkdir()
        try:
            self.limit(1 << 40)
        except OSError:
            self.folder.rmdir()
            raise
        return self

    def __exit__(self, *_):
        self.wait_until_empty()
        self.folder.rmdir()

    def wait_until_empty(self):
        """Until what was killed in it is gone."""
        while (self.folder / "cgroup.procs").read_text():
            time.sleep(0.01)

    def limit(self, limit_bytes, swap=False):
        """Memory of all kinds, page cache included. Without `swap` nothing may go to a swap file."""
        self._write("memory.limit_in_bytes" if self.version == 1 else "memory.max", limit_bytes)
        if self.version == 2:
            self._write("memory.swap.max", "max" if swap else 0)
        else:
            self._write("memory.swappiness", 60 if swap else 0)

    def used_bytes(self):
        return int((self.folder / ("memory.usage_in_bytes" if self.version == 1 else "memory.current")).read_text())

    def start_peak(self):
        """peak_bytes() counts from here; what nobody of the group uses any more, such as cached files, goes first."""
        if self.version == 1:
            self._write("memory.force_empty", 0)
            self._write("memory.max_usage_in_bytes", 0)
        else:
            with contextlib.suppress(OSError):  # not all could be had back
                self._write("memory.reclaim", 1 << 40)
            self._write("memory.peak", 0)  # Linux 6.12

    def peak_bytes(self):
        """Most memory of all kinds that the group has had since start_peak()."""
        return int((self.folder / ("memory.max_usage_in_bytes" if self.version == 1 else "memory.peak")).read_text())

    def enter(self):
        self._write("cgroup.procs", os.getpid())

    def _write(self, name, value):
        (self.folder / name).write_text(str(value))


@contextlib.contextmanager
def swap_file(size_bytes, folder="/var/tmp"):
    """Adds a swap file to the machine for a while; OSError or CalledProcessError where that can't be."""
    handle, name = tempfile.mkstemp(prefix="swap-", dir=folder)
    try:
        os.posix_fallocate(handle, 0, size_bytes)
        os.close(handle)
        subprocess.run(["mkswap", name], check=True, capture_output=True)
        subprocess.run(["swapon", name], check=True, capture_output=True)
        try:
            yield name
        finally:
            subprocess.run(["swapoff", name], check=True, capture_output=True)
    finally:
        os.unlink(name)

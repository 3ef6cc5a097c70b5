# SPDX-License-Identifier: Apache-2.0
"""What the disk of a folder does by direct I/O, as the file tier uses it: reading, writing, and both at once."""

import concurrent.futures
import contextlib
import json
import mmap
import os
import signal
import subprocess
import tempfile
import time

PIECE = 2 << 20
FILE_BYTES = 1 << 30
THREADS = 4  # each way


@contextlib.contextmanager
def _direct_file(folder):
    """The handle of a written file, open for direct I/O. What was never written would be read without the disk."""
    handle, name = tempfile.mkstemp(prefix="disk-", dir=folder)
    os.close(handle)
    handle = os.open(name, os.O_RDWR | os.O_DIRECT)
    os.unlink(name)
    try:
        with mmap.mmap(-1, PIECE) as buffer:
            buffer.write(os.urandom(PIECE))
            for offset in range(0, FILE_BYTES, PIECE):
                os.pwritev(handle, [buffer], offset)
        yield handle
    finally:
        os.close(handle)


def _transfer(handle, call, thread, end):
    """Bytes per second of one thread until `end`; its pieces are every THREADS-th of the file."""
    began, done = time.perf_counter(), 0
    with mmap.mmap(-1, PIECE) as buffer:
        buffer.write(os.urandom(PIECE))
        while (now := time.perf_counter()) < end:
            call(handle, [buffer], (thread * PIECE + done * THREADS) % FILE_BYTES)
            done += PIECE
    return done / (now - began)


def _rate(handle, calls, seconds):
    end = time.perf_counter() + seconds
    with concurrent.futures.ThreadPoolExecutor(len(calls) * THREADS) as pool:
        transfers = [pool.submit(_transfer, handle, call, thread, end) for call in calls for thread in range(THREADS)]
        return sum(transfer.result() for transfer in transfers)


def rates(folder, seconds=1.0):
    """Bytes per second: "read", "write", and "both", the sum of reading and writing at once."""
    with _direct_file(folder) as handle:
        ways = {"read": (os.preadv,), "write": (os.pwritev,), "both": (os.preadv, os.pwritev)}
        return {name: _rate(handle, calls, seconds) for name, calls in ways.items()}


class Transfers:
    """Meanwhile fio reads and writes so much a second by direct I/O, if the disk can; then `rate` is what it did."""

    def __init__(self, folder, bytes_per_second):
        self._folder, self._wanted, self.rate = folder, int(bytes_per_second), None

    def __enter__(self):
        jobs = [option for way in ("read", "write") for option in (f"--name={way}", f"--rw={way}")]
        self._directory = tempfile.TemporaryDirectory(prefix="disk-", dir=self._folder)
        command = ["fio", f"--directory={self._directory.name}", f"--size={FILE_BYTES}", f"--bs={PIECE}", "--iodepth=4", "--direct=1"]
        command += ["--ioengine=io_uring", f"--rate={self._wanted}", "--time_based", "--runtime=1d", "--output-format=json", *jobs]
        self._fio = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return self

    def __exit__(self, *_):
        self._fio.send_signal(signal.SIGINT)
        report = self._fio.communicate()[0]
        self._directory.cleanup()
        jobs = json.loads(report[report.index("{") :])["jobs"]
        self.rate = {job["jobname"]: job[job["jobname"]]["bw_bytes"] for job in jobs}


def least_seconds(bytes_each_way, rate):
    """Time to read so many bytes and to write as many."""
    return max(bytes_each_way / rate["read"], bytes_each_way / rate["write"], 2 * bytes_each_way / rate["both"])

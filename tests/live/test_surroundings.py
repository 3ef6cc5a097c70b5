# SPDX-License-Identifier: Apache-2.0
"""Trainings in difficult surroundings: low limits, no huge pages, signals in plenty, children, a second one beside. They learn what stock does."""

import json
import os
import pathlib
import resource
import signal
import subprocess
import sys

import pytest

import limited
from small_training import FAST, IMPORTS, MODEL

COMMON = IMPORTS + MODEL + """
def tell(losses):
    print(json.dumps(losses + [float(np.sum(np.abs(w), dtype=np.float64)).hex() for w in model.get_weights()]), flush=True)
"""
PLAIN = COMMON + "tell(train(12))"
SIGNALS = COMMON + """
import signal
caught = 0
def count(number, frame):
    global caught
    caught += 1
signal.signal(signal.SIGALRM, count)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
losses = train(12)
signal.setitimer(signal.ITIMER_REAL, 0)
assert caught > 20, caught
tell(losses)
"""
CHILDREN = COMMON + """
import multiprocessing
def work(number):
    return int(np.arange(number).sum())
if __name__ == "__main__":
    losses = train(4)
    for way in ("fork", "spawn"):
        with multiprocessing.get_context(way).Pool(2) as pool:
            running = pool.map_async(work, range(1000))
            losses += train(4)
            assert sum(running.get(120)) == sum(work(number) for number in range(1000))
    tell(losses)
"""
CLOSED = COMMON + """
import os
losses = train(6)
os.closerange(3, 4096)
others = [open("other%d" % number, "w") for number in range(40)]
tell(losses + train(6))
assert not any(os.path.getsize(other.name) for other in others)
"""
SERVICE = COMMON + """
service = tf.data.experimental.service
dispatcher = service.DispatchServer()
worker = service.WorkerServer(service.WorkerConfig(dispatcher.target.split("://")[1]))
served = tf.data.Dataset.range(400).map(lambda number: tf.fill([64, 256], tf.cast(number, tf.float32)))
served = served.apply(service.distribute("parallel_epochs", dispatcher.target))
losses, total = [], 0.0
for rows_served in served.take(12):
    total += float(tf.reduce_sum(rows_served))
    losses += train(1)
assert total == 64 * 256 * sum(range(12)), total
tell(losses)
"""
# As many mappings as Linux gives a process but for a few hundred: each page is another kind than its neighbours.
MAPPINGS = COMMON + """
import mmap
losses = train(4)
most = int(open("/proc/sys/vm/max_map_count").read())
def mapped():
    return sum(1 for line in open("/proc/self/maps"))
pages = []
while mapped() < most - 400:
    for _ in range((most - 400 - mapped()) // 2 + 1):
        pages.append(mmap.mmap(-1, 4096, prot=mmap.PROT_READ if len(pages) % 2 else mmap.PROT_READ | mmap.PROT_WRITE))
losses += train(8)
assert mapped() > most - 500
tell(losses)
"""
THREADS = COMMON + """
import threading
def die():
    x = tf.random.stateless_normal([200, 200], [1, 2])
    y = [x @ x for _ in range(5)]
    raise SystemExit
losses = []
for _ in range(12):
    thread = threading.Thread(target=die)
    thread.start()
    losses += train(1)
    thread.join()
tell(losses)
"""


def last_line(text):
    return json.loads(text.splitlines()[-1])


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """What stock TensorFlow learns: the same whatever happens beside it."""
    script = tmp_path_factory.mktemp("stock") / "train.py"
    script.write_text(PLAIN)
    return last_line(subprocess.run([sys.executable, script], env=limited.environment(), check=True, capture_output=True, text=True).stdout)


@pytest.fixture
def begin(program, tmp_path):
    """begin(script, **options of Popen) -> the process of a run of it."""

    def started(text, *options, name="train.py", **how):
        (tmp_path / name).write_text(text)
        command = [program, "run", "--fast", FAST, *options, "--json", f"{name}.json", "--", sys.executable, name]
        return subprocess.Popen(command, cwd=tmp_path, env=limited.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)

    return started


def learned(process, tmp_path, name="train.py"):
    out, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert record["bytes_out"] > 0 and record["fast_peak_bytes"] <= record["fast_limit_bytes"]
    return last_line(out)


@pytest.mark.parametrize("what, script", [("signals", SIGNALS), ("children", CHILDREN), ("threads", THREADS), ("data service", SERVICE), ("mappings", MAPPINGS), ("closed handles", CLOSED)], ids=lambda value: value if len(value) < 20 else "")
def test_beside_training(what, script, begin, stock, tmp_path):
    assert learned(begin(script), tmp_path) == stock, what


def test_two_at_once(begin, stock, tmp_path):
    both = [begin(PLAIN, name=f"train{number}.py") for number in range(2)]
    for number, process in enumerate(both):
        assert learned(process, tmp_path, f"train{number}.py") == stock


def test_low_limits(begin, stock, tmp_path):
    def lower():
        for limit, least in ((resource.RLIMIT_NOFILE, 128), (resource.RLIMIT_MEMLOCK, 0), (resource.RLIMIT_FSIZE, 64 << 20)):
            resource.setrlimit(limit, (least, least))

    assert learned(begin(PLAIN, preexec_fn=lower), tmp_path) == stock


def test_no_room_for_the_slow_file_is_said(begin):
    """The file may not grow as far as is needed: TensorFlow raises its own exception, with our reason."""

    def lower():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))

    process = begin(PLAIN, preexec_fn=lower)
    _, errors = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "ResourceExhaustedError" in errors and "raise the limit with ulimit -f" in errors, errors


def test_without_huge_pages(begin, stock, tmp_path):
    def forbid():
        import ctypes

        PR_SET_THP_DISABLE = 41
        assert ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0

    assert learned(begin(PLAIN, preexec_fn=forbid), tmp_path) == stock


def test_checksums_of_slow_memory(begin, stock, tmp_path):
    assert learned(begin(PLAIN, "--verify-slow"), tmp_path) == stock


HALVES = COMMON + """
losses = train(4)
print(os.getpid(), flush=True)
sys.stdin.readline()
tell(losses + train(8))
"""


def go_on(process):
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.fixture
def half(cgroup, begin):
    """A training in the middle, which waits; its cgroup has much room."""
    cgroup.limit(4 << 30)
    process = begin(HALVES, preexec_fn=cgroup.enter, stdin=subprocess.PIPE)
    assert int(process.stdout.readline())
    return process


def test_a_cgroup_that_shrinks_while_it_runs(half, cgroup, stock, tmp_path):
    """Down to little more than is in use: the system takes back what can be had (page cache), training goes on."""
    cgroup.limit(cgroup.used_bytes() + (64 << 20))
    go_on(half)
    assert learned(half, tmp_path) == stock


def test_another_process_that_eats_the_memory(half, cgroup, stock, tmp_path):
    """All but little of what is free, and it goes on touching it."""
    eats = f"data = bytearray({(4 << 30) - cgroup.used_bytes() - (64 << 20)})\nprint('full', flush=True)\nwhile True: data[::4096] = data[::4096]"
    with subprocess.Popen([sys.executable, "-c", eats], preexec_fn=cgroup.enter, stdout=subprocess.PIPE, text=True) as eater:
        try:
            assert eater.stdout.readline() == "full\n"
            go_on(half)
            assert learned(half, tmp_path) == stock
        finally:
            eater.kill()


def test_a_slow_file_that_someone_cuts_ends_it(begin, tmp_path):
    """It has no name, so that only its owner and root can, by /proc: what was there is lost, and nothing is computed with zeros."""
    slow = tmp_path / "slow"
    slow.mkdir()
    process = begin(HALVES, "--slow", f"file:{slow}", stdin=subprocess.PIPE)
    training = pathlib.Path("/proc", process.stdout.readline().strip())
    # Threads of DeepTM's own have it.
    file = next(handle for handle in training.glob("task/*/fd/*") if os.readlink(handle).startswith(str(slow)))
    os.truncate(file, 0)
    go_on(process)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 74 and "someone has cut the file" in errors, errors

# SPDX-License-Identifier: Apache-2.0
"""Trainings in difficult surroundings: low limits, no huge pages, signals in plenty, children, a second one beside. They learn what stock does."""

import json
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


@pytest.mark.parametrize("what, script", [("signals", SIGNALS), ("children", CHILDREN), ("threads", THREADS), ("closed handles", CLOSED)], ids=lambda value: value if len(value) < 20 else "")
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


def test_a_cgroup_that_shrinks_while_it_runs(cgroup, begin, stock, tmp_path):
    """Down to little more than is in use: the system takes back what can be had (page cache), training goes on."""
    cgroup.limit(4 << 30)
    process = begin(COMMON + "losses = train(4)\nprint('half', flush=True)\nsys.stdin.readline()\ntell(losses + train(8))",
                    preexec_fn=cgroup.enter, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "half\n"
    cgroup.limit(cgroup.used_bytes() + (64 << 20))
    process.stdin.write("\n")
    process.stdin.flush()
    assert learned(process, tmp_path) == stock

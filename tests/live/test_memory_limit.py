# SPDX-License-Identifier: Apache-2.0
"""The fast limit against the system's own accounting: a memory cgroup that leaves no room for a broken promise."""

import limited


def test_training_fits_into_what_it_promises(program, tmp_path, cgroup):
    workload = limited.Workload("mobilenet", 16, 96, 4, tmp_path, ("--deterministic", "--digest"), program)
    stock = workload.run("stock")
    peak = workload.run("free", fast="100%")["record"]["live_peak_bytes"]
    fast, limit = limited.limits(stock, peak, 20)
    cgroup.limit(limit)
    ours = workload.run("ours", fast, cgroup.enter)
    assert limited.same(stock, ours)

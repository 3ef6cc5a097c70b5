# SPDX-License-Identifier: Apache-2.0
"""A training of some thousand steps: nothing of its process grows with them (`scripts/bench longrun` is the long form)."""

import pytest

import limited
import longrun


@pytest.mark.parametrize("policy", limited.policies())
def test_nothing_grows_with_the_steps(policy, program, tmp_path):
    row = longrun.measure(2000, tmp_path, policy)
    assert len(row["samples"]) == longrun.EPOCHS
    assert row["record"]["bytes_in"] > 0 and row["record"]["bytes_out"] > 0
    grew = row["growth"]
    assert grew["handles"] == 0, row["samples"]
    assert row["samples"][-1]["rings"] <= 16, row["samples"]
    assert grew["mappings"] <= 4 and grew["rss_bytes"] <= 4 << 20, row["samples"]

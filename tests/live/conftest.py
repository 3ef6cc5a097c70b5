# SPDX-License-Identifier: Apache-2.0
"""What live tests share."""

import pytest

from memory_cgroup import MemoryCgroup


@pytest.fixture
def cgroup():
    try:
        with MemoryCgroup("deeptm-test") as group:
            yield group
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")

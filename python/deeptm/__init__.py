# SPDX-License-Identifier: Apache-2.0
"""DeepTM's Python side: the built-in workloads and what starts them; enable() for notebooks."""

from deeptm.notebook import enable

__all__ = ["enable"]

# SPDX-License-Identifier: Apache-2.0
"""DeepTM's Python side: the built-in workloads and what starts them; enable() for notebooks, step() for unusual loops."""

from deeptm.notebook import enable, step

__all__ = ["enable", "step"]

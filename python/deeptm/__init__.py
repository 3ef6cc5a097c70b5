# SPDX-License-Identifier: Apache-2.0
"""DeepTM's Python side: the built-in workloads and what starts them."""

# SPDX-License-Identifier: Apache-2.0
"""The same works under pytest-benchmark: `pytest benchmarks --benchmark-group-by=group`."""

from __future__ import annotations

import pytest
from work import WORKS


@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("who", ["peer", "ours"])
@pytest.mark.parametrize("name", WORKS)
def test_speed(benchmark, name, who, xla):
    if who == "peer" and WORKS[name].peer is None:
        pytest.skip("no peer in this environment")
    benchmark.group = f"{name}, {'XLA' if xla else 'graph'}"
    step = WORKS[name].step(who, xla)
    step()
    benchmark.pedantic(step, rounds=15, warmup_rounds=1)

# SPDX-License-Identifier: Apache-2.0
"""How everything here is timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any


def race(steps: Sequence[Callable[[], Any]], rounds: int = 21, seconds: float = 20) -> list[float]:
    """The median time of each step in milliseconds, the steps taking turns for about so long.

    They run a few times before: what comes often is compiled when it comes for the third time.
    """
    for step in [*steps] * 4:
        step()
    times: list[list[float]] = [[] for _ in steps]
    end = time.perf_counter() + seconds
    for round_ in range(rounds):
        if round_ >= 5 and time.perf_counter() > end:
            break
        for step, kept in zip(steps, times, strict=True):
            start = time.perf_counter()
            step()
            kept.append(1000 * (time.perf_counter() - start))
    return [statistics.median(kept) for kept in times]

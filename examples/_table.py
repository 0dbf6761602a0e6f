# SPDX-License-Identifier: Apache-2.0
"""The tables that the examples print."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev


def spread(values: Sequence[float]) -> str:
    """The mean and, of several values, the standard deviation."""
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a title, text to the left and numbers, with three decimals, to the right."""
    cells = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    numeric = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]

    def line(row: Sequence[str]) -> str:
        padded = [c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True)]
        return "  ".join(padded).rstrip()

    rule = "-" * len(line(["-" * width for width in widths]))
    print("\n".join(["", title, rule, line(columns), rule, *map(line, cells), rule]), flush=True)

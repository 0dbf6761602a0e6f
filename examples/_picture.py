# SPDX-License-Identifier: Apache-2.0
"""What the pictures of the examples share."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

GREY, PALE = "#57606a", "#b0b8c0"  # Of what the losses are compared with.


def mosaic(ink: np.ndarray, red: np.ndarray | bool = False, every: int | None = None) -> np.ndarray:
    """Images `(rows, columns, h, w)` of ink in [0, 1] as one, on a white ground; some of the ink is red.

    The ground of the first column is grey, or of `every` such column.
    """
    ink = np.pad(np.clip(ink, 0.0, 1.0), ((0, 0), (0, 0), (1, 1), (1, 1)))
    red = np.broadcast_to(red, (*ink.shape[:2], ink.shape[2] - 2, ink.shape[3] - 2))
    red = np.pad(red, ((0, 0), (0, 0), (1, 1), (1, 1)))
    black, wrong = (1.0 - np.array(mpl.colors.to_rgb(colour)) for colour in ("#24292f", "#d1402b"))
    tiles = 1.0 - ink[..., None] * np.where(red[..., None], wrong, black)
    tiles[:, slice(None, None, every) if every else 0] *= 0.9
    rows, columns, height, width, _ = tiles.shape
    return tiles.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def show_mosaic(axes: plt.Axes, image: np.ndarray, title: str, caption: str = "") -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set(title=title, xticks=[], yticks=[], xlabel=caption)
    axes.spines[:].set_visible(False)


def band(axes: plt.Axes, x: list[int], values: np.ndarray, label: str, **style: object) -> None:
    """The mean of the seeds, values being `(seeds, len(x))`, and where they lie."""
    (line,) = axes.plot(x, values.mean(axis=0), marker="o", markersize=4, label=label, **style)
    axes.fill_between(x, values.min(axis=0), values.max(axis=0), alpha=0.15, color=line.get_color(), linewidth=0)


def save(figure: Figure, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    plt.close(figure)
    print(f"The picture is in {out}.")

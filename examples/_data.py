# SPDX-License-Identifier: Apache-2.0
"""What the examples share: real handwritten digits, scenes in which one lies, and a measure of embeddings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

Array = NDArray[np.float32]
Ids = NDArray[np.int64]


class Digits(NamedTuple):
    """Handwritten digits, `images` `(N, 8, 8)` in [0, 1] and `labels` `(N,)` from 0 to 9."""

    images: Array
    labels: Ids


def digits(seed: int = 0, held_out: float = 0.4) -> tuple[Digits, Digits]:
    """The 1,797 digits that come with scikit-learn, split at random into those to learn from and those held out."""
    data = load_digits()
    images = (data.images / 16.0).astype("float32")
    train, test, train_labels, test_labels = train_test_split(
        images, data.target.astype("int64"), test_size=held_out, stratify=data.target, random_state=seed
    )
    return Digits(train, train_labels), Digits(test, test_labels)


class Scenes(NamedTuple):
    """Digits somewhere in a noisy, cluttered image; `clean` is the digit alone, `corner` its (row, column)."""

    images: Array
    clean: Array
    corner: Ids
    labels: Ids


def scenes(source: Digits, rng: np.random.Generator, copies: int = 1, size: int = 10, noise: float = 0.15) -> Scenes:
    """Each digit `copies` times: at a random place, with a scrap of another digit, under noise."""
    pick = np.tile(np.arange(len(source.labels)), copies)
    count, reach = len(pick), size - 8 + 1
    corner = rng.integers(0, reach, (count, 2))
    clean = np.zeros((count, size, size), "float32")
    clutter = np.zeros_like(clean)
    for i, (row, column) in enumerate(corner):
        clean[i, row : row + 8, column : column + 8] = source.images[pick[i]]
        scrap = source.images[rng.integers(len(source.images))]
        top, left = rng.integers(0, 5, 2)
        y, x = rng.integers(0, size - 3, 2)
        clutter[i, y : y + 4, x : x + 4] = scrap[top : top + 4, left : left + 4]
    image = np.maximum(clean, 0.5 * clutter) + rng.normal(0.0, noise, clean.shape)
    return Scenes(image.astype("float32")[..., None], clean[..., None], corner, source.labels[pick])


def retrieval(points: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """How often the nearest neighbour has the same label, recall@1, and MAP@R, which asks the same of all that could.

    MAP@R of a point with R relatives is `1/R sum_i P(i)` over the ranks i = 1 to R: P(i) is the share of relatives up
    to rank i if there is one at rank i, and 0 if not (Musgrave et al., A Metric Learning Reality Check,
    arXiv:2003.08505).
    """
    likeness = points @ points.T
    np.fill_diagonal(likeness, -np.inf)
    first, precision = [], []
    for row, label in zip(likeness, labels, strict=True):
        relevant = int(np.sum(labels == label)) - 1
        if relevant:
            right = labels[np.argsort(-row)[:relevant]] == label
            first.append(right[0])
            precision.append(np.sum(right * np.cumsum(right) / np.arange(1, relevant + 1)) / relevant)
    return float(np.mean(first)), float(np.mean(precision))

# SPDX-License-Identifier: Apache-2.0
"""Cases of the box losses, the same for each."""

from __future__ import annotations

import numpy as np

from cases.common import Case, cases_of


def boxes(rng, *shape, size=1.0):
    """Corners x1 < x2, y1 < y2."""
    low = rng.normal(size=(*shape, 2))
    return np.concatenate([low, low + size * (0.5 + rng.random((*shape, 2)))], axis=-1)


def _of(key):
    def generator(rng):
        y, p = boxes(rng, 6), boxes(rng, 6, size=1.5)
        near = y + rng.normal(size=y.shape) * 0.1
        inside = y + np.array([0.1, 0.15, -0.1, -0.2])
        inverted = p.copy()
        inverted[::2] = p[::2][:, [2, 1, 0, 3]]
        inverted[1] = p[1, [2, 3, 0, 1]]
        no_area = y.copy()
        no_area[::2, 2] = y[::2, 0]
        sizes, other_sizes = np.abs(near) + 0.2, np.abs(y) + 0.3
        return [
            Case(key, y, near),
            Case(key, y, p),
            Case(key, y.reshape(2, 3, 4), inside.reshape(2, 3, 4)),
            Case(key, y, y + 7.0 + rng.random(y.shape)),
            Case(key, y, inverted),
            Case(key, y[:, [1, 0, 3, 2]], near[:, [1, 0, 3, 2]], {"box_format": "yxyx"}),
            Case(key, other_sizes, sizes, {"box_format": "xywh"}),
            Case(key, other_sizes.reshape(3, 2, 4), sizes.reshape(3, 2, 4), {"box_format": "cxcywh"}),
            Case(key, no_area, p),
        ]

    return generator


for _key in ("iou", "giou", "diou", "ciou"):
    cases_of(_key)(_of(_key))

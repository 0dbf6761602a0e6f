# SPDX-License-Identifier: Apache-2.0
"""The shapes of regions: soft skeletons of maps, and distances to boundaries."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np
from keras import ops

from tfloss_ext import numerics


def skeleton(x: Any, iterations: int) -> Any:
    """The soft skeleton of maps `(B, ..., C)`: what openings take away from ever thinner erosions."""
    last, sizes = len(x.shape) - 1, ops.shape(x)
    if None in tuple(x.shape):
        # TensorFlow's gradient of a pooling ends the process where there is nothing: an axis without places gets one.
        x = ops.pad(x, [(0, 0 if isinstance(size, int) else 1 - ops.minimum(size, 1)) for size in sizes])
    # Pooling is fast over many channels, and slow over few; a batch of unknown size is taken for four.
    if (x.shape[0] or 4) * x.shape[-1] < 16:
        bones = _bones(x, iterations, [(axis, 1) for axis in range(1, last)])
    else:
        # With the axes of the maps in front, all that is behind is channels, without any copy.
        x = ops.transpose(x, (*range(1, last), 0, last))
        moved = ops.shape(x)
        x = ops.reshape(x, (*moved[:-2], moved[-2] * moved[-1]))
        bones = _bones(x, iterations, [(axis, axis) for axis in range(last - 1)])
        bones = ops.transpose(ops.reshape(bones, moved), (last - 1, *range(last - 1), last))
    return bones[tuple(slice(size) for size in sizes)]


def _bones(x: Any, iterations: int, axes: list[tuple[int, int]]) -> Any:
    """The skeleton along axes, each with the place that it is moved to where pixels are compared along it."""
    bones = 0.0
    for step in range(iterations + 1):
        # The smallest of each position and its neighbours along the axes, then the largest of all its neighbours.
        thinner = -functools.reduce(numerics.larger, [_largest_of_three(-x, *axis) for axis in axes])
        opened = functools.reduce(lambda x, axis: _largest_of_three(x, *axis), axes, thinner)
        lost = ops.relu(x - opened)
        bones = lost if step == 0 else bones + ops.relu(lost - bones * lost)
        x = thinner
    return bones


def _largest_of_three(x: Any, axis: int, place: int) -> Any:
    """The largest of each position and its two neighbours along an axis, compared with the axis at that place."""
    x = x if axis == place else ops.moveaxis(x, axis, place)
    sizes = ops.shape(x)
    before, behind = (functools.reduce(operator.mul, part, 1) for part in (sizes[:place], sizes[place + 1 :]))
    channels = ops.reshape(x, (before, sizes[place], 1, behind))
    pooled = ops.max_pool(channels, (3, 1), strides=1, padding="same", data_format="channels_last")
    pooled = ops.reshape(pooled, sizes)
    return pooled if axis == place else ops.moveaxis(pooled, place, axis)


def signed_distance_map(mask: Any) -> np.ndarray:
    """The distance of each position to the boundary of a region, for `Boundary`.

    Args:
        mask: `(B, ..., C)` of 0 and 1 with two or more spatial axes, or `(B, H, W)` of a single class.

    Returns:
        float32 of shape `(B, ..., C)`, in positions: the Euclidean distance to the region outside of it, minus (the
        distance to the outside - 1) inside of it, and 0 where a mask is empty or full.

    Raises:
        ValueError: If the mask has fewer than three axes, or holds anything but 0 and 1.
        ImportError: If SciPy is not installed.

    Example:
        >>> import numpy as np
        >>> print(signed_distance_map(np.array([[[0, 0, 1, 1, 1]]]))[0, 0, :, 0])
        [ 2.  1.  0. -1. -2.]
    """
    from scipy.ndimage import distance_transform_edt

    mask = np.asarray(mask)
    if mask.ndim < 3:
        raise ValueError(f"Expected mask of shape (B, ..., C). Received: mask.shape={mask.shape}")
    if not np.isin(mask, (0, 1)).all():
        raise ValueError(f"Expected mask of 0 and 1. Received: mask with values from {mask.min()} to {mask.max()}")
    mask = mask[..., None] if mask.ndim == 3 else mask
    found = np.zeros(mask.shape, "float32")
    for image, c in np.ndindex(mask.shape[0], mask.shape[-1]):
        region = mask[image, ..., c].astype(bool)
        if region.any() and not region.all():
            outside, depth = distance_transform_edt(~region), distance_transform_edt(region)
            found[image, ..., c] = np.where(region, 1.0 - depth, outside)
    return found

# SPDX-License-Identifier: Apache-2.0
"""The shapes of regions: soft skeletons of maps, and distances to boundaries."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from tfloss_ext import gradients, labels, numerics


def skeleton(x: Any, iterations: int) -> Any:
    """The soft skeleton of maps `(B, ..., C)`: what openings take away from ever thinner erosions.

    That of masks, which is one, is not differentiated.
    """
    return _by_shifts(x, iterations) if gradients.fused_on_cpu() else _by_poolings(x, iterations)


def _by_poolings(x: Any, iterations: int) -> Any:
    x = ops.cast(x, "float32") if labels.is_boolean(x) else x
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


# By shifts, which XLA merges into few loops, where its poolings are slow: on CPUs. Maps are (N, ...), N of any number.


def _by_shifts(x: Any, iterations: int) -> Any:
    last, sizes, masks = len(x.shape) - 1, ops.shape(x), labels.is_boolean(x)
    # A few maps at a time, whose intermediates stay in the cache.
    parts = _parts(x)
    x = ops.transpose(ops.cast(x, "uint8") if masks else x, (0, last, *range(1, last)))
    x = ops.reshape(x, (parts, sizes[0] * sizes[last] // parts, *sizes[1:last]))

    def forward(x: Any) -> Any:
        return _in_turn(lambda x: _thinned(x, iterations), x)

    def backward(upstream: Any, x: Any) -> Any:
        return _in_turn(lambda x, upstream: _slope(upstream, x, iterations), x, upstream)

    bones = forward(x) if masks else gradients.with_gradient(forward, backward)(x)
    bones = ops.transpose(ops.reshape(bones, (sizes[0], sizes[last], *sizes[1:last])), (0, *range(2, last + 1), 1))
    return ops.cast(bones, "float32") if masks else bones


def _parts(x: Any) -> int:
    """Into how many parts, of as many maps, to take a batch `(B, ..., C)`."""
    if None in tuple(x.shape):
        return 1
    maps, most = x.shape[0] * x.shape[-1], 2 * math.prod(x.shape) // gradients.SLICE_ELEMENTS
    return max((parts for parts in range(1, maps + 1) if maps % parts == 0 and parts <= most), default=1)


def _in_turn(function: Callable[..., Any], *tensors: Any) -> Any:
    """`function` of the first entries, then of the second and so on, alike them."""
    count = tensors[0].shape[0]
    if count == 1:
        return ops.expand_dims(function(*(tensor[0] for tensor in tensors)), 0)

    def step(i: Any, found: Any) -> tuple[Any, Any]:
        return i + 1, _put(found, i, function(*(_at(tensor, i) for tensor in tensors)))

    return ops.while_loop(lambda i, _: i < count, step, (0, ops.zeros_like(tensors[0])), maximum_iterations=count)[1]


# Steps are loops, each of which XLA compiles once, and across which it merges nothing. They know how long they are at
# most, for whoever differentiates the gradient.


def _thinned(x: Any, iterations: int) -> Any:
    """The skeleton."""

    def step(i: Any, x: Any, bones: Any) -> tuple[Any, ...]:
        thinner = _eroded(x)
        return i + 1, thinner, _more(bones, _excess(x, _opened(thinner)[-1]))

    count = iterations + 1
    return ops.while_loop(lambda i, *_: i < count, step, (0, x, ops.zeros_like(x)), maximum_iterations=count)[2]


def _kept(x: Any, iterations: int) -> tuple[Any, Any, Any]:
    """Maps and skeletons before each step, and the thinnest map."""

    def step(i: Any, x: Any, bones: Any, maps: Any, skeletons: Any) -> tuple[Any, ...]:
        thinner = _eroded(x)
        more = _more(bones, _excess(x, _opened(thinner)[-1]))
        return i + 1, thinner, more, _put(maps, i, x), _put(skeletons, i, bones)

    count = iterations + 1
    stack = ops.zeros((count, *ops.shape(x)), dtype=x.dtype)
    state = (0, x, ops.zeros_like(x), stack, stack)
    _, thinnest, _, maps, skeletons = ops.while_loop(lambda i, *_: i < count, step, state, maximum_iterations=count)
    return maps, skeletons, thinnest


def _slope(upstream: Any, x: Any, iterations: int) -> Any:
    """The gradient of `_thinned(x, iterations)`, from the last step to the first."""
    maps, skeletons, thinnest = _kept(x, iterations)

    def step(i: Any, of_bones: Any, of_thinner: Any, x: Any, thinner: Any) -> tuple[Any, ...]:
        bones = _at(skeletons, i)
        lost = _excess(x, _apart(i, lambda x: _opened(x)[-1], thinner))
        new = lost > bones * lost
        of_lost = ops.where(new, of_bones * (1.0 - bones), 0.0)
        of_opened = -of_lost
        for axis, stage in reversed(list(zip(_axes(x), _opened(thinner)[:-1], strict=True))):
            slope = functools.partial(_slope_of_largest, x=stage, axis=axis)
            of_opened = slope(of_opened) if stage is thinner else _apart(i, slope, of_opened)
        of_map = of_lost + _slope_of_smallest(of_thinner + of_opened, x, thinner)
        # The map is taken from the stack here, not again for each neighbour.
        return i - 1, ops.where(new, of_bones * (1.0 - lost), of_bones), of_map, _at(maps, i - 1), x

    state = (iterations, upstream, ops.zeros_like(x), _at(maps, iterations), thinnest)
    return ops.while_loop(lambda i, *_: i >= 0, step, state, maximum_iterations=iterations + 1)[2]


def _apart(step: Any, function: Callable[[Any], Any], x: Any) -> Any:
    """`function(x)`, like x, computed once: XLA would do so again for each neighbour that is looked at.

    It is a loop of one step, which XLA cannot see as it does not know that of the loop around.
    """

    def body(i: Any, _: Any) -> tuple[Any, Any]:
        return i + 1, function(x)

    return ops.while_loop(lambda i, _: i <= step, body, (step, x), maximum_iterations=1)[1]


def _put(stack: Any, index: Any, x: Any) -> Any:
    return ops.slice_update(stack, [index] + [0] * len(x.shape), ops.expand_dims(x, 0))


def _at(stack: Any, index: Any) -> Any:
    inner = tuple(ops.shape(stack))[1:]
    return ops.squeeze(ops.slice(stack, [index] + [0] * len(inner), (1, *inner)), 0)


def _axes(x: Any) -> range:
    # The last first: maxima along it are computed again for each neighbour along the others, at little cost.
    return range(len(x.shape) - 1, 0, -1)


def _excess(x: Any, y: Any) -> Any:
    """max(x - y, 0), of integers without sign too."""
    return ops.where(x > y, x - y, ops.zeros((), dtype=x.dtype))


def _more(bones: Any, lost: Any) -> Any:
    return bones + _excess(lost, bones * lost)


def _neighbours(x: Any, axis: int, edge: float, distances: tuple[int, ...] = (1, -1)) -> list[Any]:
    """To each position what lies so many before it, this number beyond the edges."""
    length = ops.shape(x)[axis]
    found = []
    for distance in distances:
        margins = [(0, 0)] * len(x.shape)
        margins[axis] = (max(distance, 0), max(-distance, 0))
        start = max(-distance, 0)
        wide = ops.pad(x, margins, constant_values=edge)
        found.append(wide[(slice(None),) * axis + (slice(start, start + length),)])
    return found


def _extremes(x: Any) -> tuple[float, float]:
    """What is no larger and what no smaller than any number of the map."""
    return (0, 1) if "int" in keras.backend.standardize_dtype(x.dtype) else (-math.inf, math.inf)


def _eroded(x: Any) -> Any:
    """The smallest of each position and its neighbours along the axes."""
    others = [other for axis in _axes(x) for other in _neighbours(x, axis, _extremes(x)[1])]
    return functools.reduce(numerics.smaller, others, x)


def _opened(thinner: Any) -> list[Any]:
    """The largest of all neighbours of each position, axis by axis: the map, and what each axis makes of it."""
    found = [thinner]
    for axis in _axes(thinner):
        others = _neighbours(found[-1], axis, _extremes(thinner)[0])
        found.append(functools.reduce(numerics.larger, others, found[-1]))
    return found


def _slope_of_largest(upstream: Any, x: Any, axis: int) -> Any:
    """The gradient of the largest along an axis; of equal ones that in the middle comes first, then the one before."""
    before, behind, first, last = _neighbours(x, axis, -math.inf, (1, -1, 2, -2))
    of_before, of_behind = _neighbours(upstream, axis, 0.0)
    both = ops.logical_and
    found = ops.where(both(x >= before, x >= behind), upstream, 0.0)
    found = found + ops.where(both(x > behind, x >= last), of_behind, 0.0)
    return found + ops.where(both(x > before, x > first), of_before, 0.0)


def _slope_of_smallest(upstream: Any, x: Any, smallest: Any) -> Any:
    """The gradient of `_eroded(x)`, which equal ones share."""
    ties = ops.cast(ops.equal(x, smallest), x.dtype)
    for axis in _axes(x):
        for other in _neighbours(x, axis, math.inf):
            ties = ties + ops.cast(ops.equal(other, smallest), x.dtype)
    shares = upstream / ties
    found = ops.where(ops.equal(x, smallest), shares, 0.0)
    for axis in _axes(x):
        others = zip(_neighbours(smallest, axis, -math.inf), _neighbours(shares, axis, 0.0), strict=True)
        for other, share in others:
            found = found + ops.where(ops.equal(x, other), share, 0.0)
    return found


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

# SPDX-License-Identifier: Apache-2.0
"""Triplet's choice of pairs: semi-hard, hard, and all triplets, as kernels of `blocks.PairMatrix`.

No tape can follow these sorts, and ties are to be shared the same way everywhere: the kernels know their slopes. Each
is a rule, `rule(d, positive, negative) -> (total, count, slope)`: what it sums for each anchor and how many things that
were, both (b,), and `slope()` gives, to who asks, the derivative of `total` with respect to `d`, (b, n), of which equal
distances get equal shares. `_with_slope` makes of it a kernel whose values are (b, 2), total and count.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from keras import ops

from tfloss_ext import gradients, numerics
from tfloss_ext.blocks import Kernel, next_after

Rule = Callable[[Any, Any, Any], tuple[Any, Any, Callable[[], Any]]]

# Up to so many positives of an anchor a round for each is the fastest, up to so many the gaps between a few of them.
FEW_POSITIVES, MANY_POSITIVES = 6, 64


def _with_slope(rule: Rule, soft: bool) -> Kernel:
    """The kernel of a rule, by whose slope its values are differentiated."""

    def kernel(d: Any, positive: Any, negative: Any) -> Any:
        def found(d: Any) -> tuple[Any, Callable[[Any], Any]]:
            # The slopes of the hinge are constant, so that no second derivative goes through the rule.
            d = d if soft else ops.stop_gradient(d)
            total, count, slope = rule(d, positive, negative)
            return ops.stack([total, ops.cast(count, total.dtype)], axis=1), lambda upstream: upstream[:, :1] * slope()

        return gradients.with_pull(found)(d)

    return kernel


def semi_hard(margin: float, soft: bool) -> Kernel:
    """Each positive pair against the nearest negative farther than it, else the farthest negative."""
    by_gaps = functools.partial(_semi_hard_by_gaps, margin, soft)
    rules = _semi_hard_by_rounds(margin, soft), by_gaps(MANY_POSITIVES), by_gaps(None)

    def rule(d: Any, positive: Any, negative: Any) -> tuple[Any, Any, Callable[[], Any]]:
        positive = positive & ops.any(negative, axis=1, keepdims=True)
        count = _count(positive, d)
        most = ops.max(count)
        which = ops.cast(most > FEW_POSITIVES, "int32") + ops.cast(most > MANY_POSITIVES, "int32")

        def found(what: Callable[[Any], Any]) -> Any:
            return ops.switch(which, [lambda rule=rule: what(rule(d, positive, negative)) for rule in rules])

        return found(lambda result: result[0]), count, lambda: found(lambda result: result[2]())

    return _with_slope(rule, soft)


def _semi_hard_by_rounds(margin: float, soft: bool) -> Rule:
    def rule(d: Any, positive: Any, negative: Any) -> tuple[Any, Any, Callable[[], Any]]:
        count, n = _count(positive, d), ops.shape(d)[1]
        rounds, first = ops.cast(ops.max(count), "int32"), ops.cast(0, "int32")
        slots = _at_most(FEW_POSITIVES, n)
        _, places = ops.top_k(ops.where(positive, d, -float("inf")), slots)
        near = _entries_at(d, places)
        to_negatives = ops.where(negative, d, float("inf"))
        farthest = ops.max(ops.where(negative, d, 0.0), axis=1, keepdims=True)

        def against(k: Any) -> tuple[Any, Any, Any]:
            """Of the k-th positive of each anchor the negative, and what the two cost, and the slope."""
            to_positive = ops.expand_dims(ops.take(near, k, axis=1), 1)
            far = ops.min(ops.where(to_negatives > to_positive, to_negatives, float("inf")), axis=1, keepdims=True)
            far = ops.where(ops.isfinite(far), far, farthest)
            cost, slope = _cost_and_slope(to_positive - far + (0.0 if soft else margin), soft)
            there = ops.expand_dims(ops.cast(k, d.dtype) < count, 1)
            return far, ops.where(there, cost, 0.0), ops.where(there, slope, 0.0)

        def more_cost(k: Any, total: Any) -> tuple[Any, Any]:
            total = total + against(k)[1][:, 0]
            return next_after(k, total), total

        def more_slope(k: Any, of_positives: Any, of_all: Any) -> tuple[Any, Any, Any]:
            far, _, slope = against(k)
            hit = ops.equal(to_negatives, far)
            share = slope / numerics.at_least(ops.expand_dims(_count(hit, d), 1), 1.0)
            of_positives = of_positives + ops.where(ops.equal(ops.arange(slots, dtype="int32"), k), slope, 0.0)
            of_all = of_all - ops.where(hit, share, 0.0)
            return next_after(k, of_positives, of_all), of_positives, of_all

        def slope() -> Any:
            start = first, ops.zeros_like(near), ops.zeros_like(d)
            _, of_positives, of_all = ops.while_loop(lambda k, *_: k < rounds, more_slope, start)
            return of_all + numerics.sums_at(of_positives, places, n)

        _, total = ops.while_loop(lambda k, _: k < rounds, more_cost, (first, ops.zeros_like(count)))
        return total, count, slope

    return rule


def _semi_hard_by_gaps(margin: float, soft: bool, most: int | None) -> Rule:
    def rule(d: Any, positive: Any, negative: Any) -> tuple[Any, Any, Callable[[], Any]]:
        count, n = _count(positive, d), ops.shape(d)[1]
        slots = n if most is None else _at_most(most, n)
        nearest_first, places = ops.top_k(ops.where(positive, -d, -float("inf")), slots)
        there = ops.arange(slots, dtype=d.dtype) < ops.expand_dims(count, 1)
        # Between one positive and the next, the nearest negative is the one that those before it are held against.
        gap = numerics.searchsorted(-nearest_first, d)
        first = numerics.least_at(ops.where(negative, d, float("inf")), gap, slots + 1)
        filled = ops.cumsum(ops.cast(ops.isfinite(first), "int32"), axis=1)
        partner = numerics.searchsorted(filled, filled[:, :-1] + 1)  # The next gap with a negative, or beyond them all.
        farthest = ops.max(ops.where(negative, d, 0.0), axis=1, keepdims=True)

        def nearest() -> tuple[Any, Any]:
            """Which negatives are the nearest of their gap, and how many there are in each."""
            hit = negative & ops.equal(d, _entries_at(first, gap))
            return hit, numerics.at_least(numerics.sums_at(ops.cast(hit, d.dtype), gap, slots + 1), 1.0)

        def slope() -> Any:
            of_pair = ops.where(there, _cost_and_slope(z, soft)[1], 0.0)
            of_partner = numerics.sums_at(of_pair, partner, slots + 2)
            hit, equals = nearest()
            of_nearest = ops.where(hit, _entries_at(of_partner[:, :-1] / equals, gap), 0.0)
            of_farthest = of_partner[:, -1:] * _equal_shares(negative & ops.equal(d, farthest), d)
            return numerics.sums_at(of_pair, places, n) - of_nearest - of_farthest

        near, far = -nearest_first, ops.where(ops.isfinite(first), first, 0.0)
        if soft:
            # Of what is sorted there is no second derivative.
            hit, equals = nearest()
            near, far = _entries_at(d, places), numerics.sums_at(ops.where(hit, d, 0.0), gap, slots + 1) / equals
        far = _entries_at(ops.concatenate([far, farthest], axis=1), partner)
        z = ops.where(there, near - far, 0.0) + (0.0 if soft else margin)
        return ops.sum(ops.where(there, _cost_and_slope(z, soft)[0], 0.0), axis=1), count, slope

    return rule


def _over_positives(d: Any, positive: Any, step: Callable[[Any], tuple[Any, Any]]) -> tuple[Any, Any]:
    """The sums of the (b,) and (b, n) that `step` gives for each anchor's first positive, the second, and so on."""
    number = ops.where(positive, ops.cumsum(ops.cast(positive, "int32"), axis=1), 0)
    rounds = ops.max(number)

    def body(k: Any, total: Any, slope: Any) -> tuple[Any, ...]:
        more, more_slope = step(ops.equal(number, k))
        total, slope = total + more, slope + more_slope
        return next_after(k, total, slope), total, slope

    slope = ops.zeros_like(d)
    state = (ops.cast(1, "int32"), ops.sum(slope, axis=1), slope)
    _, total, slope = ops.while_loop(lambda k, *_: k <= rounds, body, state)
    return total, slope


def hard(margin: float, soft: bool) -> Kernel:
    """The farthest positive against the nearest negative, for anchors that have both."""

    def rule(d: Any, positive: Any, negative: Any) -> tuple[Any, Any, Callable[[], Any]]:
        both = ops.any(positive, axis=1) & ops.any(negative, axis=1)
        far = ops.max(ops.where(positive, d, 0.0), axis=1)
        near = -ops.max(ops.where(negative, -d, -float("inf")), axis=1)
        cost, of_pair = _cost_and_slope(ops.where(both, far - near, 0.0) + (0.0 if soft else margin), soft)

        def slope() -> Any:
            farthest = _equal_shares(positive & ops.equal(d, ops.expand_dims(far, 1)), d)
            nearest = _equal_shares(negative & ops.equal(d, ops.expand_dims(near, 1)), d)
            return ops.expand_dims(ops.where(both, of_pair, 0.0), 1) * (farthest - nearest)

        return ops.where(both, cost, 0.0), ops.cast(both, d.dtype), slope

    return _with_slope(rule, soft)


def all_triplets(margin: float, soft: bool) -> Kernel:
    """Every triplet; by the hinge those above 0 count, softly all of them do."""
    return _with_slope(_all_soft if soft else functools.partial(_all_by_hinge, margin), soft)


def _all_by_hinge(margin: float, d: Any, positive: Any, negative: Any) -> tuple[Any, Any, Callable[[], Any]]:
    # Farthest first, positives pushed out by the margin: a triplet is above 0 where its negative comes later.
    pushed = ops.where(positive, d + margin, d)
    key, negative, positive, order = _farthest_first(pushed, first=negative, second=positive)
    later = ops.expand_dims(_count(negative, d), 1) - ops.cumsum(ops.cast(negative, d.dtype), axis=1)
    earlier = ops.cumsum(ops.cast(positive, d.dtype), axis=1)
    slope = ops.where(positive, later, 0.0) - ops.where(negative, earlier, 0.0)
    # The hinge is linear where it is above 0, so the sum is slope . key; slopes that add up to 0 allow any origin, and
    # one in the middle of the keys loses the least precision.
    used = numerics.at_least(ops.sum(ops.abs(slope), axis=1, keepdims=True), 1.0)
    key = key - ops.sum(ops.abs(slope) / used * key, axis=1, keepdims=True)
    count = ops.sum(ops.where(positive, later, 0.0), axis=1)
    return ops.sum(slope * key, axis=1), count, lambda: _sums_at(slope, order)


def _all_soft(d: Any, positive: Any, negative: Any) -> tuple[Any, Any, Callable[[], Any]]:
    # softplus does not split into prefix sums.
    def against(chosen: Any) -> tuple[Any, Any]:
        active = negative & ops.any(chosen, axis=1, keepdims=True)
        cost, slope = _cost_and_slope(ops.sum(ops.where(chosen, d, 0.0), axis=1, keepdims=True) - d, True)
        slope = ops.where(active, slope, 0.0)
        own = ops.where(chosen, ops.sum(slope, axis=1, keepdims=True), 0.0)
        return ops.sum(ops.where(active, cost, 0.0), axis=1), own - slope

    total, slope = _over_positives(d, positive, against)
    return total, _count(positive, d) * _count(negative, d), lambda: slope


def _cost_and_slope(z: Any, soft: bool) -> tuple[Any, Any]:
    """The hinge or its soft form at z, and the slope there."""
    return (ops.softplus(z), ops.sigmoid(z)) if soft else (ops.relu(z), ops.cast(z >= 0, z.dtype))


def _equal_shares(mask: Any, like: Any) -> Any:
    mask = ops.cast(mask, like.dtype)
    return mask / numerics.at_least(ops.sum(mask, axis=1, keepdims=True), 1.0)


def _at_most(bound: int, n: Any) -> Any:
    return min(bound, n) if isinstance(n, int) else ops.minimum(bound, n)


def _count(mask: Any, like: Any) -> Any:
    return ops.sum(ops.cast(mask, like.dtype), axis=1)


def _farthest_first(d: Any, *, first: Any, second: Any) -> tuple[Any, Any, Any, Any]:
    """`d`, `first`, `second` and the columns they come from, farthest first and `first` before `second` on ties.

    The bits of a positive float are ordered as it is; with one more for the mask, a single sort of integers does it,
    and the floats are read from the sorted keys. Columns in neither mask come last, as 0.
    """
    bits = 64 if "64" in str(d.dtype) else 32
    floats, integers = f"float{bits}", f"int{bits}"
    middle, least = 2 ** (bits - 2) - 1, -(2 ** (bits - 1))
    least = ops.convert_to_tensor(least, dtype=integers)
    pattern = numerics.reinterpreted(ops.where(d > 0, d, 0.0), integers)  # A -0.0 would come last.
    key = ops.left_shift(pattern - middle, 1) + ops.cast(first, integers)
    key, order = ops.top_k(ops.where(first | second, key, least), ops.shape(d)[1])
    in_either, odd = key > least, ops.equal(ops.bitwise_and(key, 1), 1)
    pattern = ops.where(in_either, ops.right_shift(key, 1) + middle, ops.zeros_like(key))
    return numerics.reinterpreted(pattern, floats), in_either & odd, in_either & ~odd, order


def _entries_at(values: Any, index: Any) -> Any:
    """values[row, index[row, j]]; `take_along_axis` takes twice as long on TensorFlow."""
    return ops.take(ops.reshape(values, (-1,)), numerics.flat_index(index, ops.shape(values)[1]))


def _sums_at(values: Any, index: Any) -> Any:
    return numerics.sums_at(values, index, ops.shape(values)[1])

# SPDX-License-Identifier: Apache-2.0
"""Distances between embeddings, and formulas over the matrix of all pairs of them, row block by row block.

A loss over pairs is a kernel, a formula in plain `keras.ops` that `PairMatrix.rows` applies to the rows of anchors:

    def kernel(d, positive, negative):
        far = ops.max(ops.where(positive, d, 0.0), axis=1, keepdims=True)
        return ops.sum(ops.where(negative, ops.relu(far - d), 0.0), axis=1)

`d` (b, n) are the distances of b anchors to n columns; `positive` and `negative` (b, n) say which columns belong to the
same id and to another, the anchor itself and dropped samples being neither. What it gives, (b,) or (b, k), depends for
each anchor on its row alone, and is finite, with finite slopes, where a row has no pair at all. Numbers that belong to
anchors or to columns, such as what an earlier pass found, come as further arguments, (b, 1) and (n,):

    sums = pairs.rows(first)
    values = pairs.rows(second, of_anchors=[sums], of_columns=[sums])

All is differentiable, to any order that the kernel is. The backward pass computes each block again and lets the backend
differentiate it, so that neither pass holds more than one block. A kernel that knows its slope, as those of `mining` do
for ties and sorts, hands it over by `gradients.with_pull`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from tfloss_ext import gradients, numerics

Kernel = Callable[..., Any]
Formula = Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], tuple[Sequence[Any], Sequence[Any]]]

# Distances per block where the caller leaves the choice: 16 MiB of float32.
BLOCK_ELEMENTS = 2**22
# A pair is close where its squared distance is not this much above the rounding: a hundredth of it may be lost.
_CLOSE = 128.0
# Up to so many close columns of an anchor are taken one by one.
_FEW_CLOSE = 16


def distance(x: Any, y: Any, kind: str) -> Any:
    """The distance of each vector of x to that of y: `"l2"`, `"squared_l2"` or `"cosine"` (1 - cosine)."""
    if kind == "l2":
        return numerics.norm(x - y)
    if kind == "squared_l2":
        return ops.sum(ops.square(x - y), axis=-1)
    return ops.relu(1.0 - ops.sum(numerics.normalize(x) * numerics.normalize(y), axis=-1))


def comparable(ids: Any) -> Any:
    """Ids, of which only equality counts, as a tensor that keeps every two of them apart on every backend."""
    if ops.is_tensor(ids):
        return ids
    # On the host, so that a backend without 64-bit integers need not cut them.
    ids = np.asarray(ids)
    _, index = np.unique(ids, return_inverse=True)
    return ops.convert_to_tensor(index.reshape(ids.shape), dtype="int32")


class PairMatrix:
    """All pairs of an anchor and a column, of which only some rows are ever held at a time.

    Args:
        anchors, columns: Embeddings, (b, D) and (n, D).
        anchor_ids, column_ids: Their ids, (b,) and (n,).
        own: (b,), the column that is the anchor itself.
        anchor_kept, column_kept: Masks of the samples that take part; what the others hold does not matter.
        distance: What kernels see: `"l2"`, `"squared_l2"`, `"cosine"` (1 - cosine) or `"similarity"` (cosine).
        scale: What similarities are multiplied with, None meaning 1.
        block_size: Anchors per block, None for about `BLOCK_ELEMENTS` pairs; memory grows as block_size * n.
        passes: How many blocks are to have that many pairs together.
    """

    def __init__(
        self,
        anchors: Any,
        columns: Any,
        anchor_ids: Any,
        column_ids: Any,
        *,
        own: Any,
        anchor_kept: Any,
        column_kept: Any,
        distance: str,
        scale: Any = None,
        block_size: int | None = None,
        passes: int = 1,
    ) -> None:
        self.anchors, self.columns, self.centre = _prepare(anchors, columns, anchor_kept, column_kept, distance)
        self.anchors = self.anchors if scale is None else self.anchors * scale
        self.labels = anchor_ids, own, ops.cast(anchor_kept, "int32")
        self.column_ids, self.column_kept, self.distance = column_ids, column_kept, distance
        n = ops.shape(columns)[0]
        self.places = ops.arange(n, dtype="int32")
        self.block_size = block_size or _at_least_one(BLOCK_ELEMENTS // _at_least_one(passes * n))

    def rows(self, kernel: Kernel, of_anchors: Sequence[Any] = (), of_columns: Sequence[Any] = ()) -> Any:
        """`kernel(d, positive, negative, *of_anchors, *of_columns)` of all anchors, (b,) or (b, k).

        Args:
            kernel: The formula, as this module describes it.
            of_anchors: Tensors (b,), which the kernel sees as (b, 1) for the anchors of its block.
            of_columns: Tensors (n,), which it sees whole.
        """

        def formula(rows: Sequence[Any], labels: Sequence[Any], columns: Sequence[Any]) -> Any:
            (x, *of_rows), (ids, own, kept), (y, *of_columns) = rows, labels, columns
            others = (
                ops.not_equal(ops.expand_dims(own, 1), self.places) & ops.expand_dims(kept > 0, 1) & self.column_kept
            )
            same = ops.equal(ops.expand_dims(ids, 1), self.column_ids)
            of_rows = [ops.expand_dims(each, 1) for each in of_rows]
            d = _distances(x, y, self.distance, self.centre, others)
            return (kernel(d, others & same, others & ~same, *of_rows, *of_columns),), ()

        rows, columns = (self.anchors, *of_anchors), (self.columns, *of_columns)
        (values,), _ = by_blocks(formula, rows, self.labels, columns, self.block_size)
        return values


def over_products(
    kernel: Kernel,
    x: Any,
    y: Any,
    *,
    row_ids: Any,
    column_ids: Any,
    row_kept: Any,
    column_kept: Any,
    more: Sequence[Any] = (),
    size: int | None = None,
) -> tuple[Any, Any]:
    """`kernel(s, others, *more) -> (values, sums)` over the products s (b, n) of rows x and columns y, block by block.

    Args:
        kernel: Gives one value for each row, and None or sums over the rows, one for each column.
        x, y: (b, D) and (n, D).
        row_ids, column_ids: (b,) and (n,): `others` is False where they are equal, and for what is not kept.
        row_kept, column_kept: Masks.
        more: Tensors of floats that every row sees whole, such as one number for each column.
        size: Rows per block, None for about `BLOCK_ELEMENTS` pairs.
    """

    def formula(rows: Sequence[Any], labels: Sequence[Any], columns: Sequence[Any]) -> Any:
        (x,), (ids, kept), (y, *more) = rows, labels, columns
        others = ops.not_equal(ops.expand_dims(ids, 1), column_ids) & ops.expand_dims(kept, 1) & column_kept
        values, sums = kernel(x @ ops.transpose(y), others, *more)
        return (values,), () if sums is None else (sums,)

    size = size or _at_least_one(BLOCK_ELEMENTS // _at_least_one(ops.shape(y)[0]))
    (values,), sums = by_blocks(formula, (x,), (row_ids, row_kept), (y, *more), size)
    return values, sums[0] if sums else None


def by_blocks(
    formula: Formula, rows: Sequence[Any], labels: Sequence[Any], columns: Sequence[Any], size: Any
) -> tuple[Sequence[Any], Sequence[Any]]:
    """`formula(rows, labels, columns)`, some rows at a time, differentiable in `rows` and `columns` to any order.

    Args:
        formula: `formula(rows, labels, columns) -> (values, sums)`: tensors with one entry for each row, and tensors
            that are added up over the rows; floats of one type. A row of zeros must be finite and add nothing.
        rows: Tensors of floats with one entry for each row.
        labels: The same of any type, without gradient.
        columns: Tensors of floats that every row sees whole.
        size: Rows per block.
    """
    cut = _Cut(ops.shape(rows[0])[0], size)
    if cut.is_single:
        # Small enough to be differentiated as it is.
        return formula(rows, labels, columns)
    padded = cut.padded(labels)
    return _over_blocks(lambda i, rows, columns: formula(rows, cut.block(padded, i), columns), rows, columns, cut)


def _over_blocks(
    part: Callable[..., Any], rows: Sequence[Any], columns: Sequence[Any], cut: _Cut, first: Any = None
) -> tuple[Sequence[Any], Sequence[Any]]:
    """The values and sums of `part(i, rows of block i, columns)`, those of block 0 being `first` if they are known.

    The gradient is a formula over blocks in its turn: its values are the gradients of rows, its sums those of columns.
    """
    count, width = len(rows), len(columns)

    def of_block(i: Any) -> Callable[..., Any]:
        return lambda *tensors: part(i, tensors[:count], tensors[count:])

    def found(*tensors: Any) -> tuple[Any, Callable[[Any], Any]]:
        # No tape need follow the blocks: their gradient is `pull`.
        still = [ops.stop_gradient(each) for each in tensors]
        padded = cut.padded(still[:count])

        def at(i: Any) -> list[Any]:
            return [*cut.block(padded, i), *still[count:]]

        start, pull_first = first, None
        if start is None and cut.is_single is None:
            # Most batches whose size is not known before are a single block: what its gradient needs is kept.
            start, pull_first = gradients.pullback(of_block(0), *at(0))
        elif start is None:
            start = of_block(0)(*at(0))

        def pull(upstream: Any) -> tuple[Any, ...]:
            of_values, of_sums = upstream

            def pulled(i: Any, rows: Sequence[Any], columns: Sequence[Any]) -> Any:
                _, pull_block = gradients.pullback(of_block(i), *rows[:count], *columns[:width])
                slopes = pull_block((rows[count:], columns[width:]))
                return slopes[:count], slopes[count:]

            more_rows, more_columns = (*tensors[:count], *of_values), (*tensors[count:], *of_sums)
            known = None
            if pull_first is not None:
                slopes = pull_first((cut.block(cut.padded(of_values), 0), of_sums))
                known = slopes[:count], slopes[count:]
            of_rows, of_columns = _over_blocks(pulled, more_rows, more_columns, cut, known)
            return (*of_rows, *of_columns)

        return cut.over_blocks(lambda i: of_block(i)(*at(i)), start), pull

    values, sums = gradients.with_pull(found, still=True)(*rows, *columns)
    return values, sums


class _Cut:
    """Rows in blocks of one size.

    Attributes:
        is_single: Whether there is but one block, None where that is not known before.
    """

    def __init__(self, rows: Any, size: Any) -> None:
        self.rows, self.count = rows, _at_least_one(-(-rows // size))
        self.size = _at_least_one(-(-rows // self.count))
        self.is_single = self.count == 1 if isinstance(self.count, int) else None
        self.within = ops.arange(self.size, dtype="int32")

    def padded(self, tensors: Sequence[Any]) -> list[Any]:
        """With one spare row, of no effect, for all those beyond the end of the last block."""
        return [ops.pad(each, ((0, 1), *((0, 0) for _ in each.shape[1:]))) for each in tensors]

    def block(self, padded: Sequence[Any], i: Any) -> list[Any]:
        return [ops.take(each, ops.minimum(i * self.size + self.within, self.rows), axis=0) for each in padded]

    def over_blocks(self, at: Callable[[Any], Any], first: Any) -> tuple[Sequence[Any], Sequence[Any]]:
        """The values of all blocks, one below the other, and the sums of their sums; `first` is what `at(0)` gives."""

        def put(buffer: Any, i: Any, values: Any) -> Any:
            return ops.slice_update(buffer, (i * self.size, *(0 * i for _ in values.shape[1:])), values)

        def body(i: Any, buffers: Any, totals: Any) -> tuple[Any, Any, Any]:
            values, sums = at(i)
            buffers = tuple(put(buffer, i, more) for buffer, more in zip(buffers, values, strict=True))
            totals = tuple(total + more for total, more in zip(totals, sums, strict=True))
            return next_after(i, *values, *sums), buffers, totals

        values, sums = first
        start = ops.cast(0, "int32")
        empty = (ops.zeros((self.count * self.size, *each.shape[1:]), dtype=each.dtype) for each in values)
        buffers = tuple(put(buffer, start, each) for buffer, each in zip(empty, values, strict=True))
        _, buffers, totals = ops.while_loop(lambda i, *_: i < self.count, body, (start + 1, buffers, tuple(sums)))
        return tuple(each[: self.rows] for each in buffers), totals


def next_after(i: Any, *results: Any) -> Any:
    """i + 1, once the results are there: a TensorFlow graph would otherwise start ten iterations at once."""
    known = [ops.cast(ops.isfinite(ops.sum(result)), "int32") for result in results]
    return i + ops.maximum(sum(known) // len(known), 1)


def _prepare(anchors: Any, columns: Any, anchor_kept: Any, column_kept: Any, distance: str) -> tuple[Any, Any, Any]:
    """Embeddings as `_distances` takes them, and what it takes for the origin: of length 1, or where they are.

    Dropped ones are blanked.
    """
    zero = ops.zeros((), dtype=anchors.dtype)
    anchor_kept, column_kept = ops.expand_dims(anchor_kept, 1), ops.expand_dims(column_kept, 1)
    columns = ops.where(column_kept, columns, zero)
    if distance in ("cosine", "similarity"):
        return numerics.normalize(ops.where(anchor_kept, anchors, zero)), numerics.normalize(columns), zero
    # Far from the origin the Gram matrix would cancel; neither distances nor their gradients see the shift. To a sample
    # rather than to the mean itself, which would make equal distances on a coarse grid unequal.
    mean = ops.sum(columns, axis=0) / numerics.at_least(ops.sum(ops.cast(column_kept, columns.dtype)), 1.0)
    far = ops.sum(ops.square(columns - mean), axis=1, keepdims=True)
    far = ops.where(column_kept, far, ops.full((), float("inf"), dtype=far.dtype))
    # One row more, as there may be no column.
    nearest = ops.argmin(ops.pad(far[:, 0], ((0, 1),), constant_values=float("inf")), axis=0)
    centre = ops.stop_gradient(ops.take(ops.pad(columns, ((0, 1), (0, 0))), nearest, axis=0))
    return ops.where(anchor_kept, anchors, centre), ops.where(column_kept, columns, centre), centre


def _distances(x: Any, y: Any, distance: str, centre: Any, others: Any) -> Any:
    if distance == "similarity":
        # Not `ops.matmul`, which makes float32 of float64 on PyTorch.
        return x @ ops.transpose(y)
    if distance == "cosine":
        # What is below 0 is rounding, which takes no gradient away.
        return gradients.with_gradient(ops.relu, lambda upstream, z: upstream)(1.0 - x @ ops.transpose(y))
    from_x, from_y = x - centre, y - centre
    size = ops.expand_dims(ops.sum(from_x * from_x, axis=1), 1) + ops.sum(from_y * from_y, axis=1)
    square = size - (2.0 * from_x) @ ops.transpose(from_y)
    # Where little is left of the difference it is done again; an anchor is at distance 0 from itself.
    clear = square >= _CLOSE * _rounding(x.dtype) * size
    square = _ClosePairs(others & ~clear).added(ops.where(clear, square, 0.0), x, y)
    return square if distance == "squared_l2" else _root(square)


class _ClosePairs:
    """Pairs, few of each row as a rule, of whose differences nothing is lost.

    Two sums over them are each other's gradients, and no tape need follow either.
    """

    def __init__(self, close: Any) -> None:
        self.close, self.there = close, ops.any(close)
        self.rows, self.count = ops.shape(close)

    def added(self, square: Any, x: Any, y: Any) -> Any:
        """Squared distances of x and y, and those of these pairs, which are 0 so far."""

        def found(square: Any, x: Any, y: Any) -> tuple[Any, Callable[[Any], Any]]:
            still, a, b = map(ops.stop_gradient, (square, x, y))
            values = ops.cond(self.there, lambda: still + self._products(a, b, a, b), lambda: still)
            return values, lambda upstream: (upstream, *self.sums(upstream, 2.0 * x, 2.0 * y))

        return gradients.with_pull(found, still=True)(square, x, y)

    def products(self, *vectors: Any) -> Any:
        """(x_i - y_j) . (u_i - v_j) of each pair, 0 for all others, from x, y, u and v."""

        def found(x: Any, y: Any, u: Any, v: Any) -> tuple[Any, Callable[[Any], Any]]:
            still = tuple(map(ops.stop_gradient, (x, y, u, v)))
            nothing = ops.zeros((self.rows, self.count), dtype=x.dtype)
            values = ops.cond(self.there, lambda: self._products(*still), lambda: nothing)
            return values, lambda upstream: (*self.sums(upstream, u, v), *self.sums(upstream, x, y))

        return gradients.with_pull(found, still=True)(*vectors)

    def sums(self, weight: Any, x: Any, y: Any) -> Any:
        """weight_ij (x_i - y_j), added up for each i, and y_j - x_i for each j."""

        def found(weight: Any, x: Any, y: Any) -> tuple[Any, Callable[[Any], Any]]:
            still, a, b = map(ops.stop_gradient, (weight, x, y))
            values = ops.cond(self.there, lambda: self._sums(still, a, b), lambda: (0.0 * a, 0.0 * b))
            return values, lambda upstream: (self.products(x, y, *upstream), *self.sums(weight, *upstream))

        return gradients.with_pull(found, still=True)(weight, x, y)

    def _products(self, x: Any, y: Any, u: Any, v: Any) -> Any:
        def step(chosen: Any, index: Any, total: Any) -> tuple[Any, ...]:
            products = ops.sum(_differences(x, y, index) * _differences(u, v, index), axis=2)
            return (total + numerics.sums_at(ops.where(chosen, products, 0.0), index, self.count),)

        (total,) = self._in_rounds(step, ops.zeros((self.rows, self.count), dtype=x.dtype))
        return total

    def _sums(self, weight: Any, x: Any, y: Any) -> Any:
        def step(chosen: Any, index: Any, of_x: Any, of_y: Any) -> tuple[Any, ...]:
            weights = ops.take(ops.reshape(weight, (-1,)), numerics.flat_index(index, self.count))
            terms = ops.expand_dims(ops.where(chosen, weights, 0.0), 2) * _differences(x, y, index)
            of_y = of_y - numerics.segment_sum(
                ops.reshape(terms, (-1, ops.shape(y)[1])), ops.reshape(index, (-1,)), self.count
            )
            return of_x + ops.sum(terms, axis=1), of_y

        return self._in_rounds(step, ops.zeros_like(x), ops.zeros_like(y))

    def _in_rounds(self, step: Callable[..., tuple[Any, ...]], *state: Any) -> tuple[Any, ...]:
        """What `step(chosen, index, *state)` makes of it: for the first few columns of each row, the next few, ..."""
        few = min(_FEW_CLOSE, self.count) if isinstance(self.count, int) else ops.minimum(_FEW_CLOSE, self.count)
        number = ops.where(self.close, ops.cumsum(ops.cast(self.close, "int32"), axis=1), 0)
        most = ops.max(number)

        def body(done: Any, *state: Any) -> tuple[Any, ...]:
            left = ops.where(number > done, self.count + 1 - number, 0)
            chosen, index = ops.top_k(left, few)
            state = step(chosen > 0, index, *state)
            return (done + few * (next_after(done, *state) - done), *state)

        return tuple(ops.while_loop(lambda done, *_: done < most, body, (ops.cast(0, "int32"), *state))[1:])


def _differences(x: Any, y: Any, index: Any) -> Any:
    return ops.expand_dims(x, 1) - ops.take(y, index, axis=0)


def _root(square: Any) -> Any:
    # With a slope by the root itself, so that a tape keeps nothing else.
    def slope(upstream: Any, square: Any) -> Any:
        return 0.5 * numerics.ratio(upstream, numerics.root(square))

    return gradients.with_gradient(numerics.root, slope)(square)


def _rounding(dtype: Any) -> float:
    return 4.0 * float(np.finfo("float64" if "64" in str(dtype) else "float32").eps)


def _at_least_one(size: Any) -> Any:
    return max(size, 1) if isinstance(size, int) else ops.maximum(size, 1)

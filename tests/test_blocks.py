# SPDX-License-Identifier: Apache-2.0
"""Formulas over a pair matrix: what blocks give is what the matrix gives, and what loops over pairs give in float64."""

from __future__ import annotations

import inspect
import weakref

import numpy as np
import pytest
from keras import ops
from oracles import ORACLES
from support import BACKEND, EXACT, EXACT_SLOPE, MODES, SLOWLY_COMPILED, float64, slope, to_numpy, value_and_gradient

import tfloss_ext
from tfloss_ext import blocks, gradients
from tfloss_ext.pairing import PairLoss

# The last two ids have one sample each; what is dropped is also not a number.
IDS = np.array([0, 1, 0, 2, 1, 2, 0, 1, 2, 0, 1, 3, 4])
KEPT = np.array([1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1], "bool")
EMBEDDINGS = np.where(KEPT[:, None], np.random.default_rng(0).normal(size=(len(IDS), 3)), np.nan)
WEIGHTS = np.linspace(0.5, 1.5, len(IDS))
# In each case but those of 1 and None the last block is shorter than the others.
SIZES = [1, 3, 4, 12, None]


def pair_matrix(x, distance, block_size):
    return blocks.PairMatrix(
        x,
        x,
        ops.convert_to_tensor(IDS, dtype="int32"),
        ops.convert_to_tensor(IDS, dtype="int32"),
        own=ops.arange(ops.shape(x)[0], dtype="int32"),
        anchor_kept=ops.convert_to_tensor(KEPT),
        column_kept=ops.convert_to_tensor(KEPT),
        distance=distance,
        block_size=block_size,
    )


def by_numpy(x):
    """The matrix of distances, and its positives and negatives as booleans."""
    x = np.where(KEPT[:, None], x, 1.0)
    both = KEPT[:, None] & KEPT & ~np.eye(len(x), dtype="bool")
    same = IDS[:, None] == IDS
    return np.linalg.norm(x[:, None] - x, axis=-1), both & same, both & ~same


def of_loss(key, **parameters):
    """A loss as a formula of the embeddings and the size of a block, and the same by loops over pairs."""

    def formula(x, block_size):
        loss = tfloss_ext.get(key, **parameters, block_size=block_size, reduction=None, dtype=x.dtype)
        return loss(IDS, x, KEPT.astype("float32"))

    def by_loops(x):
        held = {"held": EMBEDDINGS[KEPT]} if "held" in inspect.signature(ORACLES[key]).parameters else {}
        values = np.zeros(len(x))
        values[KEPT] = ORACLES[key](IDS[KEPT], x[KEPT], **parameters, **held) * len(x) / KEPT.sum()
        return values

    return formula, by_loops


FORMULAS = {
    "multi_similarity": of_loss("multi_similarity"),
    "sup_con": of_loss("sup_con"),
    "circle_loss": of_loss("circle_loss", gamma=8.0),
    "lifted_structure": of_loss("lifted_structure"),
}


def weighted(formula, block_size):
    """The formula as a loss whose samples count differently, so that an exchange of rows is seen."""
    return lambda _, x, __: formula(x, block_size) * ops.convert_to_tensor(WEIGHTS, dtype=x.dtype)


def sizes_and_modes(sizes):
    """All sizes as Python calls, and in the other modes among the slow tests."""
    return pytest.mark.parametrize(
        ("size", "mode"),
        [
            pytest.param(size, mode, marks=() if mode == MODES[0] else pytest.mark.slow)
            for size in sizes
            for mode in MODES
        ],
        ids=str,
    )


@sizes_and_modes(SIZES)
@pytest.mark.parametrize("name", FORMULAS)
def test_a_loss_gives_what_loops_over_pairs_give(name, size, mode):
    formula, by_loops = FORMULAS[name]
    with float64():
        value, gradient = value_and_gradient(weighted(formula, size), None, EMBEDDINGS, mode=mode)
    np.testing.assert_allclose(value, WEIGHTS @ by_loops(EMBEDDINGS), **EXACT)
    np.testing.assert_allclose(gradient, slope(lambda x: WEIGHTS @ by_loops(x), EMBEDDINGS), **EXACT_SLOPE)


@sizes_and_modes(SIZES[:-1])
@pytest.mark.parametrize("name", FORMULAS)
def test_blocks_give_what_the_whole_matrix_gives(name, size, mode):
    formula, _ = FORMULAS[name]
    x = EMBEDDINGS.astype("float32")
    whole, whole_gradient = value_and_gradient(weighted(formula, None), None, x)
    value, gradient = value_and_gradient(weighted(formula, size), None, x, mode=mode)
    np.testing.assert_allclose(value, whole, rtol=1e-5)
    np.testing.assert_allclose(gradient, whole_gradient, rtol=1e-5, atol=1e-5 * np.abs(whole_gradient).max())


@pytest.mark.parametrize(
    ("name", "size", "mode"),
    [
        pytest.param(name, size, mode, marks=() if mode == MODES[0] else pytest.mark.slow)
        for name in FORMULAS
        for size in (1, 4)
        for mode in MODES
    ],
)
def test_the_gradient_of_the_gradient(name, size, mode):
    direction = np.random.default_rng(1).normal(size=EMBEDDINGS.shape)

    def along(block_size):
        def loss(_, x, __):
            values, pull = gradients.pullback(lambda x: weighted(FORMULAS[name][0], block_size)(None, x, None), x)
            return pull(ops.ones_like(values))[0] * ops.convert_to_tensor(direction, dtype=x.dtype)

        return loss

    with float64():
        # The whole matrix is differentiated twice as it is.
        expected = value_and_gradient(along(None), None, EMBEDDINGS)
        found = value_and_gradient(along(size), None, EMBEDDINGS, mode=mode)
    assert np.abs(expected[1]).max() > 0.1
    np.testing.assert_allclose(found[0], expected[0], **EXACT)
    np.testing.assert_allclose(found[1], expected[1], **EXACT_SLOPE)


# The engine itself


def sums_both_ways(x, y, kept, size):
    """Sums of exp(x . y) over the columns, and over the rows that are kept."""

    def formula(rows, labels, columns):
        terms = ops.exp(rows[0] @ ops.transpose(columns[0]))
        return (ops.sum(terms, axis=1),), (ops.sum(ops.where(labels[0][:, None] > 0, terms, 0.0), axis=0),)

    (of_rows,), (of_columns,) = blocks.by_blocks(formula, [x], [ops.convert_to_tensor(kept)], [y], size)
    return of_rows, of_columns


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 4, 20])
def test_rows_and_sums_over_rows(size, mode):
    rng = np.random.default_rng(0)
    x, y, kept = rng.normal(size=(10, 3)), rng.normal(size=(7, 3)), (np.arange(10) % 3).astype("int32")

    def both(_, stacked, __):
        of_rows, of_columns = sums_both_ways(stacked[:10], stacked[10:], kept, size)
        return ops.sum(ops.log(of_rows)) + ops.sum(ops.log(of_columns))

    def by_formula(stacked):
        terms = np.exp(stacked[:10] @ stacked[10:].T)
        return np.log(terms.sum(axis=1)).sum() + np.log(terms[kept > 0].sum(axis=0)).sum()

    stacked = np.concatenate([x, y])
    with float64():
        value, gradient = value_and_gradient(both, None, stacked, mode=mode)
    np.testing.assert_allclose(value, by_formula(stacked), **EXACT)
    np.testing.assert_allclose(gradient, slope(by_formula, stacked), **EXACT_SLOPE)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX traces a kernel and shows it no array")
def test_neither_pass_holds_more_than_a_block():
    seen, most = [], 0

    def formula(x, block_size):
        def kernel(d, positive, negative):
            nonlocal most
            assert d.shape == (1, len(IDS))
            seen.append(weakref.ref(d))
            most = max(most, sum(each() is not None for each in seen))
            return ops.sum(ops.where(negative, ops.exp(-d), 0.0), axis=1)

        return pair_matrix(x, "l2", block_size).rows(kernel)

    value_and_gradient(weighted(formula, 1), None, EMBEDDINGS.astype("float32"))
    assert len(seen) == 2 * len(IDS)
    # The one at hand, and the one before it.
    assert most <= 2


def test_rows_of_several_values():
    def kernel(d, positive, negative):
        return ops.stack([ops.sum(ops.where(mask, d, 0.0), axis=1) for mask in (positive, negative)], axis=1)

    d, positive, negative = by_numpy(EMBEDDINGS)
    found = to_numpy(pair_matrix(ops.convert_to_tensor(EMBEDDINGS.astype("float32")), "l2", 5).rows(kernel))
    np.testing.assert_allclose(found, np.stack([(d * positive).sum(1), (d * negative).sum(1)], axis=1), rtol=1e-5)


class Repulsion(PairLoss):
    """A member of the family that knows no distance but the cosine."""

    distance = "similarity"

    def kernel(self):
        def kernel(s, positive, negative):
            near = ops.sum(ops.where(negative, ops.square(ops.relu(s)), 0.0), axis=1)
            return ops.stack([near, ops.sum(ops.cast(negative, s.dtype), axis=1)], axis=1)

        return kernel


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [4, None], ids=str)
def test_a_loss_of_cosines_alone_is_a_class_attribute_and_a_kernel(size, mode):
    x = EMBEDDINGS[KEPT].astype("float32")
    ids = IDS[KEPT]
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    costs = np.maximum(unit @ unit.T, 0.0) ** 2
    loss = Repulsion(block_size=size)
    assert "distance" not in inspect.signature(Repulsion).parameters
    value, _ = value_and_gradient(loss, ids, x, mode=mode)
    assert value == pytest.approx(costs[ids[:, None] != ids].mean(), rel=1e-5)


# Close points


def clusters(per_id, gap, dtype):
    """Points `gap` apart, so many of each id, 1000 from the origin in different directions; the first two are equal."""
    rng, count = np.random.default_rng(3), 16 if per_id == 2 else 3
    directions, offsets = rng.normal(size=(count, 1, 6)), rng.normal(size=(count, per_id, 6))
    x = 1000 * directions / np.linalg.norm(directions, axis=2, keepdims=True)
    x = x + gap * offsets / np.linalg.norm(offsets, axis=2, keepdims=True)
    x[0, 1] = x[0, 0]
    return x.reshape(-1, 6).astype(dtype), np.repeat(np.arange(count), per_id)


def sums_of_positives(x, ids, distance, block_size):
    here = ops.ones((len(ids),), dtype="bool")
    pairs = blocks.PairMatrix(
        x,
        x,
        ops.convert_to_tensor(ids, dtype="int32"),
        ops.convert_to_tensor(ids, dtype="int32"),
        own=ops.arange(len(ids), dtype="int32"),
        anchor_kept=here,
        column_kept=here,
        distance=distance,
        block_size=block_size,
    )
    return pairs.rows(lambda d, positive, negative: ops.sum(ops.where(positive, d, 0.0), axis=1))


CLOSE = [
    pytest.param(per_id, distance, size, mode, marks=() if mode == MODES[0] or usual else pytest.mark.slow)
    # Few in a row, and more than are taken at a time.
    for per_id in (2, 20)
    for distance in ("l2", "squared_l2")
    for size in (1, 7, None)
    for mode in MODES
    for usual in [(per_id, distance, size) == (20, "l2", 7)]
]


@pytest.mark.parametrize(("per_id", "distance", "size", "mode"), CLOSE)
@pytest.mark.parametrize(("dtype", "gap"), [("float32", 0.01), ("float64", 1e-6)])
def test_close_points_far_from_the_origin_keep_their_distance(per_id, distance, size, mode, dtype, gap):
    x, ids = clusters(per_id, gap, dtype)
    difference = x[:, None].astype("float64") - x
    d = np.linalg.norm(difference, axis=2)
    positive = (ids[:, None] == ids) & ~np.eye(len(ids), dtype="bool")
    expected, per_distance = (d, 1 / np.where(d > 0, d, np.inf)) if distance == "l2" else (d**2, 2.0)
    slopes = 2 * (np.where(positive, per_distance, 0.0)[:, :, None] * difference).sum(1)
    with float64():
        value, gradient = value_and_gradient(
            lambda _, x, __: sums_of_positives(x, ids, distance, size), None, x, mode=mode
        )
    np.testing.assert_allclose(value, expected[positive].sum(), rtol=1e-5)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-4, atol=1e-5 * np.abs(slopes).max())
    if per_id == 2:
        # Equal points are at distance 0, without a gradient, not one that is rounded away.
        assert not gradient[:2].any()


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("size", [7, None], ids=str)
@pytest.mark.parametrize("per_id", [2, 20])
def test_the_gradient_of_the_gradient_of_close_points(per_id, size, mode):
    x, ids = clusters(per_id, 1e-6, "float64")
    direction = np.random.default_rng(4).normal(size=x.shape)

    def along(_, x, __):
        values, pull = gradients.pullback(lambda x: sums_of_positives(x, ids, "squared_l2", size) / 2, x)
        return pull(ops.ones_like(values))[0] * ops.convert_to_tensor(direction)

    with float64():
        value, gradient = value_and_gradient(along, None, x, mode=mode)
    # Of the sum of |x_i - x_j|**2 over pairs, both ways: a Laplacian.
    laplacian = 2 * (per_id * np.eye(len(ids)) - (ids[:, None] == ids))
    np.testing.assert_allclose(value, np.sum(direction * (laplacian @ x)), rtol=1e-4)
    np.testing.assert_allclose(gradient, laplacian @ direction, **EXACT_SLOPE)

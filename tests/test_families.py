# SPDX-License-Identifier: Apache-2.0
"""Families of one's own: a plain formula gets targets, weights and masks as every loss of its family does."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from support import MODES, slope, value_and_gradient

import tfloss_ext


class Crossentropy(tfloss_ext.ClassLoss):
    """The plainest formula, which knows nothing of ids."""

    def call(self, y_true, y_pred):
        return -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)


class Sharing(tfloss_ext.OverlapLoss):
    """One minus the shared part of what is predicted."""

    def cost(self, sums):
        return self.one_minus(sums.false_positives, sums.intersection)


class Spread(tfloss_ext.BatchLoss):
    """How far each sample's error is from the mean of those that are kept."""

    def call(self, y_true, y_pred, kept=None):
        error = ops.sum(ops.abs(y_pred - y_true), axis=-1)
        kept = ops.ones_like(error) if kept is None else ops.cast(kept, error.dtype)
        return kept * ops.square(error - ops.sum(kept * error) / ops.sum(kept))


class Together(tfloss_ext.PairLoss):
    """The mean distance of the positive pairs."""

    distance: str = tfloss_ext.choice(options=("l2", "cosine"), default="l2")

    def kernel(self):
        def together(d, positive, negative):
            count = ops.sum(ops.cast(positive, d.dtype), axis=1)
            return ops.stack([ops.sum(ops.where(positive, d, 0.0), axis=1), count], axis=1)

        return together


def logits(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def crossentropy(y, z):
    z = z.astype("float64")
    return -(y * (z - np.log(np.exp(z).sum(-1, keepdims=True)))).sum(-1)


IDS = np.array([[0, 2], [1, 1], [2, 0]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["int32", "uint8", "int64", "bool", "float32"])
@pytest.mark.parametrize("as_ids", ["ids", "column of ids", "one-hot"])
def test_a_plain_formula_over_classes_takes_ids_and_one_hot(as_ids, dtype, mode):
    if dtype == "bool" and as_ids != "one-hot":
        pytest.skip("ids of three classes are no booleans")
    z, one_hot = logits(3, 2, 3), np.eye(3)[IDS]
    targets = {"ids": IDS, "column of ids": IDS[..., None], "one-hot": one_hot}[as_ids].astype(dtype)
    value, gradient = value_and_gradient(Crossentropy(), targets, z, mode=mode)
    assert value == pytest.approx(crossentropy(one_hot, z).mean(), rel=1e-5)
    softmax = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    np.testing.assert_allclose(gradient, (softmax - one_hot) / 6, atol=1e-6)


def test_its_weights_masks_and_bad_ids_are_those_of_every_loss():
    z, weight = logits(3, 2, 3), np.array([1.0, 0.0, 2.0])
    z[1] = np.nan
    values = np.nan_to_num(crossentropy(np.eye(3)[IDS], z))
    assert float(Crossentropy()(IDS, z, weight)) == pytest.approx((values * weight[:, None]).mean(), rel=1e-5)
    with pytest.raises(ValueError, match=r"Crossentropy: Expected ids of 3 classes, 0 to 2\. Received: 3"):
        Crossentropy()(IDS + 1, logits(3, 2, 3))


def test_it_trains():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", Crossentropy())
    x, y = logits(12, 4), np.arange(12) % 3
    losses = model.fit(x, y, batch_size=5, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("mode", MODES)
def test_an_overlap_is_its_cost(mode):
    p = np.random.default_rng(1).random((2, 5, 4, 3)).astype("float32")
    ids = np.random.default_rng(2).integers(0, 3, (2, 5, 4))
    y = np.eye(3)[ids]

    def expected(p):
        shared, predicted = (p * y).sum((1, 2)), p.sum((1, 2))
        return float(((predicted - shared) / (predicted + 0.5))[:, 1:].mean(-1).mean())

    for targets in (ids, y):
        loss = Sharing(smooth=0.5, include_background=False)
        value, gradient = value_and_gradient(loss, targets, p, mode=mode)
        assert value == pytest.approx(expected(p.astype("float64")), rel=1e-5)
        np.testing.assert_allclose(gradient, slope(expected, p), atol=1e-5)


def test_a_batch_leaves_out_what_has_no_weight():
    y, x, weight = np.zeros((4, 2)), logits(4, 2), np.array([1.0, 1.0, 0.0, 1.0])
    x[2] = np.nan
    errors = np.abs(x[[0, 1, 3]]).sum(-1)
    values = (errors - errors.mean()) ** 2
    assert float(Spread()(y, x, weight)) == pytest.approx(values.sum() / 4, rel=1e-5)
    loss = Spread(reduction="mean_with_sample_weight")
    assert float(loss(y, x, weight)) == pytest.approx(values.sum() / 4, rel=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("block_size", [None, 1, 3])
def test_pairs_are_a_plain_kernel(block_size, mode):
    ids, x = np.array([0, 1, 0, 1, 0]), np.random.default_rng(3).normal(size=(5, 2)).astype("float32")

    def expected(x):
        pairs = [(i, j) for i in range(5) for j in range(5) if i != j and ids[i] == ids[j]]
        return float(np.mean([np.linalg.norm(x[i] - x[j]) for i, j in pairs]))

    value, gradient = value_and_gradient(Together(block_size=block_size), ids, x, mode=mode)
    assert value == pytest.approx(expected(x.astype("float64")), rel=1e-5)
    np.testing.assert_allclose(gradient, slope(expected, x), atol=1e-5)


@pytest.mark.parametrize("name", ["ClassLoss", "OverlapLoss", "BatchLoss", "PairLoss", "ViewsLoss"])
def test_the_families_are_public(name):
    family = getattr(tfloss_ext, name)
    assert issubclass(family, tfloss_ext.Loss)
    assert name in tfloss_ext.__all__

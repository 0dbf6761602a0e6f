# SPDX-License-Identifier: Apache-2.0
"""Dice: numbers worked out by hand, weights of positions, ignored classes, and empty masks."""

from __future__ import annotations

import numpy as np
import pytest
from support import to_numpy, value_and_gradient

from tfloss_ext import Dice


def test_dice_by_hand():
    # I = 1 + 0.5, P = 2, Y = 2.
    y, p = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
    assert to_numpy(Dice()(y, p)) == pytest.approx(1 - 3 / 4, abs=1e-6)
    # Squared: P = 1 + 0.25 + 0.25.
    assert to_numpy(Dice(squared=True)(y, p)) == pytest.approx(1 - 3 / 3.5, abs=1e-6)
    # s = 2: (3 + 2) / (4 + 2).
    assert to_numpy(Dice(smooth=2.0)(y, p)) == pytest.approx(1 - 5 / 6, abs=1e-6)


def test_per_image_and_per_batch_differ():
    y, p = np.array([[[1.0]], [[0.0]]]), np.array([[[1.0]], [[1.0]]])
    np.testing.assert_allclose(to_numpy(Dice(reduction=None)(y, p)), [0.0, 1.0], atol=1e-5)
    np.testing.assert_allclose(to_numpy(Dice(reduction=None, per_image=False)(y, p)), [1 / 3, 1 / 3], atol=1e-5)


@pytest.mark.parametrize("smooth", [0.0, 1e-6, 1.0])
def test_an_empty_mask_predicted_empty_costs_nothing(smooth):
    y = np.zeros((2, 4, 1))
    value, gradient = value_and_gradient(Dice(smooth=smooth), y, np.zeros((2, 4, 1), "float32"))
    assert value == 0
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize("classes", [1, 3, 12])
def test_ignored_and_weightless_positions_are_as_good_as_cut_out(classes, per_image):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, max(classes, 2), (2, 6))
    z = rng.normal(size=(2, 6, classes)).astype("float32")
    z[:, 4:] = np.nan
    cut, expected = ids[:, :4], value_and_gradient(Dice(from_logits=True, per_image=per_image), ids[:, :4], z[:, :4])
    weight = np.ones((2, 6))
    weight[:, 4:] = 0
    ignored = np.concatenate([cut, np.full((2, 2), 255)], 1)
    for y, parameters, weights in ((ids, {}, weight), (ignored, {"ignore_class": 255}, None)):
        loss = Dice(from_logits=True, per_image=per_image, **parameters)
        value, gradient = value_and_gradient(loss, y, z, weights)
        np.testing.assert_allclose(value, expected[0], rtol=1e-6)
        np.testing.assert_allclose(gradient[:, :4], expected[1], rtol=1e-5, atol=1e-8)
        assert not gradient[:, 4:].any()


@pytest.mark.parametrize("classes", [3, 12])
@pytest.mark.parametrize("squared", [False, True])
def test_a_position_of_weight_two_counts_twice(classes, squared):
    rng = np.random.default_rng(0)
    ids, z = rng.integers(0, classes, (2, 5)), rng.normal(size=(2, 5, classes)).astype("float32")
    loss = Dice(from_logits=True, squared=squared)
    weight = np.array([[2.0, 1, 1, 1, 1]] * 2)
    twice = to_numpy(loss(np.concatenate([ids, ids[:, :1]], 1), np.concatenate([z, z[:, :1]], 1)))
    np.testing.assert_allclose(to_numpy(loss(ids, z, weight)), twice, rtol=1e-6)


def test_weights_of_images_and_of_positions_when_all_axes_are_equal():
    rng = np.random.default_rng(0)
    ids, z = rng.integers(0, 2, (3, 3, 3)), rng.normal(size=(3, 3, 3, 2)).astype("float32")
    values = to_numpy(Dice(from_logits=True, reduction=None)(ids, z))
    weight = np.array([1.0, 2.0, 4.0])
    for shape in ((3,), (3, 1), (3, 1, 1)):
        weighted = to_numpy(Dice(from_logits=True, reduction=None)(ids, z, weight.reshape(shape)))
        np.testing.assert_allclose(weighted, values * weight, rtol=1e-6)


def test_the_share_of_an_image_in_the_sums_of_the_batch():
    rng = np.random.default_rng(0)
    ids, z = rng.integers(0, 2, (2, 3)), rng.normal(size=(2, 3, 2)).astype("float32")
    loss = Dice(from_logits=True, per_image=False)
    twice = to_numpy(loss(ids[[0, 0, 1]], z[[0, 0, 1]]))
    np.testing.assert_allclose(to_numpy(loss(ids, z, np.array([2.0, 1.0]))), twice, rtol=1e-6)


def test_the_background_needs_a_foreground():
    with pytest.raises(ValueError, match="Expected include_background=True with one class"):
        Dice(include_background=False)(np.zeros((1, 2, 1)), np.zeros((1, 2, 1)))


def test_class_weights_are_as_many_as_the_classes_that_count():
    y, p = np.zeros((1, 4), "int32"), np.full((1, 4, 3), 1 / 3)
    Dice(include_background=False, class_weights=[1.0, 2.0])(y, p)
    with pytest.raises(ValueError, match="Expected class_weights to have one number for each of 3"):
        Dice(class_weights=[1.0, 2.0])(y, p)


@pytest.mark.tensorflow
def test_positions_of_unknown_number():
    import tensorflow as tf

    ids, z = np.array([[0, 1, 2, 2]]), np.random.default_rng(0).normal(size=(1, 4, 3)).astype("float32")
    loss = Dice(from_logits=True)
    specs = [tf.TensorSpec((None, None), tf.int64), tf.TensorSpec((None, None, 3), tf.float32)]
    run = tf.function(loss, input_signature=specs, autograph=False)
    np.testing.assert_allclose(run(ids, z), to_numpy(loss(ids, z)), rtol=1e-6)

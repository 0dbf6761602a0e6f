# SPDX-License-Identifier: Apache-2.0
"""Focal and CategoricalFocal: numbers worked out by hand, saturated logits, labels, and laws for any input."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import to_numpy, value_and_gradient

from tfloss_ext import CategoricalFocal, Focal

few = settings(max_examples=25, deadline=None, derandomize=True)
LOGITS = arrays("float32", (5, 3), elements=st.floats(-30, 30, width=32))
TARGETS = arrays("float32", (5, 3), elements=st.floats(0, 1, width=32))


def values(loss, y_true, y_pred):
    loss.reduction = None
    return to_numpy(loss(y_true, y_pred))


@pytest.mark.parametrize(
    ("parameters", "y", "p", "expected"),
    [
        # 0.25 * (1 - 0.9)**2 * -ln 0.9 and 0.75 * 0.9**2 * -ln 0.1
        ({}, 1, 0.9, 0.25 * 0.01 * 0.105360516),
        ({}, 0, 0.9, 0.75 * 0.81 * 2.302585093),
        ({"alpha": None, "gamma": 0.0}, 1, 0.25, 1.386294361),
        ({"alpha": None, "gamma": 1.0}, 1, 0.25, 0.75 * 1.386294361),
        # Smoothed to 0.9: p_t = 0.9 * 0.5 + 0.1 * 0.5, crossentropy ln 2.
        ({"alpha": None, "label_smoothing": 0.2}, 1, 0.5, 0.25 * 0.693147181),
    ],
)
def test_focal_by_hand(parameters, y, p, expected):
    np.testing.assert_allclose(values(Focal(**parameters), [[y]], [[p]]), [expected], rtol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "y", "p", "expected"),
    [
        ({}, [1], [[0.2, 0.5, 0.3]], [0.25 * 0.693147181]),
        ({"gamma": 0.0}, [2], [[0.2, 0.3, 0.5]], [0.693147181]),
        ({"gamma": 0.0, "alpha": [1.0, 2.0, 4.0]}, [[0, 0.5, 0.5]], [[0.2, 0.25, 0.55]], [1.386294361 + 2 * 0.597837]),
        ({"gamma": 0.0, "ignore_class": 1}, [1, 0], [[0.5, 0.5], [0.5, 0.5]], [0.0, 0.693147181]),
        # Given as they are: probabilities need not add up to 1.
        ({"gamma": 0.0}, [0], [[0.5, 0.9]], [0.693147181]),
        # One probability p speaks of [1 - p, p].
        ({"gamma": 0.0, "alpha": [3.0, 1.0]}, [0], [[0.25]], [3 * 0.287682072]),
    ],
)
def test_categorical_focal_by_hand(parameters, y, p, expected):
    np.testing.assert_allclose(values(CategoricalFocal(**parameters), np.array(y), p), expected, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("y", [np.array([[1.0], [0.0]]), np.array([[1], [0]])], ids=["float", "int"])
def test_a_wrong_saturated_logit_keeps_its_gradient(gamma, y):
    loss = Focal(gamma=gamma, alpha=None, from_logits=True, reduction="sum")
    value, gradient = value_and_gradient(loss, y, np.array([[-1e4], [1e4]], "float32"))
    np.testing.assert_allclose(value, 2e4, rtol=1e-6)
    np.testing.assert_allclose(gradient, [[-1.0], [1.0]], rtol=1e-6)


@pytest.mark.parametrize("y", [np.array([1]), np.array([[0.0, 1.0, 0.0]])], ids=["ids", "one-hot"])
def test_a_wrong_saturated_class_keeps_its_gradient(y):
    loss = CategoricalFocal(from_logits=True)
    _, gradient = value_and_gradient(loss, y, np.array([[1e4, -1e4, 0.0]], "float32"))
    np.testing.assert_allclose(gradient, [[1.0, -1.0, 0.0]], atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_perfect_prediction_costs_nothing(gamma):
    assert values(Focal(gamma=gamma), [[1.0, 0.0]], [[1.0, 0.0]]) < 1e-6
    assert values(Focal(gamma=gamma, from_logits=True), [[1.0, 0.0]], [[40.0, -40.0]]) < 1e-6
    assert values(CategoricalFocal(gamma=gamma), np.array([1]), [[0.0, 1.0]]) < 1e-6
    assert values(CategoricalFocal(gamma=gamma, from_logits=True), np.array([1]), [[-40.0, 40.0]]) < 1e-6


@few
@given(TARGETS, LOGITS)
def test_without_focus_it_is_the_crossentropy_of_keras(y, z):
    ours = values(Focal(gamma=0.0, alpha=None, from_logits=True), y, z)
    np.testing.assert_allclose(
        ours, to_numpy(keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)(y, z)), rtol=1e-5, atol=2e-6
    )


@few
@given(TARGETS, LOGITS, st.floats(0.0, 5.0), st.floats(0.0, 1.0))
def test_logits_and_their_probabilities_cost_the_same(y, z, gamma, alpha):
    p = to_numpy(keras.ops.sigmoid(z / 4))
    from_logits = values(Focal(gamma=gamma, alpha=alpha, from_logits=True), y, z / 4)
    np.testing.assert_allclose(from_logits, values(Focal(gamma=gamma, alpha=alpha), y, p), rtol=2e-4, atol=1e-6)


@few
@given(LOGITS, st.lists(st.integers(0, 2), min_size=5, max_size=5), st.floats(0.0, 5.0), st.booleans())
def test_ids_and_one_hot_cost_the_same(z, ids, gamma, from_logits):
    ids = np.array(ids)
    p = z if from_logits else to_numpy(keras.ops.softmax(z))
    loss = CategoricalFocal(gamma=gamma, from_logits=from_logits, alpha=[0.5, 1.0, 2.0])
    np.testing.assert_allclose(values(loss, ids, p), values(loss, np.eye(3)[ids], p), rtol=1e-4, atol=1e-6)


@few
@given(LOGITS, st.floats(-50, 50, width=32))
def test_softmax_does_not_see_a_shift(z, shift):
    loss, ids = CategoricalFocal(from_logits=True), np.array([0, 1, 2, 0, 1])
    np.testing.assert_allclose(values(loss, ids, z), values(loss, ids, z + shift), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("classes", [3, 40])
def test_an_id_that_is_no_class_costs_nothing(classes):
    z = np.full((2, classes), -1e4, "float32")
    loss = CategoricalFocal(from_logits=True, reduction="sum")
    value, gradient = value_and_gradient(loss, np.array([-1, classes]), z)
    assert value == 0
    assert not gradient.any()


def test_slices_of_a_large_array_give_what_the_whole_gives(monkeypatch):
    from tfloss_ext import numerics

    rng = np.random.default_rng(0)
    y, z = rng.random((7, 3)), rng.normal(size=(7, 3)).astype("float32")
    whole = value_and_gradient(Focal(from_logits=True), y, z)
    monkeypatch.setattr(numerics, "SLICE_ELEMENTS", 5)
    for got, expected in zip(value_and_gradient(Focal(from_logits=True), y, z), whole, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_too_few_alphas_raise():
    with pytest.raises(ValueError, match=r"Expected alpha to have one number for each of 3. Received: alpha=\[1.0, 2"):
        CategoricalFocal(alpha=[1.0, 2.0])(np.array([0]), [[0.2, 0.3, 0.5]])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"gamma": -1}, "Expected gamma >= 0. Received: gamma=-1"),
        ({"gamma": float("nan")}, "Expected gamma >= 0. Received: gamma=nan"),
        ({"alpha": 2}, r"Expected alpha in \[0, 1\] or None. Received: alpha=2"),
        ({"label_smoothing": 1.0}, r"Expected label_smoothing in \[0, 1\). Received: label_smoothing=1.0"),
        ({"from_logits": 1}, "Expected from_logits to be True or False. Received: from_logits=1"),
    ],
)
def test_bad_parameters_raise(parameters, message):
    with pytest.raises(ValueError, match=message.replace("1).", r"1\).")):
        Focal(**parameters)

# SPDX-License-Identifier: Apache-2.0
"""Sparsemax and BiTempered: closed forms, published numbers, limits, exact thresholds and normalisation."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import EXACT, MODES, SLOWLY_COMPILED, float64, to_numpy, value_and_gradient, values_and_gradients

from tfloss_ext import BiTempered, Sparsemax, simplex

few = settings(max_examples=25, deadline=None, derandomize=True)
LOGITS = arrays("float32", (5, 3), elements=st.floats(-30, 30, width=32))


def values(loss, y_true, y_pred):
    loss.reduction = None
    return to_numpy(loss(y_true, y_pred))


# Sparsemax


def test_sparsemax_by_hand():
    z = np.array([[2.0, 0.5, -1.0], [0.5, 0.5, -1.0], [0.4, 0.2, 0.0]], "float32")
    # p = (1, 0, 0); (1/2, 1/2, 0); (0.4 + 0.4/3, ...) with tau = (0.6 - 1)/3: all three.
    np.testing.assert_allclose(values(Sparsemax(), np.array([0, 0, 0]), z)[:2], [0.0, 0.25], atol=1e-7)
    np.testing.assert_allclose(values(Sparsemax(), np.array([1, 2, 0]), z)[:2], [1.5, 1.75], atol=1e-7)
    p = np.array([1.6, 1.0, 0.4]) / 3
    np.testing.assert_allclose(values(Sparsemax(), np.array([0]), z[2:]), ((p - [1, 0, 0]) ** 2).sum() / 2, rtol=1e-6)
    for ids, expected in ((0, p - [1, 0, 0]), (2, p - [0, 0, 1])):
        np.testing.assert_allclose(value_and_gradient(Sparsemax(), np.array([ids]), z[2:])[1], [expected], atol=1e-7)


@few
@given(arrays("float32", (8, 1), elements=st.floats(-1e4, 1e4, width=32)), st.booleans())
def test_sparsemax_of_two_classes_is_the_modified_huber_loss(z, positive):
    # By the margin t of the true class: 0 from 1 on, (t - 1)^2 / 4, and -t below -1.
    t = z[:, 0].astype("float64") * (1 if positive else -1)
    expected = np.where(t >= 1, 0, np.where(t <= -1, -t, (t - 1) ** 2 / 4))
    slope = np.where(t >= 1, 0, np.where(t <= -1, -1, (t - 1) / 2)) * (1 if positive else -1)
    y = np.full(8, int(positive))
    pair = np.concatenate([np.zeros_like(z), z], -1)
    np.testing.assert_allclose(values(Sparsemax(), y, z), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(values(Sparsemax(), y, pair), expected, rtol=1e-5, atol=1e-6)
    _, gradient = value_and_gradient(Sparsemax(reduction="sum"), y, z)
    np.testing.assert_allclose(gradient[:, 0], slope, atol=1e-6)


@pytest.mark.parametrize("classes", [3, 40])
def test_sparsemax_of_large_logits_is_exact(classes):
    z = np.full((2, classes), 1e4, "float32")
    z[0, 1] += 2
    z[1, 1] -= 2
    value, gradient = value_and_gradient(Sparsemax(reduction=None), np.array([1, 1]), z)
    # The second: p spread over all the others, at 1 / (C - 1) each, and tau = 1e4 - 1 / (C - 1).
    share = 1 / (classes - 1)
    cost = (share + 1) / 2 + (2 - share)
    np.testing.assert_allclose(value, cost, rtol=1e-6)
    expected = np.full((2, classes), share)
    expected[0], expected[1, 1] = 0, -1
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


@few
@given(LOGITS, st.integers(-100, 100))
def test_sparsemax_does_not_see_a_shift(z, shift):
    z = np.round(z * 64) / 64  # Exact in float32 after the shift as well.
    ids = np.array([0, 1, 2, 0, 1])
    np.testing.assert_array_equal(values(Sparsemax(), ids, z), values(Sparsemax(), ids, z + np.float32(shift)))


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("steps", ["even", "halving", "random", "equal", "tiny"])
@pytest.mark.parametrize("classes", [5, 67, 1000])
def test_the_gradient_is_the_projection_whatever_the_support(mode, steps, classes):
    c = np.arange(classes, dtype="float64")
    z = {
        "even": -c / classes,
        "halving": -np.minimum(1 - 0.5**c, 1 - 1e-12),
        "random": np.random.default_rng(0).normal(size=classes),
        "equal": np.zeros(classes),
        "tiny": -c * 1e-7,
    }[steps]
    z = np.stack([z, z[::-1], 30 * z, z / 30]) + 2.0
    falling = -np.sort(-z, -1)
    tau = ((falling.cumsum(-1) - 1) / (c + 1)).max(-1, keepdims=True)
    expected = np.maximum(z - tau, 0) - np.eye(classes)[0]
    with float64():
        loss = Sparsemax(reduction="sum", dtype="float64")
        _, gradient = value_and_gradient(loss, np.zeros(4, "int32"), z, mode=mode)
    np.testing.assert_allclose(gradient, expected, **EXACT)
    _, gradient = value_and_gradient(Sparsemax(reduction="sum"), np.zeros(4, "int32"), z.astype("float32"), mode=mode)
    np.testing.assert_allclose(gradient, expected, atol=2e-6)
    assert abs((gradient + np.eye(classes)[0]).sum(-1) - 1).max() < 1e-5


def test_many_steps_to_the_threshold_end_where_they_should():
    # Depths at which Newton's method leaves out one class after the other.
    rng = np.random.default_rng(0)
    for trial in range(20):
        z = -np.sort(np.exp(rng.uniform(-16, 0, (4, 300)))) if trial % 2 else -(rng.random((4, 300)) ** (trial + 1))
        z = z.astype("float32")
        z -= z.max(-1, keepdims=True)
        tau = to_numpy(simplex._threshold(keras.ops.convert_to_tensor(z), -1))
        total = np.maximum(z.astype("float64") - tau, 0).sum(-1)
        np.testing.assert_allclose(total, 1, atol=1e-4)


# BiTempered


SOFT = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0.2, 0.8, 0.0]], "float32")
SCORES = np.array([[-0.5, 0.1, 2.0], [0.1, 1.5, -5.0], [4.0, -3.0, -6.0]], "float32")


@pytest.mark.parametrize(
    ("parameters", "y", "expected"),
    [
        # As in the tests of the authors' code (whose smoothing of 0.1 over three classes is 0.15 here).
        ({"t1": 0.5, "t2": 1.5}, SOFT, [0.02301914, 0.18972909, 0.93874922]),
        ({"t1": 0.5, "t2": 1.5, "label_smoothing": 0.15}, np.arange(3), [0.76652711, 0.08627685, 1.35443510]),
        ({"t1": 0.5, "t2": 1.5, "label_smoothing": 0.15}, np.eye(3), [0.76652711, 0.08627685, 1.35443510]),
    ],
)
def test_bi_tempered_gives_the_published_numbers(parameters, y, expected):
    np.testing.assert_allclose(values(BiTempered(**parameters), y, SCORES), expected, rtol=2e-5)


@pytest.mark.parametrize(("t", "expected"), [(0.9, 0.45677936), (0.8, 0.34298314), (0.7, 0.26295574)])
def test_bi_tempered_gives_the_published_numbers_at_other_temperatures(t, expected):
    # The temperatures t1 = t and t2 = 2 - t. The authors' few iterations leave the fifth digit open.
    found = values(BiTempered(t1=t, t2=2 - t), np.array([[0.2, 0.5, 0.3]], "float32"), SCORES[:1])
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_bi_tempered_by_hand():
    # Two equal logits: p = 1/2 whatever t2. t1 = 0: half the squared distance of p and y.
    for t2 in (1.0, 1.5, 4.0):
        np.testing.assert_allclose(values(BiTempered(t1=0.0, t2=t2), np.array([1]), [[3.0, 3.0]]), [0.25], rtol=1e-6)
        np.testing.assert_allclose(values(BiTempered(t1=1.0, t2=t2), np.array([1]), [[0.0]]), [np.log(2)], rtol=1e-6)
    # t1 = 1/2: -2 (sqrt(p) - 1) - (1 - 2 p^(3/2)) / (3/2)
    root = 0.5**0.5
    expected = -2 * (root - 1) - (1 - root) / 1.5
    np.testing.assert_allclose(values(BiTempered(t1=0.5), np.array([0]), [[1.0, 1.0]]), [expected], rtol=1e-6)


@few
@given(LOGITS, st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_at_temperature_one_it_is_the_crossentropy_of_keras(z, ids):
    loss, ids = BiTempered(t1=1.0, t2=1.0), np.array(ids)
    expected = to_numpy(keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)(ids, z))
    np.testing.assert_allclose(values(loss, ids, z), expected, rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(values(loss, np.eye(3)[ids], z), expected, rtol=1e-5, atol=2e-6)


def test_at_temperature_one_the_entropy_of_soft_targets_is_taken_off():
    crossentropy = to_numpy(keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None)(SOFT, SCORES))
    entropy = -(SOFT * np.log(np.where(SOFT > 0, SOFT, 1))).sum(-1)
    np.testing.assert_allclose(values(BiTempered(1.0, 1.0), SOFT, SCORES), crossentropy - entropy, rtol=1e-5)


@pytest.mark.parametrize(("near", "limit"), [((0.8, 1 + 1e-6), (0.8, 1.0)), ((1 - 1e-6, 1.2), (1.0, 1.2))])
@pytest.mark.parametrize("near_as_floats_come", [False, True])
def test_a_temperature_near_one_is_near_the_limit(near, limit, near_as_floats_come):
    if near_as_floats_come:
        near = tuple(1 + (t - 1) * 1e-9 if abs(t - 1) < 1e-3 else t for t in near)
    z = np.random.default_rng(0).normal(size=(6, 5)).astype("float32") * 3
    for one, other in zip(
        value_and_gradient(BiTempered(*near), np.arange(6) % 5, z),
        value_and_gradient(BiTempered(*limit), np.arange(6) % 5, z),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("t2", [1.0, 1 + 1e-6, 1.01, 1.2, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tempered_probabilities_add_up_to_one(t2, dtype):
    rng = np.random.default_rng(0)
    many = [
        rng.normal(size=(6, 7)) * 10.0 ** np.arange(-2, 4)[:, None],
        -(10.0 ** rng.uniform(-3, 4.3, (6, 3000))),
        # One class far above many that are alike: where the normalisation takes the most steps.
        *[np.where(np.arange(n) < 1, 0.0, -depth)[None] for n in (50, 2000, 20000) for depth in (1.0, 50.0, 2e4)],
    ]
    with float64():
        for z in many:
            z = z - z.max(-1, keepdims=True)
            tensor = keras.ops.convert_to_tensor(z.astype(dtype))
            logs, escort = simplex._tempered(tensor, t2, -1, None if t2 == 1 else simplex._normaliser(tensor, t2, -1))
            p = np.exp(to_numpy(logs).astype("float64"))
            exact = dtype == "float64" and EXACT["rtol"] < 1e-8
            np.testing.assert_allclose(p.sum(-1), 1.0, atol=1e-11 if exact else 2e-5)
            np.testing.assert_allclose(to_numpy(escort()).sum(-1), 1.0, atol=1e-5)
            np.testing.assert_allclose(
                to_numpy(escort()), p**t2 / (p**t2).sum(-1, keepdims=True), rtol=1e-3, atol=1e-30
            )


@pytest.mark.parametrize("mode", MODES)
def test_where_the_softmax_is_the_target_nothing_is_lost_nor_learnt(mode):
    z = np.random.default_rng(0).normal(size=(4, 6)) * 2
    with float64():
        below = keras.ops.convert_to_tensor(z - z.max(-1, keepdims=True))
        y = np.exp(to_numpy(simplex._tempered(below, 1.7, -1, simplex._normaliser(below, 1.7, -1))[0]))
        loss = BiTempered(t1=0.4, t2=1.7, dtype="float64", reduction="sum")
        value, gradient = value_and_gradient(loss, y, z, mode=mode)
    assert abs(value) < 1e-6
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


@pytest.mark.parametrize("t1", [0.0, 0.5, 0.8])
def test_below_one_the_loss_is_bounded(t1):
    wrong = np.array([[-1e4, 1e4]], "float32")
    assert values(BiTempered(t1=t1, t2=1.0), np.array([0]), wrong) == pytest.approx(1 / (1 - t1), rel=1e-6)
    assert 0 < values(BiTempered(t1=t1, t2=4.0), np.array([0]), wrong) < 1 / (1 - t1)


@pytest.mark.parametrize("t1", [0.0, 0.8, 1.0])
@pytest.mark.parametrize(("t2", "lead"), [(1.0, 40.0), (1.0, 1e4), (1.2, 1e4), (1.5, 1e4)])
def test_a_perfect_prediction_costs_nothing(t1, t2, lead):
    z = np.array([[lead, -lead, 0.0]], "float32")
    assert abs(values(BiTempered(t1=t1, t2=t2), np.array([0]), z)) < 1e-6
    assert values(Sparsemax(), np.array([0]), z) == 0


def test_a_wrong_saturated_class_keeps_its_gradient_at_t1_of_one():
    z = np.array([[1e4, -1e4, 0.0]], "float32")
    _, gradient = value_and_gradient(BiTempered(t1=1.0, t2=1.0), np.array([1]), z)
    np.testing.assert_allclose(gradient, [[1.0, -1.0, 0.0]], atol=1e-6)
    # Under heavy tails p falls as a power of the logit, and the slope of its logarithm with it: 1 / (1 + s * 2e4).
    _, gradient = value_and_gradient(BiTempered(t1=1.0, t2=1.2), np.array([1]), z)
    np.testing.assert_allclose(gradient[0, 1], -1 / (1 + 0.2 * 2e4), rtol=1e-3)


@pytest.mark.parametrize("make", [Sparsemax, BiTempered])
@pytest.mark.parametrize("shape", [(7, 2, 3), (7, 2, 20)])
def test_slices_of_a_large_array_give_what_the_whole_gives(monkeypatch, make, shape):
    from tfloss_ext import gradients

    z, ids = np.random.default_rng(0).normal(size=shape).astype("float32"), np.arange(14).reshape(7, 2) % 3
    whole = value_and_gradient(make(), ids, z)
    monkeypatch.setattr(gradients, "SLICE_ELEMENTS", shape[-1] * 4)
    for got, expected in zip(value_and_gradient(make(), ids, z), whole, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.tensorflow
@pytest.mark.parametrize("loss", [Sparsemax(dtype="float64"), BiTempered(dtype="float64"), BiTempered(0.5, 1.0)])
@pytest.mark.parametrize("classes", [3, 20])
def test_the_gradient_has_a_gradient(loss, classes):
    import tensorflow as tf

    z = np.random.default_rng(0).normal(size=(2, classes))
    direction = np.random.default_rng(1).normal(size=z.shape)
    ids = np.array([0, 1])
    point = tf.constant(z)
    with tf.GradientTape() as outer:
        outer.watch(point)
        with tf.GradientTape() as inner:
            inner.watch(point)
            value = loss(ids, point)
        along = tf.reduce_sum(tf.cast(inner.gradient(value, point), "float64") * direction)
    found = outer.gradient(along, point).numpy()
    step = 1e-5 if loss.dtype == "float64" else 1e-2
    ahead, back = (g for _, g in values_and_gradients(loss, ids, [z + step * direction, z - step * direction]))
    rtol, atol = (1e-4, 1e-7) if loss.dtype == "float64" else (2e-2, 2e-4)
    np.testing.assert_allclose(found, (ahead - back) / (2 * step), rtol=rtol, atol=atol)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"t1": 1.1}, r"Expected t1 in \[0, 1\]. Received: t1=1.1"),
        ({"t1": -0.1}, r"Expected t1 in \[0, 1\]. Received: t1=-0.1"),
        ({"t2": 0.9}, "Expected t2 >= 1. Received: t2=0.9"),
        ({"label_smoothing": 1.0}, r"Expected label_smoothing in \[0, 1\). Received"),
    ],
)
def test_bad_parameters_raise(parameters, message):
    with pytest.raises(ValueError, match=message):
        BiTempered(**parameters)

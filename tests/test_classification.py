# SPDX-License-Identifier: Apache-2.0
"""Classification losses: numbers worked out by hand, saturated logits, labels, and laws for any input."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import MODES, to_numpy, value_and_gradient

import tfloss_ext
from tfloss_ext import (
    LDAM,
    Asymmetric,
    CategoricalFocal,
    Coral,
    Focal,
    GeneralizedCrossentropy,
    LogitAdjusted,
    Poly1,
    QualityFocal,
    SymmetricCrossentropy,
    Varifocal,
    WeightedKappa,
    gradients,
)

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


@pytest.mark.parametrize("ignored", [2**31 - 1, 2**31, 2**32 + 9, 2**62, -(2**31), -(2**31) + 1, -(2**40), -7])
def test_ids_beyond_32_bits_are_no_class_and_only_the_ignored_one_is_ignored(ignored):
    p = np.random.default_rng(0).dirichlet(np.ones(4), 4)
    # The same in 32 bits.
    near = ignored - 2**32 if ignored > 0 else ignored + 2**32
    ids = np.array([0, 1, ignored, ignored])
    loss = CategoricalFocal(ignore_class=ignored, reduction=None)
    alone = to_numpy(CategoricalFocal(reduction=None)(ids[:2], p[:2]))
    given = [ids]
    if keras.backend.backend() != "jax":  # Which keeps 32 bits of a tensor.
        given.append(keras.ops.convert_to_tensor(ids, dtype="int64"))
    for wide in given:
        np.testing.assert_array_equal(to_numpy(loss(wide, p)), [*alone, 0.0, 0.0])
        assert to_numpy(CategoricalFocal(ignore_class=ignored)(wide, p)) == pytest.approx(alone.mean(), rel=1e-6)
        with pytest.raises(ValueError, match="Expected ids of 4 classes, 0 to 3"):
            CategoricalFocal()(wide, p)
    with pytest.raises(ValueError, match="Expected ids of 4 classes, 0 to 3"):
        loss(np.array([0, 1, ignored, near]), p)


@pytest.mark.parametrize("rank", [2**32, -1, 4])
def test_ranks_beyond_the_last_raise(rank):
    with pytest.raises(ValueError, match="Coral: Expected ids of 4 classes, 0 to 3"):
        Coral()(np.array([rank]), np.array([[1.0, 2.0, 3.0]]))


@pytest.mark.parametrize("q", [0.05, 0.7])
def test_generalized_crossentropy_of_probabilities_is_not_clipped(q):
    loss = GeneralizedCrossentropy(q=q)
    assert to_numpy(loss(np.array([0]), np.array([[0.0, 1.0]]))) == pytest.approx(1 / q, rel=1e-6)
    assert to_numpy(loss(np.array([[1.0, 0.0]]), np.array([[1e-9, 1.0]]))) == pytest.approx((1 - 1e-9**q) / q, rel=1e-6)


def test_slices_of_a_large_array_give_what_the_whole_gives(monkeypatch):
    from tfloss_ext import gradients

    rng = np.random.default_rng(0)
    y, z = rng.random((70, 3)), rng.normal(size=(70, 3)).astype("float32")
    whole = value_and_gradient(Focal(from_logits=True), y, z)
    monkeypatch.setattr(gradients, "SLICE_ELEMENTS", 5)
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


# Asymmetric, QualityFocal, Varifocal


@pytest.mark.parametrize(
    ("loss", "y", "p", "expected"),
    [
        # 0.4 * -ln 0.6 and (0.3 - 0.05)**4 * -ln 0.75
        (Asymmetric(), 1, 0.6, 0.4 * 0.510825624),
        (Asymmetric(), 0, 0.3, 0.00390625 * 0.287682072),
        (Asymmetric(), 0, 0.04, 0.0),
        (Asymmetric(gamma_neg=0.0, clip=0.5), 0, 0.75, 0.287682072),
        (Asymmetric(gamma_pos=2.0), 1, 0.5, 0.25 * 0.693147181),
        # Half a positive and half a negative.
        (Asymmetric(gamma_neg=1.0, clip=0.0), 0.5, 0.75, 0.5 * 0.25 * 0.287682072 + 0.5 * 0.75 * 1.386294361),
        # 0.3**2 * (0.8 * ln 2 + 0.2 * ln 2) and 0.5**3 * -ln 0.5
        (QualityFocal(), 0.8, 0.5, 0.09 * 0.693147181),
        (QualityFocal(beta=3.0), 0, 0.5, 0.125 * 0.693147181),
        (QualityFocal(beta=1.0), 1, 0.25, 0.75 * 1.386294361),
        (QualityFocal(), 0.5, 0.5, 0.0),
        # 0.8 ln 2 and 0.75 * 0.5**2 * -ln 0.5
        (Varifocal(), 0.8, 0.5, 0.8 * 0.693147181),
        (Varifocal(), 0, 0.5, 0.75 * 0.25 * 0.693147181),
        (Varifocal(alpha=0.5, gamma=1.0), 0, 0.75, 0.5 * 0.75 * 1.386294361),
        (Varifocal(gamma=0.0), 0, 0.75, 0.75 * 1.386294361),
    ],
    ids=repr,
)
def test_multi_label_losses_by_hand(loss, y, p, expected):
    np.testing.assert_allclose(values(loss, [[float(y)]], [[p]]), [expected], rtol=1e-5)
    if p not in (0.0, 1.0):
        again = type(loss)(**{**loss.get_config(), "from_logits": True})
        np.testing.assert_allclose(values(again, [[float(y)]], [[np.log(p / (1 - p))]]), [expected], rtol=2e-5)


def binary_crossentropy(y, z):
    return to_numpy(keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)(y, z))


@few
@given(TARGETS, LOGITS)
def test_without_powers_they_are_the_crossentropy_of_keras(y, z):
    plain = Asymmetric(gamma_neg=0.0, gamma_pos=0.0, clip=0.0, from_logits=True)
    for loss, targets in (
        (plain, y),
        (QualityFocal(beta=0.0, from_logits=True), y),
        (Varifocal(from_logits=True), np.ones_like(y)),
        (Varifocal(alpha=1.0, gamma=0.0, from_logits=True), np.round(y)),
    ):
        expected = binary_crossentropy(targets, z)
        np.testing.assert_allclose(values(loss, targets, z), expected, rtol=1e-5, atol=2e-6)


@few
@given(LOGITS, st.integers(0, 4))
def test_hard_targets_make_focal_of_them(z, gamma):
    hard = np.arange(15).reshape(5, 3) % 2
    focal = values(Focal(gamma=gamma, alpha=None, from_logits=True), hard, z)
    asymmetric = Asymmetric(gamma_neg=gamma, gamma_pos=gamma, clip=0.0, from_logits=True)
    for y in (hard, hard * 1.0):
        np.testing.assert_allclose(values(asymmetric, y, z), focal, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(
            values(QualityFocal(beta=gamma, from_logits=True), y, z), focal, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("y", [np.array([[1.0], [0.0]]), np.array([[1], [0]])], ids=["float", "int"])
def test_their_wrong_saturated_logits_keep_their_gradients(power, y):
    z = np.array([[-1e4], [1e4]], "float32")
    for loss, negative in (
        (Asymmetric(power, power, clip=0.0, from_logits=True, reduction="sum"), 1.0),
        (QualityFocal(power, from_logits=True, reduction="sum"), 1.0),
        (Varifocal(0.75, power, from_logits=True, reduction="sum"), 0.75),
    ):
        value, gradient = value_and_gradient(loss, y, z)
        np.testing.assert_allclose(value, 1e4 * (1 + negative), rtol=1e-6)
        np.testing.assert_allclose(gradient, [[-1.0], [negative]], rtol=1e-6)


@pytest.mark.parametrize("gamma_neg", [0.0, 0.5, 4.0])
def test_what_clip_does_to_negatives(gamma_neg):
    loss = Asymmetric(gamma_neg=gamma_neg, clip=0.05, from_logits=True, reduction=None)
    # Below the clip; and surely wrong, which costs -log(clip) and teaches nothing.
    z = np.array([[-4.0], [1e4]], "float32")
    cost = to_numpy(loss(np.zeros((2, 1)), z))
    np.testing.assert_allclose(cost, [0.0, 0.95**gamma_neg * -np.log(0.05)], rtol=1e-5)
    _, gradient = value_and_gradient(loss, np.zeros((2, 1)), z)
    assert not gradient.any()
    # A positive knows nothing of it.
    _, gradient = value_and_gradient(loss, np.ones((1, 1)), np.array([[-1e4]], "float32"))
    assert gradient == -1


@pytest.mark.parametrize("clip", [0.0, 1e-30, 1e-7, 1.0])
@pytest.mark.parametrize("from_logits", [False, True])
def test_any_clip_is_finite(clip, from_logits):
    x = [[-1e4], [-20.0], [0.0], [20.0], [1e4]] if from_logits else [[0.0], [1e-7], [0.5], [1 - 1e-7], [1.0]]
    for y in (0.0, 0.5, 1.0):
        loss = Asymmetric(gamma_neg=0.0, clip=clip, from_logits=from_logits)
        value, gradient = value_and_gradient(loss, np.full((5, 1), y), np.array(x, "float32"))
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("power", [0.0, 0.5, 2.0])
def test_their_perfect_predictions_cost_nothing(power):
    y, p, z = [[1.0, 0.0]], [[1.0, 0.0]], [[40.0, -40.0]]
    for cls, names in (
        (Asymmetric, ["gamma_neg", "gamma_pos"]),
        (QualityFocal, ["beta"]),
        (Varifocal, ["gamma"]),
    ):
        parameters = dict.fromkeys(names, power)
        assert values(cls(**parameters), y, p) < 1e-6
        assert values(cls(from_logits=True, **parameters), y, z) < 1e-6


@few
@given(TARGETS, LOGITS, st.floats(0.0, 5.0), st.floats(0.0, 1.0))
def test_their_logits_and_probabilities_cost_the_same(y, z, power, share):
    p = to_numpy(keras.ops.sigmoid(z / 4))
    for cls, parameters in (
        (Asymmetric, {"gamma_neg": power, "clip": share}),
        (QualityFocal, {"beta": power}),
        (Varifocal, {"alpha": share, "gamma": power}),
    ):
        from_logits = values(cls(from_logits=True, **parameters), y, z / 4)
        np.testing.assert_allclose(from_logits, values(cls(**parameters), y, p), rtol=2e-4, atol=1e-6)


# Coral


def test_coral_by_hand():
    z = np.array([[np.log(3.0), 0.0, -np.log(3.0)]] * 4, "float32")
    # sigmoid: 3/4, 1/2, 1/4. Rank r is above the first r thresholds.
    expected = -np.log([[1 / 4, 1 / 2, 3 / 4], [3 / 4, 1 / 2, 3 / 4], [3 / 4, 1 / 2, 3 / 4], [3 / 4, 1 / 2, 1 / 4]])
    np.testing.assert_allclose(values(Coral(), np.arange(4), z), expected.sum(-1), rtol=1e-6)


def test_coral_with_two_ranks_is_binary_crossentropy():
    z, ranks = np.linspace(-5, 5, 6, dtype="float32")[:, None], np.array([0, 1, 0, 1, 1, 0])
    np.testing.assert_allclose(values(Coral(), ranks, z), binary_crossentropy(ranks[:, None], z), rtol=1e-5)


def test_coral_takes_ranks_in_any_type_and_as_a_column():
    z = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    ranks = np.array([3, 0, 1, 2, 3])
    expected = values(Coral(), ranks, z)
    for same in (ranks * 1.0, ranks.astype("float16"), ranks.astype("uint8"), ranks[:, None], ranks[:, None] * 1.0):
        np.testing.assert_array_equal(values(Coral(), same, z), expected)


@pytest.mark.parametrize("shape", [(5, 3), (3,), (5, 1, 1), (5, 4), ()])
def test_coral_takes_nothing_but_ranks(shape):
    with pytest.raises(ValueError, match=r"Expected ranks .*y_true.shape=\(.*\), y_pred.shape=\(5, 3\)"):
        Coral()(np.zeros(shape), np.zeros((5, 3)))


def test_a_wrong_saturated_threshold_keeps_its_gradient():
    value, gradient = value_and_gradient(Coral(), np.array([2, 0]), np.array([[-1e4, -1e4], [1e4, -1e4]], "float32"))
    assert value == pytest.approx(1.5e4)
    np.testing.assert_allclose(gradient, [[-0.5, -0.5], [0.5, 0.0]], atol=1e-7)
    assert values(Coral(), np.array([1]), [[40.0, -40.0]]) < 1e-6


# WeightedKappa

# Two samples of three classes, true 0 and 2. Observed: 0.1 + 0.1*4 and 0.1*4 + 0.3; at random, P = 0.9, 0.4, 0.7:
# (0*0.9 + 1*0.4 + 4*0.7 + 4*0.9 + 1*0.4 + 0*0.7) / 2 = 3.6.
ORDERED = np.array([[0.8, 0.1, 0.1], [0.1, 0.3, 0.6]], "float32")
FOUR = np.array([[0.1, 0.2, 0.6, 0.1], [0.1, 0.5, 0.3, 0.1], [0.8, 0.05, 0.05, 0.1], [0.01, 0.09, 0.1, 0.8]])


@pytest.mark.parametrize(
    ("parameters", "y", "p", "expected"),
    [
        ({}, [0, 2], ORDERED, np.log(1.2 / 3.6 + 1e-6)),
        # Linear: 0.1 + 0.1*2 + 0.1*2 + 0.3 and (0.4 + 2*0.7 + 2*0.9 + 0.4) / 2
        ({"weighting": "linear"}, [0, 2], ORDERED, np.log(0.8 / 2.0 + 1e-6)),
        ({"epsilon": 0.5}, [0, 2], ORDERED, np.log(1.2 / 3.6 + 0.5)),
        # Soft targets: a half of each class. 0.5*(0.1 + 0.1*4) + 0.5*(0.8*4 + 0.1), the same at random.
        ({}, [[0.5, 0.0, 0.5]], ORDERED[:1], np.log(1 + 1e-6)),
        # The same prediction for all is as good as dealing out at random.
        ({}, [0, 1, 2], [[0.2, 0.5, 0.3]] * 3, np.log(1 + 1e-6)),
        # Perfect, and perfectly the wrong way round.
        ({}, [0, 2], [[1, 0, 0], [0, 0, 1]], np.log(1e-6)),
        ({}, [0, 2], [[0, 0, 1], [1, 0, 0]], np.log(2 + 1e-6)),
        # As given in the documentation of TensorFlow Addons.
        ({}, [2, 1, 0, 3], FOUR, -1.1611923),
    ],
)
def test_weighted_kappa_by_hand(parameters, y, p, expected):
    found = values(WeightedKappa(**parameters), np.array(y), np.array(p, "float32"))
    np.testing.assert_allclose(found, np.full(len(p), expected), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "p",
    [
        ORDERED,
        [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]],
        [[1.0, 1e-30, 0.0], [1.0, 0.0, 1e-38]],
        np.random.default_rng(0).dirichlet(np.ones(5), 60) * 1e-6,
    ],
    ids=["unsure", "perfect", "nearly perfect", "many"],
)
def test_a_batch_of_one_class_has_no_gradient(p, mode):
    y = np.zeros(len(p), "int32")
    value, gradient = value_and_gradient(WeightedKappa(), y, np.array(p, "float32"), mode=mode)
    assert np.isfinite(value)
    np.testing.assert_array_equal(gradient, np.zeros_like(p))


def test_one_class_that_is_predicted_perfectly_counts_as_no_confusion():
    value = to_numpy(WeightedKappa()(np.array([1, 1]), [[0.0, 1.0], [0.0, 1.0]]))
    assert value == pytest.approx(np.log(1e-6), rel=1e-6)


def test_weighted_kappa_of_the_samples_that_are_left():
    y, p = np.array([0, 2, 1]), np.concatenate([ORDERED, [[0.3, 0.3, 0.4]]]).astype("float32")
    alone = to_numpy(WeightedKappa()(y[:2], p[:2]))
    weight = np.array([1.0, 1.0, 0.0], "float32")
    assert to_numpy(WeightedKappa()(y, p, weight)) == pytest.approx(alone, rel=1e-6)
    assert to_numpy(WeightedKappa(reduction="sum")(y, p, weight)) == pytest.approx(3 * alone, rel=1e-6)
    assert to_numpy(WeightedKappa()(y, p, weight * 2)) == pytest.approx(2 * alone, rel=1e-6)
    assert to_numpy(WeightedKappa(reduction="mean_with_sample_weight")(y, p, weight * 2)) == pytest.approx(alone)
    assert to_numpy(WeightedKappa()(y, p, weight * 0)) == 0


def test_weighted_kappa_takes_no_further_axes():
    with pytest.raises(ValueError, match=r"Expected y_pred of shape \(B, C\).*y_pred.shape=\(2, 3, 4\)"):
        WeightedKappa()(np.zeros((2, 3), "int32"), np.zeros((2, 3, 4)))


@pytest.mark.parametrize(
    ("cls", "parameters", "message"),
    [
        (Asymmetric, {"clip": 1.5}, r"Expected clip in \[0, 1\]. Received: clip=1.5"),
        (Asymmetric, {"gamma_neg": -1}, "Expected gamma_neg >= 0. Received: gamma_neg=-1"),
        (QualityFocal, {"beta": -1}, "Expected beta >= 0. Received: beta=-1"),
        (Varifocal, {"alpha": 2}, r"Expected alpha in \[0, 1\]. Received: alpha=2"),
        (WeightedKappa, {"epsilon": 0}, "Expected epsilon > 0. Received: epsilon=0"),
        (WeightedKappa, {"weighting": "cubic"}, "Expected weighting to be one of 'quadratic', 'linear'"),
    ],
)
def test_their_bad_parameters_raise(cls, parameters, message):
    with pytest.raises(ValueError, match=message):
        cls(**parameters)


# Exclusive classes, by curves over one crossentropy


HALF = [[0.5, 0.25, 0.25]]
LN2 = 0.693147181


@pytest.mark.parametrize(
    ("loss", "y", "p", "expected"),
    [
        (Poly1(), [0], HALF, LN2 + 0.5),
        (Poly1(epsilon=3.0), [1], HALF, 2 * LN2 + 3 * 0.75),
        # Smoothed to 0.8, 0.1, 0.1: p_t = 0.4 + 0.05.
        (Poly1(label_smoothing=0.3), [0], HALF, 0.8 * LN2 + 0.2 * 2 * LN2 + 0.55),
        (Poly1(ignore_class=0), [0, 1], HALF * 2, [0.0, 2 * LN2 + 0.75]),
        (SymmetricCrossentropy(), [0], HALF, 0.1 * LN2 + 4 * 0.5),
        (SymmetricCrossentropy(alpha=2.0, beta=0.0), [1], HALF, 4 * LN2),
        # log 0.5 is above -4 and stays, log 0 becomes -4.
        (SymmetricCrossentropy(alpha=0.0), [[0.5, 0.5, 0.0]], HALF, 0.75 * LN2 + 0.25 * 4),
        (GeneralizedCrossentropy(q=1.0), [1], HALF, 0.75),
        (GeneralizedCrossentropy(q=0.5), [1], HALF, (1 - 0.5) / 0.5),
        (GeneralizedCrossentropy(q=0.5), [[0.0, 0.5, 0.5]], HALF, (1 - 0.5) / 0.5),
        # Priors 1 : 3 of equal logits.
        (LogitAdjusted([1.0, 3.0]), [0], [[0.0, 0.0]], 2 * LN2),
        (LogitAdjusted([1.0, 3.0], tau=0.0), [0], [[0.0, 0.0]], LN2),
        # Margins 0.5 and 0.25: log(1 + exp(2 * 0.5)) and log(1 + exp(2 * 0.25)).
        (LDAM([1.0, 16.0], scale=2.0), [0, 1], [[0.0, 0.0]] * 2, [1.313261688, 0.974076984]),
    ],
    ids=repr,
)
def test_curves_by_hand(loss, y, p, expected):
    np.testing.assert_allclose(values(loss, np.array(y), np.array(p, "float32")), np.ravel(expected), rtol=1e-5)


def crossentropy_of(z, ids, dtype="float64"):
    return to_numpy(keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None, dtype=dtype)(ids, z))


@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: Poly1(epsilon=0.0, from_logits=True),
        lambda n: CategoricalFocal(gamma=0.0, from_logits=True),
        lambda n: SymmetricCrossentropy(alpha=1.0, beta=0.0, from_logits=True),
        lambda n: GeneralizedCrossentropy(q=1e-6, from_logits=True),
        lambda n: LogitAdjusted([7.0] * n),
        lambda n: LogitAdjusted(list(range(1, n + 1)), tau=0.0),
        lambda n: LDAM([5.0] * n, scale=1.0, max_margin=1e-7),
    ],
)
def test_the_limit_that_is_crossentropy(make, classes):
    rng = np.random.default_rng(0)
    z, ids = (rng.normal(size=(9, classes)) * 3).astype("float32"), rng.integers(0, classes, 9)
    np.testing.assert_allclose(values(make(classes), ids, z), crossentropy_of(z, ids, "float32"), rtol=2e-5, atol=1e-6)
    hot = np.eye(classes, dtype="float32")[ids]
    np.testing.assert_allclose(values(make(classes), hot, z), crossentropy_of(z, ids, "float32"), rtol=2e-5, atol=1e-6)


def test_generalized_crossentropy_at_one_is_half_of_the_absolute_error():
    rng = np.random.default_rng(0)
    ids, p = rng.integers(0, 4, 6), rng.dirichlet([1] * 4, 6).astype("float32")
    absolute = np.abs(np.eye(4)[ids] - p).sum(-1)
    np.testing.assert_allclose(values(GeneralizedCrossentropy(q=1.0), ids, p), absolute / 2, rtol=1e-5)


@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: Poly1(from_logits=True),
        lambda n: SymmetricCrossentropy(alpha=1.0, from_logits=True),
        lambda n: LogitAdjusted([1.0] * n),
        lambda n: LDAM([1.0] * n, scale=1.0),
        lambda n: CategoricalFocal(from_logits=True),
    ],
)
def test_a_wrong_saturated_logit_keeps_its_gradient_under_every_curve(make, dense, classes):
    z = np.zeros((1, classes), "float32")
    z[0, 0], z[0, 1] = 1e4, -1e4
    y = np.eye(classes)[[1]] if dense else np.array([1])
    value, gradient = value_and_gradient(make(classes), y, z)
    assert np.isfinite(value)
    assert value > 1e4
    assert gradient[0, 0] == pytest.approx(1.0, rel=1e-3)
    assert gradient[0, 1] == pytest.approx(-1.0, rel=1e-3)


@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize("name", ["Poly1", "SymmetricCrossentropy", "GeneralizedCrossentropy"])
def test_a_perfect_prediction_costs_nothing_under_every_curve(name, classes):
    loss, z = getattr(tfloss_ext, name), np.full((1, classes), -40.0, "float32")
    z[0, 1] = 40.0
    assert values(loss(from_logits=True), np.array([1]), z) < 1e-6
    assert values(loss(), np.array([1]), np.eye(classes)[[1]]) < 1e-6


def test_numbers_per_class_must_be_as_many_as_the_classes_and_a_list():
    for make, name in ((LogitAdjusted, "class_priors"), (LDAM, "samples_per_class")):
        with pytest.raises(ValueError, match=f"Expected {name} to have one number for each of 3"):
            make([1.0, 2.0])(np.array([0]), np.zeros((1, 3)))
        with pytest.raises(ValueError, match=rf"Expected {name} > 0 \(a list of numbers, one per class\)"):
            make(2.0)
        with pytest.raises(ValueError, match=f"Expected {name} > 0 "):
            make([1.0, 0.0])


def test_effective_number_weights():
    # (1 - 0.5) / (1 - 0.5**n) for n = 1, 2: 1 and 2/3, divided by their mean 5/6.
    np.testing.assert_allclose(tfloss_ext.effective_number_weights([1, 2], beta=0.5), [1.2, 0.8], rtol=1e-12)
    assert tfloss_ext.effective_number_weights([3, 9], beta=0.0) == [1.0, 1.0]
    near = tfloss_ext.effective_number_weights([1, 3], beta=1 - 1e-15)
    np.testing.assert_allclose(near, [1.5, 0.5], rtol=1e-12)
    assert np.mean(tfloss_ext.effective_number_weights([10**9, 5, 70])) == pytest.approx(1.0, rel=1e-12)
    with pytest.raises(ValueError, match=r"Expected beta in \[0, 1\). Received: beta=1.0"):
        tfloss_ext.effective_number_weights([1, 2], beta=1.0)
    with pytest.raises(ValueError, match="Expected samples_per_class > 0"):
        tfloss_ext.effective_number_weights([1, 0])


@pytest.mark.tensorflow
@pytest.mark.parametrize("classes", [1000, 20000])
@pytest.mark.parametrize("name", ["Poly1", "CategoricalFocal", "SymmetricCrossentropy", "GeneralizedCrossentropy"])
def test_ids_build_no_one_hot_matrix(name, classes, monkeypatch):
    """Of the size of the logits there are numbers, and nothing that says which class it is."""
    import tensorflow as tf

    monkeypatch.setattr(gradients, "_enabled", False)
    loss = getattr(tfloss_ext, name)(from_logits=True)

    def step(ids, z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = loss(ids, z)
        return tape.gradient(value, z)

    specs = [tf.TensorSpec((16,), tf.int32), tf.TensorSpec((16, classes), tf.float32)]
    graph = tf.function(step, autograph=False).get_concrete_function(*specs).graph
    large = [
        node for node in graph.get_operations() for out in node.outputs if out.shape.num_elements() == 16 * classes
    ]
    assert large
    assert not [node for node in large if node.outputs[0].dtype == tf.bool or node.type in ("OneHot", "Equal")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("classes", [3, 40])
def test_weights_of_classes_in_every_mode(mode, classes):
    z, ids = np.zeros((2, classes), "float32"), np.array([0, 2])
    loss = CategoricalFocal(gamma=0.0, alpha=[float(c) for c in range(classes)], from_logits=True, reduction="sum")
    value, _ = value_and_gradient(loss, ids, z, mode=mode)
    assert value == pytest.approx(2 * np.log(classes), rel=1e-5)

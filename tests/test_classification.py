# SPDX-License-Identifier: Apache-2.0
"""Losses over classes: numbers worked out by hand, limits, saturated logits, labels, and laws for any input."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import BACKEND, MODES, to_numpy, value_and_gradient

import tfloss_ext
from tfloss_ext import (
    LDAM,
    CategoricalFocal,
    Focal,
    GeneralizedCrossentropy,
    LogitAdjusted,
    Poly1,
    SymmetricCrossentropy,
    crossentropy,
    effective_number_weights,
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


@pytest.mark.parametrize("classes", [3, 40])
def test_an_id_that_is_no_class_costs_nothing(classes):
    z = np.full((2, classes), -1e4, "float32")
    loss = CategoricalFocal(from_logits=True, reduction="sum")
    value, gradient = value_and_gradient(loss, np.array([-1, classes]), z)
    assert value == 0
    assert not gradient.any()


def test_slices_of_a_large_array_give_what_the_whole_gives(monkeypatch):
    rng = np.random.default_rng(0)
    y, z = rng.random((7, 3)), rng.normal(size=(7, 3)).astype("float32")
    whole = value_and_gradient(Focal(from_logits=True), y, z)
    monkeypatch.setattr(crossentropy, "SLICE_ELEMENTS", 5)
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


# Curves of the probability of the target, and shifted logits

LN2 = 0.693147181


@pytest.mark.parametrize(
    ("loss", "y", "y_pred", "expected"),
    [
        (Poly1(epsilon=2.0), [1], [[0.2, 0.5, 0.3]], LN2 + 2 * 0.5),
        (Poly1(epsilon=2.0), [[0.5, 0.5]], [[0.25, 0.75]], 0.5 * (1.386294361 + 0.287682072) + 2 * 0.5),
        # Smoothed to [0.1, 0.9].
        (Poly1(label_smoothing=0.2), [1], [[0.5, 0.5]], LN2 + 0.5),
        (Poly1(label_smoothing=0.2), [1], [[0.75, 0.25]], 0.1 * 0.287682072 + 0.9 * 1.386294361 + 1 - 0.3),
        # As the formula has it, whatever the targets add up to.
        (Poly1(epsilon=2.0), [[1.0, 1.0]], [[0.5, 0.5]], 2 * LN2),
        # log prior ratio 3 asks for a lead of log 3: odds 1 : 3.
        (LogitAdjusted([3.0, 1.0]), [1], [[0.0, 0.0]], 1.386294361),
        (LogitAdjusted([3.0, 1.0], tau=2.0), [0], [[0.0, 0.0]], 0.105360516),
        (LogitAdjusted([3.0, 1.0]), [1], [[0.0]], 1.386294361),
        # Margins 0.5 * (1/16)**(1/4) = 0.25 and 0.5.
        (LDAM([16, 1], scale=4.0), [0], [[0.25, 0.0]], LN2),
        (LDAM([16, 1], scale=4.0), [1], [[0.0, 0.5]], LN2),
        (LDAM([16, 1], scale=4.0), [1], [[0.5]], LN2),
        (LDAM([16, 1], max_margin=1.0, scale=1.0), [[0.5, 0.5]], [[0.25, 0.5]], LN2),
        # RCE is 4 times what the other classes have.
        (SymmetricCrossentropy(alpha=1.0), [0], [[0.5, 0.3, 0.2]], LN2 + 4 * 0.5),
        (SymmetricCrossentropy(alpha=0.0, beta=2.0), [0], [[0.5, 0.3, 0.4]], 2 * 4 * 0.7),
        (SymmetricCrossentropy(alpha=0.0), [[0.5, 0.5, 0.0]], [[0.5, 0.25, 0.25]], 0.75 * LN2 + 1),
        (GeneralizedCrossentropy(q=0.5), [0], [[0.25, 0.75]], 1.0),
        (GeneralizedCrossentropy(q=0.5), [[0.5, 0.5]], [[0.3, 0.2]], 1.0),
        (GeneralizedCrossentropy(q=0.5, from_logits=True), [0], [[-1.098612289]], (1 - 0.75**0.5) / 0.5),
    ],
)
def test_by_hand(loss, y, y_pred, expected):
    np.testing.assert_allclose(values(loss, np.array(y), y_pred), [expected], rtol=1e-5)


def of_classes(classes: int) -> list[tfloss_ext.Loss]:
    """From logits, every loss whose cost of a hard target is a curve of the probability of the target."""
    counts = [float(10 ** (c % 3)) for c in range(classes)]
    return [
        CategoricalFocal(from_logits=True),
        Poly1(from_logits=True),
        SymmetricCrossentropy(from_logits=True),
        GeneralizedCrossentropy(from_logits=True),
        LogitAdjusted(counts),
        LDAM(counts),
    ]


every_curve = pytest.mark.parametrize("position", range(6), ids=[loss.name for loss in of_classes(2)])
FEW_MANY_FUSED = pytest.mark.parametrize("path", ["few", "many", "fused"])


@pytest.fixture
def classes(request, monkeypatch):
    """A number of classes by which the kernel of this name is chosen."""
    if request.getfixturevalue("path") == "fused":
        monkeypatch.setattr(crossentropy, "FUSED_CLASSES", 11)
    return {"few": 4, "many": 11, "fused": 11, "one-hot": 11}[request.getfixturevalue("path")]


def crossentropy_of_keras(ids, z):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)
    return to_numpy(loss(ids, z))


@FEW_MANY_FUSED
def test_limits_are_the_crossentropy(path, classes):
    rng = np.random.default_rng(3)
    z, ids = rng.normal(size=(64, classes)).astype("float32") * 5, rng.integers(0, classes, 64)
    expected = crossentropy_of_keras(ids, z)
    for loss in (
        Poly1(epsilon=1e-12, from_logits=True),
        GeneralizedCrossentropy(q=1e-6, from_logits=True),
        LogitAdjusted([0.3] * classes, tau=2.0),
        LogitAdjusted(list(range(1, classes + 1)), tau=0.0),
        LDAM([7] * classes, max_margin=1e-9, scale=1.0),
        SymmetricCrossentropy(alpha=1.0, beta=0.0, from_logits=True),
        CategoricalFocal(gamma=0.0, from_logits=True),
    ):
        for y in (ids, np.eye(classes)[ids]):
            np.testing.assert_allclose(values(loss, y, z), expected, rtol=5e-5, atol=1e-6, err_msg=repr(loss))


@pytest.mark.parametrize("q", [1e-6, 1e-12])
def test_generalized_crossentropy_of_probabilities_goes_to_the_crossentropy(q):
    p = np.array([[0.9, 0.1], [1e-3, 0.999], [0.0, 1.0]])
    loss = GeneralizedCrossentropy(q=q)
    np.testing.assert_allclose(values(loss, np.array([0, 0, 0]), p), [0.1053605, 6.9077553, 16.118096], rtol=2e-5)


@FEW_MANY_FUSED
def test_generalized_crossentropy_at_1_is_the_mean_absolute_error(path, classes):
    rng = np.random.default_rng(4)
    z, ids = rng.normal(size=(16, classes)), rng.integers(0, classes, 16)
    p = to_numpy(keras.ops.softmax(z))
    absolute = np.abs(p - np.eye(classes)[ids]).sum(-1) / 2
    np.testing.assert_allclose(values(GeneralizedCrossentropy(q=1.0), ids, p), absolute, rtol=1e-5)
    np.testing.assert_allclose(values(GeneralizedCrossentropy(q=1.0, from_logits=True), ids, z), absolute, rtol=1e-5)


@every_curve
@pytest.mark.parametrize("path", ["few", "many", "fused", "one-hot"])
@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_saturated_class_keeps_the_gradient_of_the_crossentropy(position, path, classes, mode):
    loss = of_classes(classes)[position]
    loss.reduction = None
    if loss.name == "generalized_crossentropy":
        return  # It forgives what is this wrong: that is its purpose.
    z = np.zeros((2, classes), "float32")
    z[:, 1], z[:, 2] = -1e4, 1e4
    ids = np.array([1, 0])
    y = np.eye(classes, dtype="float32")[ids] if path == "one-hot" else ids
    value, gradient = value_and_gradient(loss, y, z, mode=mode)
    scale = {"ldam": 30.0, "symmetric_crossentropy": 0.1}.get(loss.name, 1.0)
    expected = np.zeros_like(z)
    expected[:, 2], expected[0, 1], expected[1, 0] = scale, -scale, -scale
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)
    assert np.isclose(value, scale * 3e4, rtol=3e-3)


@every_curve
@FEW_MANY_FUSED
def test_a_perfect_class_costs_nothing(position, path, classes):
    loss, ids = of_classes(classes)[position], np.arange(classes)
    for z in (40.0, 1e4):
        logits = (z * np.eye(classes)).astype("float32")
        assert (values(loss, ids, logits) < 1e-6).all()
        assert (values(loss, np.eye(classes), logits) < 1e-6).all()
    if hasattr(loss, "from_logits"):
        loss.from_logits = False
        assert (values(loss, ids, np.eye(classes)) < 1e-6).all()


@every_curve
@FEW_MANY_FUSED
def test_ids_and_one_hot_targets_cost_the_same(position, path, classes):
    rng = np.random.default_rng(position)
    loss, ids = of_classes(classes)[position], rng.integers(0, classes, (5, 3))
    z = rng.normal(size=(5, 3, classes)).astype("float32")
    loss.reduction = None
    one_hot = np.eye(classes, dtype="float32")[ids]
    for x in (z, to_numpy(keras.ops.softmax(z))):
        for got, expected in zip(value_and_gradient(loss, ids, x), value_and_gradient(loss, one_hot, x), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
        if not hasattr(loss, "from_logits"):
            break
        loss.from_logits = False


@every_curve
@FEW_MANY_FUSED
@pytest.mark.parametrize("from_logits", [True, False])
def test_what_is_no_class_costs_nothing(position, path, classes, from_logits):
    loss = of_classes(classes)[position]
    if hasattr(loss, "from_logits"):
        loss.from_logits = from_logits
    loss.reduction = "sum"
    for smoothing in (0.0, 0.2) if hasattr(loss, "label_smoothing") else (0.0,):
        loss.label_smoothing = smoothing
        value, gradient = value_and_gradient(
            loss, np.array([-1, classes, 255]), np.full((3, classes), 0.1, "float32") * np.arange(classes, dtype="f")
        )
        assert value == 0
        assert not gradient.any()


@pytest.mark.parametrize("classes", [4, 11])
def test_a_confident_prediction_is_exact_in_proportion(classes):
    """1 - p_t is a sum of probabilities, never a difference: 1e-12 has all its digits in float32."""
    z = np.zeros((1, classes), "float32")
    z[0, 0] = 30.0
    wrong = (classes - 1) * np.exp(-30.0) / (1 + (classes - 1) * np.exp(-30.0))
    for loss, expected in (
        (CategoricalFocal(gamma=0.0, from_logits=True), wrong),
        (CategoricalFocal(gamma=0.5, from_logits=True), wrong**1.5),
        (Poly1(epsilon=2.0, from_logits=True), 3 * wrong),
        (SymmetricCrossentropy(from_logits=True), 4.1 * wrong),
        (GeneralizedCrossentropy(from_logits=True), wrong),
        (LogitAdjusted([1.0] * classes), wrong),
    ):
        loss.reduction = None
        value, gradient = value_and_gradient(loss, np.array([0]), z)
        np.testing.assert_allclose(value, expected, rtol=1e-5, err_msg=repr(loss))
        np.testing.assert_allclose(-gradient[0, 0], gradient[0, 1:].sum(), rtol=1e-5, err_msg=repr(loss))


@pytest.mark.parametrize("classes", [4, 11])
def test_a_margin_beyond_what_exponentials_reach_is_exact(classes):
    """Scaled margins of 200 and 100: relative to a common reference both sums would be 0."""
    z = np.zeros((2, classes), "float32")
    z[0, 0], z[1, 0] = 3.0, 1.0
    loss = LDAM([1.0] * classes, max_margin=2.0, scale=100.0)
    log_odds = np.log(classes - 1) - 100 * (z[:, 0] - 2.0)
    np.testing.assert_allclose(values(loss, np.array([0, 0]), z), np.logaddexp(0, log_odds), rtol=1e-5, atol=1e-30)


@few
@given(LOGITS, st.lists(st.integers(0, 2), min_size=5, max_size=5), st.floats(0.0, 0.9))
def test_smoothing_is_that_of_the_targets(z, ids, smoothing):
    loss = Poly1(epsilon=2.0, from_logits=True, label_smoothing=smoothing)
    smoothed = np.eye(3)[ids] * (1 - smoothing) + smoothing / 3
    expected = values(Poly1(epsilon=2.0, from_logits=True), smoothed, z)
    for y in (np.array(ids), np.eye(3)[ids]):
        np.testing.assert_allclose(values(loss, y, z), expected, rtol=1e-4, atol=1e-5)


@few
@given(LOGITS, st.lists(st.integers(0, 2), min_size=5, max_size=5), st.floats(1e-6, 1.0))
def test_the_generalized_crossentropy_falls_with_q_from_the_crossentropy(z, ids, q):
    less, more = (values(GeneralizedCrossentropy(q=each, from_logits=True), np.array(ids), z) for each in (q, 1.0))
    assert (more <= less * (1 + 1e-5) + 1e-6).all()
    assert (less <= crossentropy_of_keras(np.array(ids), z) * (1 + 1e-5) + 1e-6).all()


@pytest.mark.parametrize("loss", [LogitAdjusted([0.2, 0.3, 0.5]), LogitAdjusted([2, 3, 5])], ids=repr)
def test_priors_need_not_add_up_to_1(loss):
    z = np.array([[0.3, -1.0, 2.0]], "float32")
    np.testing.assert_allclose(
        values(loss, np.array([0]), z), crossentropy_of_keras(np.array([0]), z + np.log([0.2, 0.3, 0.5])), rtol=1e-5
    )


def test_ignored_positions_leave_the_mean():
    z = np.array([[0.0, 0.0, 0.0], [5.0, 0.0, 0.0]], "float32")
    for y in (np.array([1, 2]), np.eye(3)[[1, 2]]):
        for loss in (Poly1(from_logits=True, ignore_class=2), LogitAdjusted([1, 1, 1], ignore_class=2)):
            expected = np.log(3) + (2 / 3 if isinstance(loss, Poly1) else 0)
            np.testing.assert_allclose(to_numpy(loss(y, z)), expected, rtol=1e-5)


# Memory


def arrays_of(loss, classes: int) -> list[tuple[str, str]]:
    """Operation and type of each array with an axis of classes in value and gradient of a loss of 16 ids."""
    y, x = np.zeros(16, "int32"), np.zeros((16, classes), "float32")
    found = _of_jax(loss, y, x) if BACKEND == "jax" else _of_tensorflow(loss, y, x)
    return [(name, dtype) for name, dtype, shape in found if classes in shape and np.prod(shape) > classes]


def _of_jax(loss, y, x):
    import jax

    def inner(jaxpr):
        for equation in jaxpr.eqns:
            for variable in equation.outvars:
                yield str(equation.primitive), str(variable.aval.dtype), variable.aval.shape
            for parameter in jax.tree.leaves(equation.params, is_leaf=lambda leaf: hasattr(leaf, "jaxpr")):
                if hasattr(parameter, "jaxpr"):
                    yield from inner(parameter.jaxpr)

    return inner(jax.make_jaxpr(jax.value_and_grad(lambda x: loss(y, x)))(x).jaxpr)


def _of_tensorflow(loss, y, x):
    import tensorflow as tf

    @tf.function(autograph=False)
    def run(y, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(y, x)
        return value, tape.gradient(value, x)

    for operation in run.get_concrete_function(tf.constant(y), tf.constant(x)).graph.get_operations():
        for tensor in operation.outputs:
            if tensor.shape.rank is not None:
                yield operation.type, tensor.dtype.name, tuple(tensor.shape)


@every_curve
@pytest.mark.skipif(BACKEND == "torch", reason="has no graph to look at")
@pytest.mark.parametrize("path", ["many", "fused"])
@pytest.mark.parametrize("from_logits", [True, False])
def test_ids_of_many_classes_become_no_mask_and_no_one_hot_targets(position, path, monkeypatch, from_logits):
    if path == "fused":
        monkeypatch.setattr(crossentropy, "FUSED_CLASSES", 1000)
    loss = of_classes(1000)[position]
    if hasattr(loss, "from_logits"):
        loss.from_logits = from_logits
    elif not from_logits:
        return
    found = arrays_of(loss, 1000)
    assert found
    assert [(name, dtype) for name, dtype in found if not dtype.startswith("float")] == []
    assert "OneHot" not in dict(found)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="names operations of TensorFlow")
def test_very_many_classes_take_the_kernel_that_keeps_one_array():
    def costly(loss):
        free = {"Placeholder", "Identity", "IdentityN", "Reshape", "StopGradient", "PreventGradient"}
        return sorted(name for name, _ in arrays_of(loss, crossentropy.FUSED_CLASSES) if name not in free)

    expected = costly(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert costly(Poly1(from_logits=True)) == expected
    assert costly(LogitAdjusted([1.0] * crossentropy.FUSED_CLASSES)) == sorted(["AddV2", *expected])


# Arguments


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("logit_adjusted", "LogitAdjusted(class_priors=...), or tfloss_ext.get('logit_adjusted', class_priors=...)"),
        ("ldam", "LDAM(samples_per_class=...), or tfloss_ext.get('ldam', samples_per_class=...)"),
    ],
)
@pytest.mark.parametrize("get", [keras.losses.get, tfloss_ext.get])
def test_a_name_alone_says_which_argument_is_missing(get, name, call):
    with pytest.raises(ValueError, match=r"which have no default") as caught:
        get(name)
    assert call in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Poly1(epsilon=0.0), r"Expected epsilon > 0. Received: epsilon=0.0"),
        (lambda: LogitAdjusted([0.5, 0.0]), r"Expected class_priors > 0 .* Received: class_priors=\[0.5, 0.0\]"),
        (
            lambda: LogitAdjusted(0.5),
            r"Expected class_priors to be a list with one number per class. Received: class_p",
        ),
        (lambda: LogitAdjusted([1, 2], tau=-1), r"Expected tau >= 0. Received: tau=-1"),
        (lambda: LDAM([10, 0]), r"Expected samples_per_class > 0 .* Received: samples_per_class=\[10, 0\]"),
        (
            lambda: LDAM(10),
            r"Expected samples_per_class to be a list with one number per class. Received: samples_per_",
        ),
        (lambda: LDAM([1, 2], max_margin=0), r"Expected max_margin > 0. Received: max_margin=0"),
        (lambda: LDAM([1, 2], scale=0), r"Expected scale > 0. Received: scale=0"),
        (lambda: SymmetricCrossentropy(beta=-1), r"Expected beta >= 0. Received: beta=-1"),
        (lambda: GeneralizedCrossentropy(q=0), r"Expected q in \(0, 1\]. Received: q=0"),
        (lambda: GeneralizedCrossentropy(q=1.1), r"Expected q in \(0, 1\]. Received: q=1.1"),
        (
            lambda: effective_number_weights([1, 0]),
            r"Expected samples_per_class > 0 .* Received: samples_per_class=\[1",
        ),
        (lambda: effective_number_weights([]), r"Expected samples_per_class > 0"),
        (lambda: effective_number_weights(3), r"Expected samples_per_class to be a list with one number per class"),
        (lambda: effective_number_weights([1, 2], beta=1.0), r"Expected beta in \[0, 1\). Received: beta=1.0"),
    ],
)
def test_arguments_out_of_range_raise(make, message):
    with pytest.raises(ValueError, match=message.replace("1).", r"1\).")):
        make()


@pytest.mark.parametrize("loss", [LogitAdjusted([1.0, 2.0]), LDAM([1, 2])], ids=repr)
@pytest.mark.parametrize("y", [[0], [[1.0, 0.0, 0.0]]])
def test_another_number_of_classes_raises_at_the_first_call(loss, y):
    with pytest.raises(ValueError, match=r"to have one number for each of 3. Received: \w+=\[1.0, 2.0\]"):
        loss(np.array(y), [[0.2, 0.3, 0.5]])


# effective_number_weights


def test_effective_number_weights_by_hand():
    # (1 - 0.9**n) / 0.1 is 1 and 1.9 for 1 and 2 samples.
    share = np.array([1 / 1, 1 / 1.9])
    weights = effective_number_weights([1, 2], beta=0.9)
    np.testing.assert_allclose(weights, share / share.mean(), rtol=1e-12)
    assert all(type(weight) is float for weight in weights)


def test_effective_number_weights_at_the_ends_of_beta():
    counts = np.array([3, 50, 700])
    np.testing.assert_allclose(effective_number_weights(counts, beta=0.0), [1, 1, 1])
    np.testing.assert_allclose(effective_number_weights([5, 5]), [1, 1])
    nearly_one = effective_number_weights(counts, beta=1 - 2**-53)
    np.testing.assert_allclose(nearly_one, (1 / counts) / (1 / counts).mean(), rtol=1e-12)


def test_effective_number_weights_of_huge_counts():
    weights = effective_number_weights([10**6, 10**15, 10**300], beta=1 - 1e-9)
    few = -np.expm1(1e6 * np.log1p(-1e-9))
    np.testing.assert_allclose(np.array(weights) / weights[1], [1 / few, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(np.mean(weights), 1.0, rtol=1e-12)


def test_effective_number_weights_are_alphas():
    loss = CategoricalFocal(gamma=0.0, alpha=effective_number_weights([10, 1]))
    rare, frequent = values(loss, np.array([1, 0]), [[0.5, 0.5], [0.5, 0.5]])
    assert rare > frequent

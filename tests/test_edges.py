# SPDX-License-Identifier: Apache-2.0
"""What lies at the edges: nothing at all, classes ruled out, certain decisions, saturated logits, ranges."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import keras
import numpy as np
import pytest
from cases import Case, cases, every_case, every_case_in, required
from oracles import ORACLES
from oracles.common import one_hot
from support import BACKEND, MODES, SLOWLY_COMPILED, to_numpy, value_and_gradient

import tfloss_ext
from tfloss_ext import parameters, registry
from tfloss_ext.base import BatchLoss, ClassLoss
from tfloss_ext.overlap import RegionLoss

COMPILED = [mode for mode in MODES if mode != "graph"]
RULED_OUT = [-np.inf, np.finfo("float32").min]


# Nothing at all


def run(loss: Any, y_true: np.ndarray, y_pred: np.ndarray, weight: Any, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """As `value_and_gradient`, of a graph that knows the size of no batch."""
    if BACKEND != "tensorflow" or mode == "eager":
        return value_and_gradient(loss, y_true, y_pred, weight, mode=mode)
    import tensorflow as tf

    def step(y_true, y_pred, weight=None):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = loss(y_true, y_pred, weight)
        return value, tape.gradient(value, y_pred)

    arrays = [array for array in (y_true, y_pred, weight) if array is not None]
    specs = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays]
    step = tf.function(step, input_signature=specs, jit_compile=mode == "xla", autograph=False)
    return tuple(to_numpy(tensor) for tensor in step(*arrays))


def costs_nothing(case, mode, weight):
    y_true, y_pred = case.of(slice(0))
    y_pred = y_pred.astype("float32")
    value, gradient = run(case.loss(), y_true, y_pred, weight, mode)
    assert value == 0
    assert gradient.shape == y_pred.shape


@every_case_in(MODES, thin=True)
def test_a_batch_of_nothing_costs_nothing(case, mode):
    costs_nothing(case, mode, None)


@every_case(thin=True)
def test_a_weighted_batch_of_nothing_costs_nothing(case):
    costs_nothing(case, MODES[0], np.zeros(0, "float32"))


@pytest.mark.slow
@every_case_in(COMPILED, thin=True)
def test_a_weighted_batch_of_nothing_costs_nothing_compiled(case, mode):
    costs_nothing(case, mode, np.zeros(0, "float32"))


@every_case(thin=True)
def test_the_values_of_nothing_are_none(case):
    loss = case.loss(reduction=None)
    prediction = keras.ops.convert_to_tensor(case.of(slice(0))[1].astype("float32"))
    rank = to_numpy(loss(case.y_true, case.y_pred)).shape[1:]
    assert to_numpy(loss(case.y_true[:0], prediction)).shape == (0, *rank)
    prediction._keras_mask = keras.ops.ones((0,), dtype="bool")
    assert to_numpy(loss(case.y_true[:0], prediction)).shape == (0, *rank)
    assert to_numpy(case.loss()(case.y_true[:0], prediction)) == 0


@every_case_in(COMPILED, thin=True)
def test_images_without_a_position_cost_nothing(case, mode):
    if not isinstance(case.loss(), RegionLoss) or case.y_pred.ndim < 3:
        pytest.skip("no images")
    y_true, y_pred = case.y_true[:, :0], case.y_pred[:, :0].astype("float32")
    value, gradient = run(case.loss(), y_true, y_pred, None, mode)
    assert value == 0
    assert gradient.shape == y_pred.shape
    assert to_numpy(case.loss(reduction=None)(y_true, y_pred)).shape == (len(y_pred),)


# Logits that say for sure


def takes(key: str, parameter: str) -> bool:
    return parameter in inspect.signature(registry.classes()[key]).parameters


def takes_logits(case: Case) -> bool:
    """Whether each class has a logit; one with several centres has none of its own."""
    loss = case.loss()
    return (
        isinstance(loss, ClassLoss)
        and case.key != "soft_triple"
        and not case.probabilities
        and getattr(loss, "from_logits", True)
    )


def excludes(case: Case) -> bool:
    """Whether one class excludes the others: a shift of all logits then changes nothing."""
    if not takes_logits(case) or case.y_pred.ndim < 2 or case.y_pred.shape[-1] == 1:
        return False
    loss = case.loss(dtype="float32", reduction="sum")
    here, there = (to_numpy(loss(case.y_true, (case.y_pred + shift).astype("float32"))) for shift in (0.0, 2.0))
    return bool(np.isclose(here, there, rtol=1e-3, atol=1e-5))


def hot(case: Case) -> np.ndarray | None:
    """Targets of 0 and 1 in the shape of the predictions, None where they are not hard."""
    if case.key == "boundary" or not takes_logits(case) or case.parameters.get("label_smoothing"):
        return None
    shape = case.y_pred.shape if case.y_pred.ndim > 1 else (*case.y_pred.shape, 1)
    if case.key == "coral":
        return (case.y_true.reshape(*shape[:-1], 1) > np.arange(shape[-1])) * 1.0
    dense = one_hot(case.y_true, shape[-1]).reshape(shape)
    return dense if np.isin(dense, (0.0, 1.0)).all() else None


def with_logit(case: Case, where: np.ndarray, value: float) -> np.ndarray:
    return np.where(where.reshape(case.y_pred.shape), value, case.y_pred)


@every_case_in(MODES, thin=True)
def test_a_class_that_is_ruled_out_has_no_share_and_no_gradient(case, mode):
    """Any class but the target's, at each position another one."""
    target = hot(case)
    if target is None or not excludes(case) or case.y_pred.shape[-1] < 3:
        pytest.skip("no hard targets of three classes that exclude each other")
    out = np.roll(target, 1, axis=-1) > 0
    # As good as a logit far below all others.
    expected = case.oracle(with_logit(case, out, -1e100)).sum()
    for low in RULED_OUT:
        y_pred = with_logit(case, out, low).astype("float32")
        value, gradient = value_and_gradient(case.loss(reduction=None), case.y_true, y_pred, mode=mode)
        np.testing.assert_allclose(value, expected, rtol=2e-5, atol=1e-6)
        assert np.isfinite(gradient).all()
        assert not gradient[out].any()


@every_case(thin=True)
def test_a_target_that_is_ruled_out_is_no_nan(case):
    target = hot(case)
    if target is None or not excludes(case):
        pytest.skip("no hard targets of classes that exclude each other")
    large = case.oracle(with_logit(case, target > 0, -1e4)).max() > 100
    for low, out in itertools.product(RULED_OUT, (target > 0, np.ones_like(target, bool))):
        y_pred = with_logit(case, out, low).astype("float32")
        value, gradient = value_and_gradient(case.loss(reduction=None), case.y_true, y_pred)
        assert np.isfinite(gradient).all()
        assert value > 100 if large and not out.all() else not np.isnan(value)


EXCLUSIVE = [
    key
    for key, cls in sorted(registry.classes().items())
    if issubclass(cls, ClassLoss) and not issubclass(cls, (BatchLoss, RegionLoss)) and excludes(cases(key)[0])
]


@pytest.mark.parametrize(
    ("dense", "mode"),
    [
        pytest.param(dense, mode, marks=() if mode == MODES[0] else pytest.mark.slow)
        for dense in (False, True)
        for mode in MODES
    ],
)
@pytest.mark.parametrize("key", EXCLUSIVE)
def test_a_class_of_a_large_vocabulary_that_is_ruled_out(key, dense, mode):
    classes, ids = 2**13 + 5, np.array([3, 0, 2**13])
    numbers = {name: list(np.resize(value, classes)) for name, value in required(key).items()}
    logits = {"from_logits": True} if takes(key, "from_logits") else {}
    parameters = {**numbers, **logits}
    z = np.random.default_rng(0).normal(size=(3, classes))
    out = np.zeros(z.shape, bool)
    out[:, 5:4000] = True
    y = np.eye(classes)[ids] if dense else ids
    expected = ORACLES[key](y, np.where(out, -1e100, z), **parameters).sum()
    loss = tfloss_ext.get(key, reduction=None, **parameters)
    for low in RULED_OUT:
        value, gradient = value_and_gradient(loss, y, np.where(out, low, z).astype("float32"), mode=mode)
        np.testing.assert_allclose(value, expected, rtol=5e-5, atol=1e-6)
        assert np.isfinite(gradient).all()
        assert not gradient[out].any()
    z[np.arange(3), ids] = -np.inf
    value, gradient = value_and_gradient(loss, y, z.astype("float32"), mode=mode)
    assert not np.isnan(value)
    assert np.isfinite(gradient).all()


def test_what_excludes_classes_is_found_without_a_list():
    found = {"categorical_focal", "poly1", "ldam", "logit_adjusted", "sparsemax_loss", "bi_tempered", "cosface"}
    assert found | {"symmetric_crossentropy", "generalized_crossentropy"} <= set(EXCLUSIVE)


@pytest.mark.parametrize("key", [*EXCLUSIVE, "arcface", "coral", "proxy_anchor", "soft_triple"])
def test_what_excludes_classes_can_ignore_one(key):
    loss = tfloss_ext.get(key, **required(key), ignore_class=1, reduction=None)
    case = cases(key)[0]
    y_true = np.arange(len(case.y_pred)) % 3
    ignored = y_true == 1
    values = to_numpy(loss(y_true, case.y_pred))
    assert not values[ignored].any()
    assert values[~ignored].any()


@every_case_in(MODES, thin=True)
def test_a_certain_decision_that_is_right_costs_nothing(case, mode):
    target = hot(case)
    if target is None or excludes(case):
        pytest.skip("no decisions on their own")
    for sign in (-1, 1):
        y_pred = np.where(target > 0, np.inf, -np.inf).reshape(case.y_pred.shape).astype("float32") * sign
        value, gradient = value_and_gradient(case.loss(reduction=None), case.y_true, y_pred, mode=mode)
        assert not np.isnan(value)
        assert np.isfinite(gradient).all()
        if sign == 1:
            assert value < 1e-6 * len(y_pred)
            assert not gradient.any()


# Relative precision

Z = np.concatenate([np.linspace(-80, 80, 641), [-16.6, -12.0, -1e-3, 0.0, 1e-3, 12.0, 16.6]]).astype("float32")[:, None]
# Of the wrong class: its power, and the weight of a label of 0 and of 1.
BINARY = [
    *[("focal", {"gamma": g, "alpha": None}, (g, g), (1.0, 1.0)) for g in (0.0, 0.5, 2.0)],
    ("focal", {"gamma": 1.5}, (1.5, 1.5), (0.75, 0.25)),
    *[("quality_focal", {"beta": g}, (g, g), (1.0, 1.0)) for g in (0.0, 0.5, 2.0)],
    *[("varifocal", {"gamma": g}, (g, 0.0), (0.75, 1.0)) for g in (0.0, 0.5, 2.0)],
    ("asymmetric", {"gamma_neg": 2.0, "clip": 0.0}, (2.0, 1.0), (1.0, 1.0)),
    ("asymmetric", {"gamma_neg": 0.0, "gamma_pos": 0.5, "clip": 0.0}, (0.0, 0.5), (1.0, 1.0)),
    ("coral", {}, (0.0, 0.0), (1.0, 1.0)),
    ("dice_crossentropy", {"dice_weight": 0.0}, (0.0, 0.0), (1.0, 1.0)),
    *[("dice_focal", {"dice_weight": 0.0, "gamma": g}, (g, g), (1.0, 1.0)) for g in (0.5, 2.0)],
]


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("dtype", ["int32", "float32"])
@pytest.mark.parametrize(("key", "own", "powers", "weights"), [pytest.param(*row, id=str(row[:2])) for row in BINARY])
def test_binary_terms_are_exact_in_proportion_to_themselves(key, own, powers, weights, dtype, mode):
    cls = registry.classes()[key]
    z = Z[:, None] if issubclass(cls, RegionLoss) else Z
    loss = tfloss_ext.get(key, reduction=None, **own, **({"from_logits": True} if takes(key, "from_logits") else {}))
    for label, power, weight in zip((0, 1), powers, weights, strict=True):
        sign = 1.0 - 2.0 * label
        u = sign * z.astype("float64")
        log_wrong, crossentropy = -np.logaddexp(0, -u), np.logaddexp(0, u)
        expected = weight * np.exp(power * log_wrong) * crossentropy
        slope = sign * weight * np.exp(power * log_wrong)
        slope = slope * (power * np.exp(-crossentropy) * crossentropy + np.exp(log_wrong))
        y = np.full(len(z) if key == "coral" else z.shape, label, dtype)
        values = to_numpy(loss(y, z)).ravel()
        _, gradient = value_and_gradient(loss, y, z, mode=mode)
        for got, exact in ((values, expected), (gradient, slope)):
            # Products of three factors, which a graph takes in its own order, end before float32 does.
            shown = np.abs(exact.ravel()) > 1e-28
            np.testing.assert_allclose(got.ravel()[shown], exact.ravel()[shown], rtol=3e-6)


# One true class that leads by so much, among so many.
LEADS = np.array([0.0, 1e-3, 1.0, 8.0, 17.0, 40.0, 80.0, -1e-3, -1.0, -8.0, -40.0])
# Their power of 1 - p.
CATEGORICAL = [
    *[("categorical_focal", {"gamma": g}, g) for g in (0.0, 0.5, 2.0)],
    ("poly1", {"epsilon": 0.0}, 0.0),
    ("dice_crossentropy", {"dice_weight": 0.0}, 0.0),
    *[("dice_focal", {"dice_weight": 0.0, "gamma": g}, g) for g in (0.5, 2.0)],
]


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("classes", [2, 4, 20, 9000])
@pytest.mark.parametrize(("key", "own", "power"), [pytest.param(*row, id=str(row[:2])) for row in CATEGORICAL])
def test_crossentropies_are_exact_in_proportion_to_themselves(key, own, power, classes, dense, mode):
    z = np.zeros((len(LEADS), classes), "float32")
    z[:, 1] = LEADS
    y = np.ones(len(z), "int32")
    odds = np.log(classes - 1) - z[:, 1].astype("float64")
    crossentropy, log_wrong = np.logaddexp(0, odds), -np.logaddexp(0, -odds)
    expected = np.exp(power * log_wrong) * crossentropy
    # With respect to the odds, which the true class lowers, and each other one raises by its share.
    slope = np.exp(power * log_wrong) * (power * np.exp(-crossentropy) * crossentropy + np.exp(log_wrong))
    slope = np.where(np.arange(classes) == 1, -1.0, 1 / (classes - 1)) * slope[:, None]
    y = np.eye(classes, dtype="float32")[y] if dense else y
    if issubclass(registry.classes()[key], RegionLoss):
        y, z = y[:, None], z[:, None]
    loss = tfloss_ext.get(key, from_logits=True, reduction=None, **own)
    values = to_numpy(loss(y, z)).ravel()
    _, gradient = value_and_gradient(loss, y, z, mode=mode)
    # The gradient of dense targets is a difference, as there may be several.
    lost = 2e-7 if dense else 0.0
    for got, exact, atol in ((values, expected, 0.0), (gradient.reshape(slope.shape), slope, lost)):
        shown = np.abs(exact) > 1e-28
        # Nine thousand are added up, to the power of three.
        np.testing.assert_allclose(got[shown], exact[shown], rtol=3e-5 if classes > 1000 else 1e-5, atol=atol)


def test_a_soft_target_that_is_nearly_hard_keeps_its_precision():
    y, z = np.array([[1 - 2.0**-20], [2.0**-20]] * 2), np.array([[20.0], [-20.0], [12.0], [-12.0]])
    for key, own in (("focal", {"gamma": 0.0}), ("focal", {}), ("quality_focal", {}), ("varifocal", {})):
        expected = ORACLES[key](y, z, from_logits=True, **own)
        got = to_numpy(tfloss_ext.get(key, from_logits=True, reduction=None, **own)(y, z))
        np.testing.assert_allclose(got, expected, rtol=5e-6)


# Second derivatives


def curvature(loss: Any, y_true: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The gradient of the sum of the gradient."""
    if BACKEND == "jax":
        import jax

        slope = jax.grad(lambda z: keras.ops.sum(loss(y_true, z)))
        return np.asarray(jax.grad(lambda z: slope(z).sum())(jax.numpy.asarray(z)))
    if BACKEND == "torch":
        import torch

        leaf = torch.tensor(z, requires_grad=True)
        (slope,) = torch.autograd.grad(loss(y_true, leaf), leaf, create_graph=True)
        return torch.autograd.grad(slope.sum(), leaf)[0].numpy()
    import tensorflow as tf

    leaf = tf.constant(z)
    with tf.GradientTape() as outer:
        outer.watch(leaf)
        with tf.GradientTape() as inner:
            inner.watch(leaf)
            value = loss(y_true, leaf)
        slope = inner.gradient(value, leaf)
    return outer.gradient(slope, leaf).numpy()


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 0.9, 1.5, 2.0])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_the_curvature_of_a_saturated_decision(gamma, dtype):
    z = np.array([[-80.0], [-12.0], [-1.0], [0.5], [12.0], [80.0], [1e4], [-1e4]], "float32")
    loss = tfloss_ext.Focal(gamma=gamma, alpha=None, from_logits=True, reduction="sum")
    for label in (0, 1):
        found = curvature(loss, np.full(z.shape, label, dtype), z)
        step, sure = 1e-4, z.astype("float64")

        def cost(z, label=label):
            return ORACLES["focal"](np.full(z.shape, label), z, gamma=gamma, alpha=None, from_logits=True)[:, None]

        expected = (cost(sure + step) - 2 * cost(sure) + cost(sure - step)) / step**2
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("gamma", [0.1, 0.5, 2.0])
def test_the_curvature_of_a_saturated_class(gamma, dense, classes):
    z = np.zeros((3, classes), "float32")
    z[0, 1], z[1, 1], z[2, 1] = 90.0, -90.0, 1e4
    y = np.ones(3, "int32")
    loss = tfloss_ext.CategoricalFocal(gamma=gamma, from_logits=True, reduction="sum")
    # The sum of the gradient over the classes is 0 whatever the logits.
    found = curvature(loss, np.eye(classes)[y] if dense else y, z)
    np.testing.assert_allclose(found, np.zeros_like(z), atol=1e-5)


# Ranges

ANY = (None, None, None, None)
AT_LEAST_0, ABOVE_0, SHARE = (0, None, None, None), (None, 0, None, None), (0, None, 1, None)
BETWEEN = (None, 0, None, 1)
# Lowest allowed, what it has to exceed, highest allowed, what it has to be below.
RANGES = {
    **dict.fromkeys(["gamma", "gamma_neg", "gamma_pos", "alpha", "beta", "weight", "class_weights"], AT_LEAST_0),
    **dict.fromkeys(["smooth", "margin", "tau", "redundancy", "dice_weight", "crossentropy_weight"], AT_LEAST_0),
    **dict.fromkeys(["focal_weight", "pos_weight"], AT_LEAST_0),
    **dict.fromkeys(["invariance", "variance", "covariance", "k1", "k2", "z_loss", "power_factors"], AT_LEAST_0),
    **dict.fromkeys(["epsilon", "scale", "temperature", "max_margin", "softcap", "max_value"], ABOVE_0),
    **dict.fromkeys(["samples_per_class", "class_priors", "filter_sigma"], ABOVE_0),
    **dict.fromkeys(["clip", "delta", "t1"], SHARE),
    "label_smoothing": (0, None, None, 1),
    "quantiles": BETWEEN,
    "q": (None, 0, 1, None),
    "t2": (1, None, None, None),
    "power": (None, 1, None, 2),
    "fraction": (None, 0, 1, None),
    "bias": ANY,
    "base": ANY,
}
OWN_RANGES = {
    **dict.fromkeys([("focal", "alpha"), ("varifocal", "alpha"), ("cl_dice", "alpha")], SHARE),
    **dict.fromkeys([("unified_focal", "weight"), ("unified_focal", "gamma")], SHARE),
    **dict.fromkeys([("multi_similarity", "alpha"), ("multi_similarity", "beta"), ("soft_triple", "gamma")], ABOVE_0),
    ("poly1", "epsilon"): (-1, None, None, None),
    ("expectile", "tau"): BETWEEN,
    ("focal_tversky", "gamma"): ABOVE_0,
    ("general_robust", "alpha"): ANY,
    ("arcface", "margin"): (0, None, np.pi / 2, None),
}
NUMBERS = [
    (key, field)
    for key, cls in sorted(registry.classes().items())
    for field in cls._fields.values()
    if isinstance(field.metadata["spec"], parameters._Number)
]


@pytest.mark.parametrize(("key", "field"), [pytest.param(*pair, id=f"{pair[0]}-{pair[1].name}") for pair in NUMBERS])
def test_ranges_are_those_of_the_catalogue(key, field):
    spec = field.metadata["spec"]
    at_least, above, at_most, below = OWN_RANGES.get((key, field.name)) or RANGES[field.name]
    for edge in (-1.0, 0.0, 1.0, np.pi / 2, 2.0):
        for value in (edge, np.nextafter(edge, -9), np.nextafter(edge, 9)):
            inside = (
                (at_least is None or value >= at_least)
                and (above is None or value > above)
                and (at_most is None or value <= at_most)
                and (below is None or value < below)
            )
            given = value if spec.single else [value, value]
            if inside:
                assert parameters.check(field, given) == given
            else:
                with pytest.raises(ValueError, match=f"Expected {field.name} .*Received: {field.name}="):
                    parameters.check(field, given)

# SPDX-License-Identifier: Apache-2.0
"""Losses of regression: numbers worked out by hand, limits, the whole range of floats, and missing targets."""

from __future__ import annotations

import json
import math
from decimal import Decimal, localcontext

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import MODES, to_numpy, value_and_gradient

from tfloss_ext import (
    Charbonnier,
    Expectile,
    GaussianNLL,
    GeneralRobust,
    LogCosh,
    Quantile,
    Tweedie,
    WeightedMSE,
    registry,
)
from tfloss_ext.regression import ErrorLoss

few = settings(max_examples=25, deadline=None, derandomize=True)
NUMBERS = arrays("float32", (4, 3), elements=st.floats(-1000, 1000, width=32))


def test_log_cosh_by_hand():
    values = to_numpy(LogCosh(reduction=None)([[0.0], [0.0], [0.0]], [[0.0], [1.0], [-3.0]]))
    np.testing.assert_allclose(values, [0.0, 0.433780830, 2.309328504], rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_log_cosh_is_exact_from_tiny_to_huge(mode):
    error = np.concatenate([np.logspace(-12, 30, 400), np.linspace(0.5, 2.0, 300)]).astype("float32")[:, None]
    wide = error.astype("float64")
    small = np.minimum(wide, 1.0)
    # log cosh e = log1p(2 sinh(e/2)**2): no cancellation for small e.
    expected = np.where(wide < 1, np.log1p(2 * np.sinh(small / 2) ** 2), wide + np.log1p(np.exp(-2 * wide)) - np.log(2))
    _, gradient = value_and_gradient(LogCosh(reduction="sum"), np.zeros_like(error), error, mode=mode)
    np.testing.assert_allclose(gradient, np.tanh(wide), rtol=2e-6)
    for sign in (1, -1):
        values = to_numpy(LogCosh(reduction=None)(np.zeros_like(error), sign * error))
        np.testing.assert_allclose(values, expected[:, 0], rtol=1e-6)


@pytest.mark.tensorflow
@pytest.mark.parametrize("jit", [False, True])
def test_log_cosh_is_exact_in_graphs_too(jit):
    import tensorflow as tf

    error = np.logspace(-12, 30, 400).astype("float32")[:, None]
    wide = np.minimum(error.astype("float64"), 300.0)
    expected = np.where(wide < 300, np.log1p(2 * np.sinh(np.minimum(wide, 300) / 2) ** 2), error - np.log(2))
    run = tf.function(LogCosh(reduction=None), jit_compile=jit, autograph=False)
    np.testing.assert_allclose(run(tf.zeros_like(error), tf.constant(error)).numpy(), expected[:, 0], rtol=1e-6)


def test_weighted_mse_by_hand():
    # (1 * 1 + 3 * 4) / 2: not divided by the sum of the weights.
    assert to_numpy(WeightedMSE(weight=[1.0, 3.0])([[0.0, 0.0]], [[1.0, 2.0]])) == pytest.approx(6.5)


@few
@given(NUMBERS, NUMBERS)
def test_without_weights_it_is_the_mse_of_keras(y, p):
    np.testing.assert_allclose(
        to_numpy(WeightedMSE()(y, p)), to_numpy(keras.losses.MeanSquaredError()(y, p)), rtol=1e-5
    )


# Quantile and Expectile


def test_quantile_by_hand():
    # 0.9 times what is missing, 0.1 times what is too much.
    values = to_numpy(Quantile(quantiles=0.9, reduction=None)([[5.0], [5.0]], [[3.0], [6.0]]))
    np.testing.assert_allclose(values, [1.8, 0.1], rtol=1e-6)


@pytest.mark.parametrize("y", [[5.0, 0.0], [[5.0], [0.0]]])
def test_several_quantiles_of_one_target_by_hand(y):
    values = to_numpy(Quantile([0.1, 0.5], reduction=None)(y, [[3.0, 6.0], [0.0, 0.0]]))
    np.testing.assert_allclose(values, [(0.1 * 2 + 0.5 * 1) / 2, 0.0], rtol=1e-6)


@few
@given(NUMBERS, NUMBERS)
def test_quantile_at_one_half_is_half_of_the_mae_of_keras(y, p):
    # Rounded, as JAX takes the smallest numbers for 0.
    y, p = np.round(y, 3), np.round(np.where(p > 500, y, p), 3)
    value, gradient = value_and_gradient(Quantile(), y, p)
    expected, slope = value_and_gradient(keras.losses.MeanAbsoluteError(), y, p)
    np.testing.assert_allclose(value, expected / 2, rtol=1e-6)
    # Where the two are equal the backends differ about the absolute error.
    np.testing.assert_allclose(gradient, np.where(y == p, 0.0, slope / 2), rtol=1e-6)


@few
@given(NUMBERS, NUMBERS)
def test_expectile_at_one_half_is_half_of_the_mse_of_keras(y, p):
    value, gradient = value_and_gradient(Expectile(), y, p)
    expected, slope = value_and_gradient(keras.losses.MeanSquaredError(), y, p)
    np.testing.assert_allclose(value, expected / 2, rtol=1e-5)
    np.testing.assert_allclose(gradient, slope / 2, rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.8])
def test_the_best_constant_is_the_quantile_of_the_sample(q):
    y = np.random.default_rng(0).exponential(size=(1001, 1)).astype("float32")
    constants = np.sort(y[:, 0])
    costs = [float(Quantile(q)(y, np.full_like(y, constant))) for constant in constants[::10]]
    assert constants[::10][np.argmin(costs)] == pytest.approx(np.quantile(y, q), rel=0.05)


def test_the_slope_on_either_side_of_the_target():
    y, p = np.zeros((3, 1), "float32"), np.array([[2.0], [-2.0], [0.0]], "float32")
    _, gradient = value_and_gradient(Quantile(0.999, reduction="sum"), y, p)
    np.testing.assert_allclose(gradient[:, 0], [0.001, -0.999, 0.0], rtol=1e-6)
    _, gradient = value_and_gradient(Expectile(0.999, reduction="sum"), y, p)
    np.testing.assert_allclose(gradient[:, 0], [0.004, -3.996, 0.0], rtol=1e-6)


def test_one_quantile_in_a_list_is_that_quantile():
    y, p = np.arange(4.0), np.array([3.0, 1.0, -1.0, 3.0])
    expected = to_numpy(Quantile(0.3, reduction=None)(y, p))
    for target in (y, y[:, None]):
        for prediction in (p, p[:, None]):
            np.testing.assert_array_equal(to_numpy(Quantile([0.3], reduction=None)(target, prediction)), expected)


@pytest.mark.parametrize(
    ("y", "p"),
    [
        ((4, 3), (4, 3)),
        ((3,), (3,)),
        ((4,), (4, 2)),
        ((4, 2), (4, 3)),
        ((4, 1, 1), (4, 3)),
        ((), (3,)),
        ((4, 3), (4, 5, 3)),
    ],
)
def test_targets_that_do_not_fit_a_list_of_quantiles_raise(y, p):
    shown = rf"y_true.shape=\({', '.join(map(str, y))},?\), y_pred.shape=\({', '.join(map(str, p))},?\)"
    with pytest.raises(ValueError, match=rf"Expected y_pred of shape \(..., 3\).* Received: {shown}"):
        Quantile([0.1, 0.5, 0.9])(np.zeros(y), np.zeros(p))


# Charbonnier


def test_charbonnier_by_hand():
    values = to_numpy(Charbonnier(epsilon=3.0, reduction=None)([[0.0], [0.0]], [[4.0], [0.0]]))
    np.testing.assert_allclose(values, [5.0, 3.0], rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("epsilon", [1e-3, 1e-12, 1e-30, 1e12])
def test_charbonnier_is_exact_from_tiny_to_huge(epsilon, mode):
    error = np.concatenate([np.logspace(-12, 30, 200), [0.0]]).astype("float32")[:, None]
    expected = np.hypot(error.astype("float64"), epsilon)
    for sign in (1, -1):
        values = to_numpy(Charbonnier(epsilon, reduction=None)(np.zeros_like(error), sign * error))
        np.testing.assert_allclose(values, expected[:, 0], rtol=1e-6)
        total = Charbonnier(epsilon, reduction="sum")
        value, gradient = value_and_gradient(total, np.zeros_like(error), sign * error, mode=mode)
        np.testing.assert_allclose(value, expected.sum(), rtol=1e-5)
        np.testing.assert_allclose(gradient, sign * error / expected, rtol=1e-6)


# GeneralRobust

ALPHAS = [2.0, 1.0, 0.0, -2.0, -math.inf]
NEAR = [near for alpha in ALPHAS[:-1] for gap in (1e-12, 1e-7, 1e-3) for near in (alpha - gap, alpha + gap)]
FAR = [-1e4, -1e9, -1e12, -1e30, 0.5, 1.5, -8.0, 4.0]


def barron(error: float, alpha: float, scale: float) -> tuple[float, float]:
    """Equation 8 and its derivative, to a hundred digits."""
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = 100, 10**8, -(10**8)
        c = Decimal(scale)
        z = Decimal(error) / c
        if alpha == 2:
            value, slope = z**2 / 2, z / c
        elif alpha == 0:
            value, slope = (z**2 / 2 + 1).ln(), 2 * z / (z**2 + 2) / c
        elif alpha == -math.inf:
            value, slope = 1 - (-(z**2) / 2).exp(), z / c * (-(z**2) / 2).exp()
        else:
            a = Decimal(alpha)
            inside = z**2 / abs(a - 2) + 1
            value, slope = abs(a - 2) / a * (inside ** (a / 2) - 1), z / c * inside ** (a / 2 - 1)
        return tuple(float(number) if abs(number) < Decimal("3.4e38") else math.inf for number in (value, slope))


def test_general_robust_by_hand():
    def cost(alpha, scale=1.0):
        return float(GeneralRobust(alpha, scale)([[0.0]], [[4.0]]))

    assert cost(2.0, 2.0) == pytest.approx(2.0)
    assert cost(1.0) == pytest.approx(math.sqrt(17) - 1)
    assert cost(0.0, 2.0) == pytest.approx(math.log(3))
    assert cost(-2.0, 2.0) == pytest.approx(1.0)
    assert cost("-inf", 4.0) == pytest.approx(1 - math.exp(-0.5))


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("alpha", [*ALPHAS, *NEAR, *FAR])
def test_general_robust_is_exact_at_its_limits_and_near_them(alpha, scale):
    error = np.concatenate([np.logspace(-9, 3, 25), [1e9, 1e15, 1e18, 1e25, 1e30, -0.7]]).astype("float32")
    expected = np.array([barron(float(e), alpha, scale) for e in error])
    zeros = np.zeros((len(error), 1), "float32")
    values = to_numpy(GeneralRobust(alpha, scale, reduction=None)(zeros, error[:, None]))
    _, gradient = value_and_gradient(GeneralRobust(alpha, scale, reduction="sum"), zeros, error[:, None])
    # Of the power of a huge error, float32 keeps as many digits fewer as the exponent has.
    common = np.abs(error) < 10
    np.testing.assert_allclose(values[common], expected[common, 0], rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(gradient[common, 0], expected[common, 1], rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(values, expected[:, 0], rtol=3e-5, atol=1e-30)
    np.testing.assert_allclose(gradient[:, 0], expected[:, 1], rtol=3e-5, atol=1e-30)


@pytest.mark.tensorflow
@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize("alpha", [*ALPHAS, 2 - 1e-7, 1e-7, 0.5, -8.0])
def test_general_robust_is_exact_in_graphs_too(alpha, mode):
    error = np.concatenate([np.logspace(-6, 3, 10), [1e10, 1e15, 1e30]]).astype("float32")
    expected = np.array([barron(float(e), alpha, 1.0) for e in error])
    zeros = np.zeros((len(error), 1), "float32")
    value, gradient = value_and_gradient(GeneralRobust(alpha, reduction="sum"), zeros, error[:, None], mode=mode)
    np.testing.assert_allclose(value, expected[:, 0].sum(), rtol=3e-5)
    np.testing.assert_allclose(gradient[:, 0], expected[:, 1], rtol=3e-5, atol=1e-30)


@few
@given(NUMBERS, NUMBERS)
def test_general_robust_at_two_is_half_of_the_mse_of_keras(y, p):
    value, gradient = value_and_gradient(GeneralRobust(2.0), y, p)
    expected, slope = value_and_gradient(keras.losses.MeanSquaredError(), y, p)
    np.testing.assert_allclose(value, expected / 2, rtol=1e-5)
    np.testing.assert_allclose(gradient, slope / 2, rtol=1e-6)


@pytest.mark.parametrize("alpha", ["-inf", float("-inf"), np.float32("-inf")])
def test_minus_infinity_is_a_string_in_the_config(alpha):
    loss = GeneralRobust(alpha)
    config = json.loads(json.dumps(loss.get_config(), allow_nan=False))
    assert config["alpha"] == "-inf"
    assert GeneralRobust.from_config(config).get_config() == config
    assert repr(loss) == "GeneralRobust(alpha='-inf')"


@pytest.mark.parametrize("alpha", ["inf", "inf ", "-Inf", math.inf, math.nan, None, True, [1.0]])
def test_an_alpha_that_is_no_number_raises(alpha):
    with pytest.raises(ValueError, match=r"Expected alpha to be a finite number or '-inf'\. Received: alpha="):
        GeneralRobust(alpha)


# GaussianNLL


def test_gaussian_nll_by_hand():
    y, p = [[1.0, 2.0]], [[3.0, 2.0, 0.0, math.log(4.0)]]
    first, second = 0.5 * (0.0 + 4.0), 0.5 * math.log(4.0)
    constant = 0.5 * math.log(2 * math.pi)
    assert float(GaussianNLL()(y, p)) == pytest.approx((first + second) / 2)
    assert float(GaussianNLL(full=True)(y, p)) == pytest.approx((first + second) / 2 + constant)
    assert float(GaussianNLL(beta=0.5)(y, p)) == pytest.approx((first + 2 * second) / 2)
    # As the paper has it, the factor is that of the whole likelihood.
    beta_and_full = (first + constant + 2 * (second + constant)) / 2
    assert float(GaussianNLL(beta=0.5, full=True)(y, p)) == pytest.approx(beta_and_full)


def test_full_is_the_density_of_the_normal_distribution():
    density = math.exp(-0.5 * (0.7 / 1.5) ** 2) / (1.5 * math.sqrt(2 * math.pi))
    found = float(GaussianNLL(full=True)([0.7], [[0.0, 2 * math.log(1.5)]]))
    assert found == pytest.approx(-math.log(density), rel=1e-6)


def test_at_beta_one_the_mean_has_the_gradient_of_the_squared_error():
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(5, 2)).astype("float32"), rng.normal(size=(5, 4)).astype("float32") * 3
    _, gradient = value_and_gradient(GaussianNLL(beta=1.0), y, p)
    _, squared = value_and_gradient(keras.losses.MeanSquaredError(), y, p[:, :2])
    np.testing.assert_allclose(gradient[:, :2], squared / 2, rtol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_log_variances_are_clipped_and_get_no_gradient_outside(beta):
    y = np.ones((4, 1), "float32")
    p = np.array([[2.0, 40.0], [2.0, 1e4], [1.0, -40.0], [1.0, -1e4]], "float32")
    inside = np.clip(p, -30, 30)
    loss = GaussianNLL(beta=beta, reduction=None)
    np.testing.assert_array_equal(to_numpy(loss(y, p)), to_numpy(loss(y, inside)))
    _, gradient = value_and_gradient(loss, y, p)
    _, at_edge = value_and_gradient(loss, y, inside)
    np.testing.assert_array_equal(gradient[:, 0], at_edge[:, 0])
    assert not gradient[:, 1].any()
    assert at_edge[:, 1].all()


@pytest.mark.parametrize("p", [(4, 3), (4, 1), (4,), (4, 4), (3, 2), (4, 2, 2)])
def test_predictions_that_are_not_twice_as_wide_raise(p):
    with pytest.raises(ValueError, match=r"y_pred of shape \(B, ..., 2C\).*y_true.shape=\(4,\), y_pred.shape=\("):
        GaussianNLL()(np.zeros(4), np.zeros(p))


def test_gaussian_nll_of_sequences():
    y, p = np.zeros((2, 5, 3)), np.zeros((2, 5, 6))
    assert to_numpy(GaussianNLL(full=True, reduction=None)(y, p)).shape == (2, 5)


# Tweedie


def test_tweedie_by_hand():
    values = to_numpy(Tweedie(reduction=None)([[0.0], [4.0], [1.0]], [[4.0], [4.0], [0.25]]))
    np.testing.assert_allclose(values, [4.0, 8.0, 5.0], rtol=1e-6)


@pytest.mark.parametrize("power", [1.0001, 1.2, 1.5, 1.9, 1.9999])
def test_tweedie_is_least_at_the_mean(power):
    y = np.array([[0.0], [0.0], [1.0], [7.0]], "float32")
    _, gradient = value_and_gradient(Tweedie(power), y, np.full_like(y, 2.0))
    assert abs(gradient.sum()) < 1e-6


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-12])
def test_tweedie_towards_one_has_the_gradient_of_poisson_and_towards_two_of_gamma(gap):
    rng = np.random.default_rng(0)
    y, p = rng.poisson(2.0, size=(6, 3)).astype("float32"), rng.gamma(2.0, size=(6, 3)).astype("float32")
    _, gradient = value_and_gradient(Tweedie(1 + gap, reduction="sum"), y, p)
    np.testing.assert_allclose(gradient, (1 - y / p) / 3, rtol=1e-6 + 10 * gap, atol=1e-7)
    _, gradient = value_and_gradient(Tweedie(2 - gap, reduction="sum"), y, p)
    np.testing.assert_allclose(gradient, (1 / p - y / p**2) / 3, rtol=1e-6 + 10 * gap, atol=1e-6)


@pytest.mark.parametrize("power", [1.3, 1.5, 1.9])
def test_predicted_amounts_are_clipped_from_below_and_get_no_gradient_there(power):
    y, p = np.array([[3.0], [0.0], [3.0]], "float32"), np.array([[-1e4], [-1.0], [0.0]], "float32")
    loss = Tweedie(power, reduction=None)
    values, at_edge = to_numpy(loss(y, p)), to_numpy(loss(y, np.full_like(p, 1e-7)))
    np.testing.assert_array_equal(values, at_edge)
    assert np.isfinite(values).all()
    assert not value_and_gradient(loss, y, p)[1].any()
    assert value_and_gradient(loss, y, np.full_like(p, 2e-7))[1].all()


def test_the_power_of_the_default_is_no_special_case():
    y, p = np.arange(6.0).reshape(2, 3), np.arange(1.0, 7.0).reshape(2, 3)
    np.testing.assert_allclose(
        to_numpy(Tweedie(reduction=None)(y, p)), to_numpy(Tweedie(1.5000001, reduction=None)(y, p)), rtol=1e-5
    )


# The family

FAMILY = [
    *(cls() for _, cls in sorted(registry.classes().items()) if issubclass(cls, ErrorLoss)),
    *(Quantile(0.9), Expectile(0.2), GeneralRobust("-inf"), GeneralRobust(0.3), Tweedie(), Tweedie(1.2)),
]


def but(loss, **arguments):
    return type(loss).from_config({**loss.get_config(), **arguments})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("loss", FAMILY, ids=repr)
def test_a_missing_target_is_as_good_as_cut_out(loss, mode):
    y = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [4.0, 5.0, 6.0]], "float32")
    p = np.array([[2.0, np.inf, 5.0], [np.nan, 1.0, 2.0], [4.5, 5.0, 8.0]], "float32")
    value, gradient = value_and_gradient(but(loss, ignore_nan=True), y, p, mode=mode)
    first, first_gradient = value_and_gradient(loss, [[1.0, 3.0]], np.array([[2.0, 5.0]], "float32"))
    last, last_gradient = value_and_gradient(loss, y[2:], p[2:])
    np.testing.assert_allclose(value, (first + last) / 2, rtol=1e-6)
    np.testing.assert_allclose(gradient[0, [0, 2]], first_gradient[0] / 2, rtol=1e-6)
    np.testing.assert_allclose(gradient[2], last_gradient[0] / 2, rtol=1e-6)
    assert gradient[0, 1] == 0
    assert not gradient[1].any()


@pytest.mark.parametrize("mode", MODES)
def test_a_missing_target_takes_its_mean_and_its_variance_with_it(mode):
    y = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]], "float32")
    p = np.array([[2.0, np.inf, 5.0, 0.5, np.nan, -0.5], [np.nan, 1.0, 2.0, 3.0, np.inf, 0.0]], "float32")
    loss = GaussianNLL(beta=0.5, full=True)
    value, gradient = value_and_gradient(but(loss, ignore_nan=True), y, p, mode=mode)
    kept = [0, 2, 3, 5]
    expected, slope = value_and_gradient(loss, y[:1, [0, 2]], p[:1, kept])
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient[0, kept], slope[0], rtol=1e-6)
    assert not gradient[0, [1, 4]].any()
    assert not gradient[1].any()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("column", [False, True])
def test_a_missing_target_takes_all_of_its_quantiles_with_it(column, mode):
    y, p = np.array([1.0, np.nan, 3.0], "float32"), np.arange(9, dtype="float32").reshape(3, 3)
    p[1] = [np.nan, np.inf, 0.0]
    loss, kept = Quantile([0.1, 0.5, 0.9]), [0, 2]
    value, gradient = value_and_gradient(but(loss, ignore_nan=True), y[:, None] if column else y, p, mode=mode)
    expected, slope = value_and_gradient(loss, y[kept], p[kept])
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient[kept], slope, rtol=1e-6)
    assert not gradient[1].any()


def one_target(loss) -> bool:
    """Whether two predictions are made of each target."""
    return isinstance(loss, GaussianNLL) or isinstance(getattr(loss, "quantiles", None), list)


@pytest.mark.parametrize("loss", [*FAMILY, GaussianNLL(beta=0.5), Quantile([0.1, 0.9])], ids=repr)
def test_without_ignore_nan_a_missing_target_is_not_hidden(loss):
    p = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
    y = np.array([[np.nan], [1.0]], "float32") if one_target(loss) else p * np.nan
    assert np.isnan(to_numpy(loss(y, p)))


@pytest.mark.tensorflow
@pytest.mark.parametrize("loss", [*FAMILY, GaussianNLL(), Quantile([0.1, 0.9])], ids=repr)
def test_targets_get_a_gradient_and_a_gradient_has_one(loss):
    import tensorflow as tf

    rng = np.random.default_rng(1)
    y = tf.constant(rng.random((3, 1 if one_target(loss) else 2)) + 0.5)
    p = tf.constant(rng.random((3, 2)) + 1.0)
    total, factors = but(loss, reduction="sum", dtype="float64"), tf.constant(np.linspace(1, 2, 6).reshape(3, 2))

    def slope(p):
        with tf.GradientTape() as tape:
            tape.watch(p)
            value = total(y, p)
        return tf.reduce_sum(tape.gradient(value, p) * factors)

    for function, arguments in ((total, [y, p]), (slope, [p])):
        for found, expected in zip(*tf.test.compute_gradient(function, arguments, delta=1e-5), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WeightedMSE(weight=[1.0, -2.0]), r"Expected weight >= 0 .* Received: weight=\[1.0, -2.0\]"),
        (lambda: WeightedMSE(weight=[]), r"Expected weight >= 0 .* Received: weight=\[\]"),
        (lambda: WeightedMSE(weight=[1.0])([[1.0, 2.0]], [[1.0, 2.0]]), "Expected weight to have one number for each"),
        (lambda: Quantile(0.0), r"Expected quantiles in \(0, 1\) .* Received: quantiles=0.0"),
        (lambda: Quantile(1), r"Expected quantiles in \(0, 1\)"),
        (lambda: Quantile([0.1, 1.5]), r"Expected quantiles in \(0, 1\) .* Received: quantiles=\[0.1, 1.5\]"),
        (lambda: Expectile(tau=1.0), r"Expected tau in \(0, 1\). Received: tau=1.0"),
        (lambda: Charbonnier(epsilon=0), "Expected epsilon > 0. Received: epsilon=0"),
        (lambda: GeneralRobust(scale=0.0), "Expected scale > 0. Received: scale=0.0"),
        (lambda: GaussianNLL(beta=-1), "Expected beta >= 0. Received: beta=-1"),
        (lambda: GaussianNLL(full=1), "Expected full to be True or False. Received: full=1"),
        (lambda: Tweedie(power=1), r"Expected power in \(1, 2\). Received: power=1"),
        (lambda: Tweedie(power=2.0), r"Expected power in \(1, 2\). Received: power=2.0"),
        (lambda: LogCosh()(np.zeros((2, 3)), np.zeros((2, 3, 1))), r"y_true.shape=\(2, 3\), y_pred.shape=\(2, 3, 1\)"),
        (lambda: LogCosh()(np.zeros((2, 1)), np.zeros((2, 3))), r"y_true.shape=\(2, 1\), y_pred.shape=\(2, 3\)"),
    ],
)
def test_bad_input_raises(make, message):
    with pytest.raises(ValueError, match=message):
        make()

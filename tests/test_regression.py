# SPDX-License-Identifier: Apache-2.0
"""LogCosh and WeightedMSE: numbers worked out by hand, the whole range of floats, and missing targets."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import MODES, to_numpy, value_and_gradient

from tfloss_ext import LogCosh, WeightedMSE

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


@pytest.mark.parametrize("loss", [LogCosh, WeightedMSE])
def test_a_missing_target_is_as_good_as_cut_out(loss):
    y = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [4.0, 5.0, 6.0]], "float32")
    p = np.array([[2.0, np.inf, 5.0], [np.nan, 1.0, 2.0], [4.5, 5.0, 8.0]], "float32")
    value, gradient = value_and_gradient(loss(ignore_nan=True), y, p)
    first, first_gradient = value_and_gradient(loss(), [[1.0, 3.0]], np.array([[2.0, 5.0]], "float32"))
    last, last_gradient = value_and_gradient(loss(), y[2:], p[2:])
    np.testing.assert_allclose(value, (first + last) / 2, rtol=1e-6)
    np.testing.assert_allclose(gradient[0, [0, 2]], first_gradient[0] / 2, rtol=1e-6)
    np.testing.assert_allclose(gradient[2], last_gradient[0] / 2, rtol=1e-6)
    assert gradient[0, 1] == 0
    assert not gradient[1].any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WeightedMSE(weight=[1.0, -2.0]), r"Expected weight >= 0 .* Received: weight=\[1.0, -2.0\]"),
        (lambda: WeightedMSE(weight=[]), r"Expected weight >= 0 .* Received: weight=\[\]"),
        (lambda: WeightedMSE(weight=[1.0])([[1.0, 2.0]], [[1.0, 2.0]]), "Expected weight to have one number for each"),
        (lambda: LogCosh()(np.zeros((2, 3)), np.zeros((2, 3, 1))), r"y_true.shape=\(2, 3\), y_pred.shape=\(2, 3, 1\)"),
        (lambda: LogCosh()(np.zeros((2, 1)), np.zeros((2, 3))), r"y_true.shape=\(2, 1\), y_pred.shape=\(2, 3\)"),
    ],
)
def test_bad_input_raises(make, message):
    with pytest.raises(ValueError, match=message):
        make()

# SPDX-License-Identifier: Apache-2.0
"""Values and gradients of every loss against its float64 reference, in every way of running it."""

from __future__ import annotations

import numpy as np
from cases import GENERATORS, Case, every_case, every_case_in
from oracles import ORACLES
from support import EXACT, EXACT_SLOPE, MODES, float64, slope, to_numpy, value_and_gradient

from tfloss_ext import registry


def test_every_loss_has_a_reference_and_cases():
    assert set(registry.classes()) == set(ORACLES) == set(GENERATORS)


# Weighted and added up they are compared below in every case.
@every_case(thin=True)
def test_values_in_float64(case: Case):
    with float64():
        values = to_numpy(case.loss(reduction=None, dtype="float64")(case.y_true, case.y_pred))
    np.testing.assert_allclose(values, case.oracle(), **EXACT)


@every_case()
def test_values_in_float32(case: Case):
    values = to_numpy(case.loss(reduction=None)(case.y_true, case.y_pred.astype("float32")))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, case.oracle(case.y_pred.astype("float32")), rtol=2e-5, atol=1e-6)


@every_case_in(MODES)
def test_gradient_is_the_slope_of_the_reference(case: Case, mode: str):
    # Unequal factors per sample: a gradient that mixes samples up would pass under equal ones.
    factors = np.linspace(0.5, 2.0, len(case.oracle()))

    def reference(y_pred: np.ndarray) -> float:
        values = case.oracle(y_pred)
        return float((factors.reshape(-1, *[1] * (values.ndim - 1)) * values).sum())

    def weighted(y_true, y_pred, sample_weight):
        from keras import ops

        values = case.loss(reduction=None, dtype="float64")(y_true, y_pred)
        return values * ops.reshape(ops.convert_to_tensor(factors), (-1, *[1] * (len(values.shape) - 1)))

    with float64():
        value, gradient = value_and_gradient(weighted, case.y_true, case.y_pred, mode=mode)
    np.testing.assert_allclose(value, reference(case.y_pred), **EXACT)
    np.testing.assert_allclose(gradient, slope(reference, case.y_pred), **EXACT_SLOPE)

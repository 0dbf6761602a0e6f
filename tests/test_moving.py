# SPDX-License-Identifier: Apache-2.0
"""Numbers that move: what they are at a step, in losses and sums, and that nothing is silent where none is known."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from cases import cases, of_each_family
from keras import ops
from keras.optimizers.schedules import PiecewiseConstantDecay, PolynomialDecay
from support import BACKEND, MODES, to_numpy, value_and_gradient

import tfloss_ext
from tfloss_ext import CategoricalFocal, Dice, Focal, HardExamples, LossSum, Scheduled, TaskWeight, Triplet, handing
from tfloss_ext import registry as registry_

RISING = PolynomialDecay(0.0, decay_steps=10, end_learning_rate=1.0)
Y, P = np.array([[1.0], [0.0], [1.0], [0.0]], "float32"), np.array([[0.6], [0.3], [0.2], [0.9]], "float32")


@keras.saving.register_keras_serializable(package="test_moving")
def squared(step):
    return ops.cast(step, "float32") ** 2


def at(step, y_pred=P, **what):
    """Predictions that know the step."""
    return handing.hand(ops.convert_to_tensor(y_pred), step=ops.convert_to_tensor(np.int32(step)), **what)


# Every parameter of every loss


def moving(case) -> dict[str, float]:
    """The parameters of a case that are numbers, and so may move."""
    kinds = {name: type(field.metadata["spec"]).__name__ for name, field in type(case.loss())._fields.items()}
    values = {name: getattr(case.loss(), name) for name, kind in kinds.items() if kind == "_Number"}
    return {name: value for name, value in values.items() if isinstance(value, float)}


def every_moving_case() -> list:
    found = []
    for key in sorted(registry_.classes()):
        for i, case in enumerate(case for case in cases(key)[::4] if moving(case)):
            usual = i == 0 and key in of_each_family()
            found.append(pytest.param(case, id=str(case), marks=() if usual else pytest.mark.slow))
    return found


@pytest.mark.parametrize("case", every_moving_case())
@pytest.mark.parametrize("mode", MODES[-2:-1] or MODES)
def test_all_parameters_that_are_numbers_may_move(case, mode):
    names = moving(case)
    loss = case.loss(
        **{
            name: Scheduled(lambda step, n=number: n + 0.0 * ops.cast(step, "float32"))
            for name, number in names.items()
        }
    )

    def moved(y_true, y_pred, weight):
        step = ops.cast(0.0 * ops.stop_gradient(ops.sum(y_pred)), "int32")  # Known as it runs, and not before.
        return loss(y_true, handing.passed_on(y_pred, step=step), weight)

    y_pred = case.y_pred.astype("float32")
    value, gradient = value_and_gradient(moved, case.y_true, y_pred, mode=mode)
    expected, slope = value_and_gradient(case.loss(), case.y_true, y_pred)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-6 * max(1.0, np.abs(slope).max()))


@pytest.mark.parametrize(
    ("key", "parameter", "limits"),
    [
        ("general_robust", "alpha", [2.0, 1.0, 0.0, -2.0]),
        ("bi_tempered", "t1", [1.0, 0.5, 0.0]),
        ("bi_tempered", "t2", [1.0, 1.5]),
        ("focal", "gamma", [0.0, 1.0, 2.0, 0.5]),
        ("asymmetric", "clip", [0.0, 0.05]),
        ("charbonnier", "epsilon", [1e-6, 1.0]),
        ("tweedie", "power", [1.5, 1.2]),
    ],
)
def test_what_moves_passes_the_limits_of_its_formula(key, parameter, limits):
    case = next(case for case in cases(key) if parameter in moving(case) and case.y_pred.shape[-1] > 1)
    moved = case.loss(**{parameter: Scheduled(PiecewiseConstantDecay(list(range(len(limits) - 1)), limits))})
    for step, limit in enumerate(limits):
        loss = case.loss(**{parameter: limit})

        def at_step(y_true, y_pred, weight, step=step):
            return moved(y_true, handing.passed_on(y_pred, step=ops.convert_to_tensor(np.int32(step))), weight)

        y_pred = case.y_pred.astype("float32")
        value, gradient = value_and_gradient(at_step, case.y_true, y_pred)
        expected, slope = value_and_gradient(loss, case.y_true, y_pred)
        np.testing.assert_allclose(value, expected, rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(gradient, slope, rtol=2e-4, atol=2e-6 * max(1.0, np.abs(slope).max()))


def test_it_is_the_number_of_the_step():
    loss = Focal(gamma=Scheduled(squared))
    for step in range(3):
        expected = to_numpy(Focal(gamma=float(step**2))(Y, P))
        np.testing.assert_allclose(to_numpy(loss(Y, at(step))), expected, rtol=1e-5)
    assert isinstance(loss.gamma, Scheduled)


def test_in_float64_it_is_computed_in_float64():
    if BACKEND == "jax":
        pytest.skip("JAX computes in float32 unless told otherwise")
    loss = Focal(gamma=Scheduled(squared), dtype="float64")
    expected = to_numpy(Focal(gamma=4.0, dtype="float64")(Y, P.astype("float64")))
    np.testing.assert_allclose(to_numpy(loss(Y, at(2, P.astype("float64")))), expected, rtol=1e-9)


def test_a_number_that_stays_needs_no_step():
    np.testing.assert_allclose(to_numpy(Focal(gamma=Scheduled(3))(Y, P)), to_numpy(Focal(gamma=3.0)(Y, P)), rtol=1e-5)


def test_inside_another_loss():
    loss = HardExamples(Focal(gamma=Scheduled(squared)), fraction=Scheduled(PiecewiseConstantDecay([0], [0.5, 1.0])))
    expected = HardExamples(Focal(gamma=0.0), 0.5)(Y, P)
    np.testing.assert_allclose(to_numpy(loss(Y, at(0))), to_numpy(expected), rtol=1e-5)
    np.testing.assert_allclose(to_numpy(loss(Y, at(1))), to_numpy(Focal(gamma=1.0)(Y, P)), rtol=1e-5)


# Weights of sums


def test_weights_of_terms_move():
    loss = Dice() + Scheduled(RISING) * Focal() + -0.5 * Scheduled(RISING) * tfloss_ext.wrap("mse")
    dice, focal, squares = (float(to_numpy(part(Y, P))) for part in (Dice(), Focal(), keras.losses.MeanSquaredError()))
    for step, share in ((0, 0.0), (5, 0.5), (20, 1.0)):
        expected = dice + share * focal - 0.5 * share * squares
        np.testing.assert_allclose(to_numpy(loss(Y, at(step))), expected, rtol=1e-5)


def test_a_weight_that_moves_weighs_all_of_a_sum_and_several_multiply():
    loss = 3 * (TaskWeight() * (Dice() + 2 * Scheduled(RISING) * Focal()))
    dice, focal = float(to_numpy(Dice()(Y, P))), float(to_numpy(Focal()(Y, P)))
    found = loss(Y, at(5, task_weight=ops.convert_to_tensor(0.25)))
    np.testing.assert_allclose(to_numpy(found), 3 * 0.25 * (dice + 2 * 0.5 * focal), rtol=1e-5)


def test_sums_are_written_as_they_are_made():
    half = Scheduled(0.5)
    assert repr(Dice() + half * Focal()) == "Dice() + Scheduled(0.5)*Focal()"
    assert repr(2 * half * Focal() + Dice()) == "2.0*Scheduled(0.5)*Focal() + Dice()"
    assert repr(TaskWeight() * half * Focal()) == "Scheduled(0.5)*TaskWeight()*Focal()"
    assert repr(Focal(gamma=Scheduled(squared))) == "Focal(gamma=Scheduled(squared))"
    schedule = "PiecewiseConstantDecay(boundaries=[1], values=[0.0, 1.0])"
    assert repr(Scheduled(PiecewiseConstantDecay([1], [0.0, 1.0]))) == f"Scheduled({schedule})"
    named = tfloss_ext.weighted_sum({"a": (half, Focal()), "b": Dice()})
    assert [name for _, _, name in named.terms] == ["a", "b"]


# Saved


@pytest.mark.parametrize(
    "loss",
    [
        Focal(gamma=Scheduled(RISING)),
        Focal(gamma=Scheduled(squared)),
        CategoricalFocal(gamma=0.5 * Scheduled(RISING), alpha=Scheduled(1.0)),
        Dice() + Scheduled(RISING) * Focal(gamma=Scheduled(squared)),
        TaskWeight() * (Scheduled(RISING) * Focal() + Dice()),
        HardExamples(Focal(gamma=Scheduled(RISING)), fraction=Scheduled(0.5)),
    ],
    ids=["schedule", "function", "product", "sum", "several", "inside"],
)
def test_config_rebuilds_what_moves(loss):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == loss.get_config()
    assert repr(again) == repr(loss)
    y_true = np.array([0, 1, 1, 0]) if isinstance(loss, CategoricalFocal) else Y
    y_pred = np.concatenate([P, 1 - P], axis=-1) if isinstance(loss, CategoricalFocal) else P
    one, other = (to_numpy(each(y_true, at(3, y_pred, task_weight=0.5))) for each in (loss, again))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_equal_ones_are_equal():
    assert Scheduled(RISING) == Scheduled(PolynomialDecay.from_config(RISING.get_config()))
    assert Scheduled(0.5) != Scheduled(0.25)
    assert len({TaskWeight(), TaskWeight(), Scheduled(1.0)}) == 2


# Errors


@pytest.mark.parametrize(
    "loss", [Focal(gamma=Scheduled(squared)), Dice() + Scheduled(squared) * Focal()], ids=["loss", "sum"]
)
def test_predictions_without_a_step_raise(loss):
    with pytest.raises(
        ValueError, match=r"hands along what Scheduled\(squared\) is now: end the model.* in one. .*none"
    ):
        loss(Y, P)


def test_predictions_without_a_weight_raise():
    with pytest.raises(ValueError, match=r"the layer UncertaintyWeights hands along what TaskWeight\(\) is now"):
        (TaskWeight() * Dice())(Y, at(1))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            lambda: Scheduled("rising"),
            "Expected a finite number or a function of the step. Received: schedule='rising'",
        ),
        (lambda: Scheduled(float("nan")), "Received: schedule=nan"),
        (lambda: Focal(gamma=Scheduled(-1.0)), r"Expected gamma >= 0. Received: gamma=Scheduled\(-1.0\)"),
        (lambda: Focal(gamma=Scheduled(lambda step: -1.0 - step)), "Expected gamma >= 0"),
        (lambda: Triplet(mining=Scheduled(1.0)), "Expected mining to be one of"),
        (lambda: CategoricalFocal(ignore_class=Scheduled(1.0)), "Expected ignore_class to be a whole number"),
        (lambda: tfloss_ext.LDAM([Scheduled(1.0), 2.0]), "Expected samples_per_class"),
        (lambda: tfloss_ext.LDAM(Scheduled(1.0)), r"\(it does not move\)"),
        (lambda: LossSum([(None, Focal())]), "weight of a loss to be a finite number"),
    ],
)
def test_what_cannot_move_raises(made, message):
    with pytest.raises(ValueError, match=message):
        made()


def test_multiplied_with_what_is_no_loss_raises():
    for other in ("mse", True, float("inf"), keras.losses.MeanSquaredError()):
        with pytest.raises(TypeError):
            Scheduled(1.0) * other

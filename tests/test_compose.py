# SPDX-License-Identifier: Apache-2.0
"""Sums of losses, the metrics of their terms, and the hardest of their values."""

import json
import math
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops
from support import BACKEND, MODES, to_numpy, value_and_gradient

import tfloss_ext
from tfloss_ext import (
    CategoricalFocal,
    Dice,
    Focal,
    HardExamples,
    LogCosh,
    LossMetric,
    LossSum,
    Poly1,
    SupCon,
    Triplet,
    WeightedMSE,
    weighted_sum,
    wrap,
)

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, (4, 6, 1)).astype("float32")
# JAX has no float64 unless it is told to.
WIDE = "float32" if BACKEND == "jax" else "float64"
P = RNG.uniform(0.1, 0.9, (4, 6, 1)).astype("float32")


# How sums are made


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (lambda: 0.5 * Focal() + Dice(smooth=1.0), "0.5*Focal() + Dice(smooth=1.0)"),
        (lambda: Focal() * 2, "2.0*Focal()"),
        (lambda: sum([Focal(), Dice(), Focal()]), "Focal() + Dice() + Focal()"),
        (lambda: Focal() + 0 + Dice(), "Focal() + Dice()"),
        (lambda: 2 * (0.5 * Focal() + 3 * (Dice() + Poly1())), "Focal() + 6.0*Dice() + 6.0*Poly1()"),
        (lambda: Focal() + -1 * Dice(), "Focal() - Dice()"),
        (lambda: -2 * Focal() + Dice(), "-2.0*Focal() + Dice()"),
        (lambda: np.float32(0.5) * Focal(), "0.5*Focal()"),
        (lambda: Focal() + keras.losses.MeanSquaredError(), "Focal() + MeanSquaredError()"),
        (lambda: keras.losses.BinaryCrossentropy(True) + Focal(), "BinaryCrossentropy(from_logits=True) + Focal()"),
        (lambda: 3 * wrap(keras.losses.Dice()), "3.0*Dice()"),
        (lambda: wrap("mse") + wrap("log_cosh"), "MeanSquaredError() + LogCosh()"),
        (lambda: weighted_sum({"a": (0.5, "focal"), "b": "dice_loss"}), "0.5*Focal() + Dice()"),
        (lambda: LossSum([(2, Focal()), Dice()]), "2.0*Focal() + Dice()"),
    ],
)
def test_a_sum_is_shown_as_it_is_written(made, shown):
    loss = made()
    assert isinstance(loss, LossSum)
    assert repr(loss) == shown


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Focal() + 1, "Expected a loss to be added to a loss, or 0 to begin with. Received: 1"),
        (lambda: 0.5 + Focal(), "Expected a loss to be added to a loss, or 0 to begin with. Received: 0.5"),
        (lambda: Focal() + Dice() + 2, "Received: 2"),
        (lambda: math.nan * Focal(), "Expected the weight of a loss to be a finite number. Received: nan"),
        (lambda: (Focal() + Dice()) * math.inf, "Received: inf"),
        (lambda: weighted_sum({"a": (None, Focal())}), "Received: None"),
        (lambda: LossSum([(True, Focal())]), "Received: True"),
        (lambda: LossSum([]), "Expected terms"),
        (lambda: Focal(reduction=None) + Dice(), "Expected reduction=None of every term"),
        (lambda: wrap(lambda y_true, y_pred: y_pred), "Received: <function"),
        (lambda: wrap("focall"), "Unknown loss: 'focall'"),
    ],
)
def test_what_is_no_sum_is_refused(made, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        made()


@pytest.mark.parametrize("made", [lambda: Focal() + "dice", lambda: Focal() * Dice(), lambda: True * Focal()])
def test_what_cannot_be_added_or_multiplied_is_an_error_of_types(made):
    with pytest.raises(TypeError, match="unsupported operand"):
        made()


def test_equal_names_are_numbered():
    loss = sum([Focal(), Focal(gamma=3.0), Dice(), Focal(), Focal(name="focal_1")])
    assert [term.name for term in loss.terms] == ["focal", "focal_1", "dice_loss", "focal_2", "focal_1_1"]
    named = weighted_sum({"rare": (0.5, Focal()), "overlap": Dice()}) + Dice()
    assert [(term.name, term.weight) for term in named.terms] == [("rare", 0.5), ("overlap", 1.0), ("dice_loss", 1.0)]
    inner = weighted_sum({"both": 2 * Focal() + Dice()})
    assert [(term.name, term.weight) for term in inner.terms] == [("both_focal", 2.0), ("both_dice_loss", 1.0)]


# What sums give


@pytest.mark.parametrize("mode", MODES)
def test_value_and_gradient_are_those_of_the_terms(mode):
    terms = [(0.5, Focal()), (2.0, Dice(smooth=1.0)), (-0.25, keras.losses.MeanSquaredError())]
    value, gradient = value_and_gradient(LossSum(terms), Y, P, mode=mode)
    each = [value_and_gradient(loss, Y, P, mode=mode) for _, loss in terms]
    weights = [weight for weight, _ in terms]
    np.testing.assert_allclose(value, sum(w * v for w, (v, _) in zip(weights, each, strict=True)), rtol=1e-6)
    expected = sum(w * g for w, (_, g) in zip(weights, each, strict=True))
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)


def test_each_term_has_its_own_reduction_weights_mask_and_dtype():
    weight = np.array([0.0, 1.0, 2.0, 3.0], "float32")
    terms = [Focal(reduction="sum"), Dice(reduction="mean_with_sample_weight"), WeightedMSE(dtype=WIDE)]
    total = sum(float(to_numpy(loss(Y, P, weight))) for loss in terms)
    np.testing.assert_allclose(to_numpy(sum(terms)(Y, P, weight)), total, rtol=1e-6)
    masked = ops.convert_to_tensor(P)
    tfloss_ext.registry.set_attribute(masked, "_keras_mask", ops.convert_to_tensor(weight > 1))
    total = sum(float(to_numpy(loss(Y, masked))) for loss in terms)
    np.testing.assert_allclose(to_numpy(sum(terms)(Y, masked)), total, rtol=1e-6)
    assert abs(total - float(to_numpy(sum(terms)(Y, P)))) > 1e-3


def test_values_where_no_term_is_reduced():
    terms = [LogCosh(reduction=None), WeightedMSE(reduction=None)]
    values = to_numpy((2 * terms[0] + terms[1])(Y, P))
    assert values.shape == (4, 6)
    np.testing.assert_allclose(values, 2 * to_numpy(terms[0](Y, P)) + to_numpy(terms[1](Y, P)), rtol=1e-6)
    with pytest.raises(ValueError, match=r"one shape .* Received: {'log_cosh_loss': \(4, 6\), 'dice_loss': \(4,\)}"):
        (terms[0] + Dice(reduction=None))(Y, P)


def test_components_are_the_terms_before_their_weights():
    loss, weight = 0.5 * Focal() + Dice(), np.arange(4.0, dtype="float32")
    found = loss.components(Y, P, weight)
    assert list(found) == ["focal", "dice_loss"]
    np.testing.assert_allclose(to_numpy(found["focal"]), to_numpy(Focal()(Y, P, weight)), rtol=1e-6)
    total = 0.5 * to_numpy(found["focal"]) + to_numpy(found["dice_loss"])
    np.testing.assert_allclose(total, to_numpy(loss(Y, P, weight)), rtol=1e-6)


# In Keras


def classifier():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="softmax")])


X, IDS = RNG.random((10, 3)).astype("float32"), RNG.integers(0, 4, 10)


def in_logs():
    ce = wrap(keras.losses.SparseCategoricalCrossentropy())
    return weighted_sum({"rare": (0.5, CategoricalFocal()), "all": ce, "poly": (0.1, Poly1())})


def test_the_logs_of_fit_have_each_term(tmp_path):
    loss, model = in_logs(), classifier()
    model.compile(keras.optimizers.SGD(0.1), loss=loss, metrics=loss.as_metrics())
    # Batches of unequal size, each counting as its samples do.
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    logs = model.fit(X, IDS, batch_size=4, epochs=2, verbose=0, shuffle=False, callbacks=[logger]).history
    for rare, everything, poly, total in zip(logs["rare"], logs["all"], logs["poly"], logs["loss"], strict=True):
        np.testing.assert_allclose(0.5 * rare + everything + 0.1 * poly, total, rtol=1e-5)
    columns = (tmp_path / "log.csv").read_text().splitlines()[0].split(",")
    assert {"loss", *(term.name for term in loss.terms)} <= set(columns)
    found = model.evaluate(X, IDS, batch_size=4, verbose=0, return_dict=True)
    expected = loss.components(IDS, model.predict(X, verbose=0))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], to_numpy(value), rtol=1e-5)


def test_saved_and_reloaded_in_another_process(tmp_path):
    hard = HardExamples(keras.losses.SparseCategoricalCrossentropy(), fraction=0.5, per_sample=True)
    loss, model = in_logs() + 0.3 * hard, classifier()
    model.compile("sgd", loss=loss, metrics=loss.as_metrics())
    model.save(tmp_path / "model.keras")
    before = model.evaluate(X, IDS, verbose=0, return_dict=True)
    np.savez(tmp_path / "data.npz", x=X, y=IDS)
    code = """
import json, sys, keras, numpy as np, tfloss_ext
data = np.load(sys.argv[1] + "/data.npz")
model = keras.models.load_model(sys.argv[1] + "/model.keras")
print(json.dumps([repr(model.loss), model.evaluate(data["x"], data["y"], verbose=0, return_dict=True)]))
"""
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    shown, after = json.loads(run.stdout.splitlines()[-1])
    assert shown == repr(loss)
    assert shown.startswith(
        "0.5*CategoricalFocal() + SparseCategoricalCrossentropy() + 0.1*Poly1() + 0.3*HardExamples("
    )
    np.testing.assert_allclose([after[name] for name in before], list(before.values()), rtol=1e-6)


@pytest.mark.parametrize("loss", [in_logs(), HardExamples("poly1", fraction=0.1, dtype=WIDE)], ids=repr)
def test_the_config_is_plain_and_whole(loss):
    config = json.loads(json.dumps(loss.get_config()))
    again = type(loss).from_config(config)
    assert repr(again) == repr(loss)
    assert json.loads(json.dumps(again.get_config())) == config


def test_a_sum_beside_others_over_several_outputs():
    inputs = keras.Input((3,))
    outputs = {"a": keras.layers.Dense(4, activation="softmax")(inputs), "b": keras.layers.Dense(2)(inputs)}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", loss={"a": CategoricalFocal() + Poly1(), "b": "mse"}, loss_weights={"a": 2.0, "b": 1.0})
    y = {"a": IDS, "b": RNG.random((10, 2)).astype("float32")}
    found = model.evaluate(X, y, verbose=0, return_dict=True)["loss"]
    p = model.predict(X, verbose=0)
    expected = 2 * to_numpy((CategoricalFocal() + Poly1())(IDS, p["a"])) + np.mean((p["b"] - y["b"]) ** 2)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_metric_of_a_loss_is_the_mean_over_the_samples():
    metric = LossMetric(LogCosh(), name="error")
    assert metric.name == "error"
    for size in (1, 3):
        metric.update_state(np.zeros((size, 2)), np.full((size, 2), float(size)))
    expected = (np.log(np.cosh(1.0)) + 3 * np.log(np.cosh(3.0))) / 4
    np.testing.assert_allclose(to_numpy(metric.result()), expected, rtol=1e-5)
    again = LossMetric.from_config(metric.get_config())
    assert (again.name, repr(again.loss)) == ("error", "LogCosh()")


# The hardest


def hardest(values, kept, weights, fraction, denominators=None):
    """The weighted mean over the hardest of a list of values, in float64."""
    order = sorted((i for i in range(len(values)) if kept[i]), key=lambda i: -values[i])
    chosen = order[: math.ceil(round(fraction * len(order), 9))]
    if not chosen:
        return 0.0
    bottom = sum(weights[i] for i in chosen) if denominators == "weights" else len(chosen)
    return sum(weights[i] * values[i] for i in chosen) / bottom


ERRORS = RNG.normal(size=(5, 7, 1)).astype("float32")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("inner", [WeightedMSE(), keras.losses.MeanSquaredError()], ids=["ours", "keras"])
@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.25, 1.0])
def test_the_mean_of_the_hardest(mode, inner, fraction):
    y, errors = np.zeros_like(ERRORS), np.float64(ERRORS)
    values = errors.ravel() ** 2
    value, gradient = value_and_gradient(HardExamples(inner, fraction), y, ERRORS, mode=mode)
    ones = np.ones(values.size)
    np.testing.assert_allclose(value, hardest(values, ones, ones, fraction), rtol=1e-5)
    count = math.ceil(fraction * values.size)
    chosen = values >= np.sort(values)[-count]
    expected = np.where(chosen, 2 * errors.ravel() / count, 0.0)
    np.testing.assert_allclose(gradient.ravel(), expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("inner", [WeightedMSE(), keras.losses.MeanSquaredError()], ids=["ours", "keras"])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight"])
@pytest.mark.parametrize("per_sample", [False, True])
def test_weights_say_what_counts_and_not_what_is_hard(inner, reduction, per_sample):
    weights = RNG.choice([0.0, 0.5, 3.0], (5, 7))
    weights[2, 0] = 1.0
    errors = ERRORS.copy()
    errors[weights == 0] = np.nan
    loss = HardExamples(inner, 0.4, per_sample, reduction=reduction)
    value = to_numpy(loss(np.zeros_like(errors), errors, weights.astype("float32")))
    values, kept = np.float64(ERRORS[..., 0]) ** 2, weights != 0
    by = "weights" if reduction == "mean_with_sample_weight" else None
    if not per_sample:
        expected = hardest(values.ravel(), kept.ravel(), weights.ravel(), 0.4, by)
    else:
        each = [hardest(v, k, w, 0.4, by) for v, k, w in zip(values, kept, weights, strict=True)]
        expected = np.average(each, weights=weights.sum(axis=1) if by else None)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_values_that_are_dropped_are_0_and_the_others_scaled():
    values = to_numpy(HardExamples(WeightedMSE(), 0.5, reduction=None)([[0.0]] * 4, [[1.0], [4.0], [2.0], [3.0]]))
    np.testing.assert_allclose(values, [0.0, 32.0, 0.0, 18.0])
    # Of equal ones as many as are asked for.
    values = to_numpy(HardExamples(WeightedMSE(), 0.5, reduction=None)([[0.0]] * 4, [[1.0]] * 4))
    np.testing.assert_allclose(values, [2.0, 2.0, 0.0, 0.0])


def test_a_mask_takes_out_of_the_count():
    errors = ops.convert_to_tensor([[1.0], [4.0], [2.0], [3.0]])
    tfloss_ext.registry.set_attribute(errors, "_keras_mask", ops.convert_to_tensor([True, False, True, True]))
    for inner in (WeightedMSE(), keras.losses.MeanSquaredError()):
        np.testing.assert_allclose(to_numpy(HardExamples(inner, 0.5)([[0.0]] * 4, errors)), (9.0 + 4.0) / 2)
        np.testing.assert_allclose(to_numpy(HardExamples(inner, 0.3)([[0.0]] * 4, errors)), 9.0)


def test_a_share_that_is_whole_but_for_rounding_is_whole():
    assert 0.07 * 100 > 7
    values = to_numpy(HardExamples(WeightedMSE(), 0.07, reduction=None)(np.zeros((100, 1)), np.arange(100.0)[:, None]))
    assert (values > 0).sum() == 7


def test_hard_examples_of_ids_and_of_images():
    p = RNG.dirichlet(np.ones(3), (4, 5)).astype("float32")
    ids = RNG.integers(0, 3, (4, 5))
    expected = np.sort(-np.log(np.take_along_axis(np.float64(p), ids[..., None], -1)).ravel())[-5:].mean()
    for inner in (Poly1(epsilon=0.0), keras.losses.SparseCategoricalCrossentropy()):
        np.testing.assert_allclose(to_numpy(HardExamples(inner)(ids, p)), expected, rtol=1e-5)
    images = to_numpy(Dice(reduction=None)(ids, p))
    np.testing.assert_allclose(to_numpy(HardExamples("dice_loss", 0.5)(ids, p)), np.sort(images)[-2:].mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: HardExamples(Triplet()), "do not depend on each other"),
        (lambda: HardExamples(SupCon()), "do not depend on each other"),
        (lambda: HardExamples(WeightedMSE() + Triplet()), "do not depend on each other"),
        (lambda: HardExamples(Focal() + Dice())(Y, P), r"one shape .*'focal': \(4, 6\), 'dice_loss': \(4,\)"),
        (lambda: HardExamples(Dice(per_image=False)), "do not depend on each other"),
        (lambda: HardExamples(Focal(), fraction=0.0), "fraction"),
        (lambda: HardExamples(Focal(), fraction=1.5), "fraction"),
        (lambda: HardExamples("no_loss"), "Unknown loss"),
        (lambda: HardExamples(keras.losses.Dice())(Y, P), "Received: a scalar"),
    ],
)
def test_what_has_no_hardest_is_refused(made, message):
    with pytest.raises(ValueError, match=message):
        made()


def test_what_is_no_number_is_not_left_out():
    errors = np.array([[1.0], [np.nan], [2.0], [3.0]], "float32")
    assert np.isnan(to_numpy(HardExamples(keras.losses.MeanSquaredError(), 0.25)(np.zeros((4, 1)), errors)))


def test_an_empty_batch_costs_nothing():
    assert to_numpy(HardExamples(WeightedMSE())(np.zeros((0, 1)), np.zeros((0, 1)))) == 0.0
    nothing = to_numpy(HardExamples(WeightedMSE())(np.zeros((2, 1)), np.ones((2, 1)), np.zeros(2)))
    assert nothing == 0.0

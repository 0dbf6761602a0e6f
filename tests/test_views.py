# SPDX-License-Identifier: Apache-2.0
"""Losses over two views: a pair of tensors in their place, no targets at all, and models whose output is a pair."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from cases import cases, of_each_family
from keras import ops
from support import BACKEND, to_numpy, value_and_gradient

import tfloss_ext
from tfloss_ext import registry
from tfloss_ext.pairing import ViewsLoss

KEYS = sorted(key for key, cls in registry.classes().items() if issubclass(cls, ViewsLoss))
CASES = [pytest.param(case, id=str(case)) for key in KEYS for case in cases(key) if case.y_pred.ndim == 3]
every_key = pytest.mark.parametrize("key", KEYS)
every_case = pytest.mark.parametrize("case", CASES)

pytestmark = [
    # h5py (saving) and PyTorch (fit) ask the arrays of Keras for what NumPy 2 has renamed.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context and return_scalar:DeprecationWarning"),
]


def first(key: str):
    return next(case for case in cases(key) if case.y_pred.ndim == 3)


def tensors(case) -> list:
    return [ops.convert_to_tensor(case.y_pred[:, view].astype("float32")) for view in range(2)]


def masked(tensor, mask):
    tensor._keras_mask = ops.convert_to_tensor(mask)
    return tensor


# A pair of tensors


@every_case
def test_a_pair_is_what_it_is_stacked(case):
    x, loss = case.y_pred.astype("float32"), case.loss(reduction=None)
    expected = to_numpy(loss(None, x))
    for pair in (tuple(tensors(case)), tensors(case), (x[:, 0], x[:, 1])):
        np.testing.assert_array_equal(to_numpy(loss(None, pair)), expected)
    weight = np.linspace(0.0, 2.0, len(x)).astype("float32")
    np.testing.assert_array_equal(to_numpy(loss(None, tuple(tensors(case)), weight)), to_numpy(loss(None, x, weight)))


@every_case
def test_each_of_a_pair_has_its_gradient(case):
    x = case.y_pred.astype("float32")
    _, expected = value_and_gradient(case.loss(), None, x)
    for view in range(2):

        def alone(y_true, moving, weight, view=view):
            return case.loss()(y_true, (moving, x[:, 1]) if view == 0 else (x[:, 0], moving), weight)

        gradient = value_and_gradient(alone, None, x[:, view])[1]
        np.testing.assert_allclose(gradient, expected[:, view], rtol=1e-5, atol=1e-7)


@every_case
def test_what_is_given_as_targets_is_not_looked_at(case):
    count = len(case.y_pred)
    expected = to_numpy(case.loss(reduction=None)(None, case.y_pred))
    for y_true in (np.full(count, np.nan), np.zeros((count, 2, 7, 1), bool), np.array(["a"] * count), 3, {"a": None}):
        np.testing.assert_array_equal(to_numpy(case.loss(reduction=None)(y_true, case.y_pred)), expected)


@every_key
def test_a_mask_on_either_leaves_a_sample_out(key):
    case = first(key)
    kept = np.arange(len(case.y_pred)) != 1
    expected = to_numpy(case.loss()(None, case.y_pred[kept].astype("float32")))
    for where in ((0,), (1,), (0, 1)):
        pair = tensors(case)
        for view in where:
            pair[view] = masked(ops.where(ops.convert_to_tensor(kept[:, None]), pair[view], np.nan), kept)
        np.testing.assert_allclose(to_numpy(case.loss()(None, tuple(pair))), expected, rtol=1e-5, atol=1e-6)


@every_key
def test_pairs_that_do_not_fit_raise(key):
    case = first(key)
    one, other = tensors(case)
    name = type(case.loss()).__name__
    for pair in ((one, other[:, :1]), (one, other[:-1]), (one[:, :, None], other[:, :, None])):
        with pytest.raises(ValueError, match=rf"^{name}: Expected two views of one shape \(B, D\)\. Received: \("):
            case.loss()(None, pair)
    with pytest.raises(ValueError, match=rf"^{name}: Expected .*y_pred.shape="):
        case.loss()(None, ops.stack([one, other, one], axis=1))
    for wrong, shown in (
        ([one, other, one], "list of 3"),
        ((one,), "tuple of 1"),
        ({"pair": (one, other)}, "dict of 1"),
    ):
        with pytest.raises(ValueError, match=rf"^{name}: Expected .* a pair of tensors .* Received: a {shown}$"):
            case.loss()(None, wrong)


@every_key
def test_a_pair_of_nothing_costs_nothing(key):
    case = first(key)
    nothing = tuple(tensor[:0] for tensor in tensors(case))
    assert to_numpy(case.loss()(None, nothing)) == 0
    assert to_numpy(case.loss(reduction=None)(None, nothing)).shape == (0,)


@every_key
def test_a_pair_of_symbols_gives_a_symbol(key):
    pair = tuple(keras.KerasTensor((None, 3)) for _ in range(2))
    found = first(key).loss(reduction=None)(keras.KerasTensor((None,)), pair)
    assert isinstance(found, keras.KerasTensor)
    assert (tuple(found.shape), found.dtype) == ((None,), "float32")


# Models

X = np.random.default_rng(0).normal(size=(7, 4)).astype("float32")
UNUSED = {"pair": np.zeros(7)}
# By its name a loss of each kind, and one as an instance; the rest among the slow tests.
WAYS = [
    pytest.param(key, named, id=f"{key}-{'string' if named else 'instance'}", marks=() if usual else pytest.mark.slow)
    for key in KEYS
    for named in (False, True)
    for usual in [key in of_each_family() if named else key == "vicreg"]
]


def outputs_of(*others: str) -> tuple:
    inputs = keras.Input((4,))
    pair = tuple(keras.layers.Dense(3, name=name)(inputs) for name in ("one", "other"))
    return inputs, {"pair": pair, **{name: keras.layers.Dense(1, name=name)(inputs) for name in others}}


def model_of(loss, *others: str, **arguments) -> keras.Model:
    model = keras.Model(*outputs_of(*others))
    arguments = {"run_eagerly": BACKEND == "jax", "jit_compile": False, **arguments}
    model.compile(keras.optimizers.SGD(1e-3), loss, **arguments)
    return model


def fitted(model, y, **arguments) -> dict[str, float]:
    return {name: value[0] for name, value in model.fit(X, y, batch_size=7, verbose=0, **arguments).history.items()}


def expected_of(loss, model, weight=None) -> float:
    return float(to_numpy(ops.stop_gradient(tfloss_ext.get(loss)(None, model(X)["pair"], weight))))


@pytest.mark.parametrize(("key", "named"), WAYS)
def test_a_model_whose_output_is_a_pair_trains_is_saved_and_reloads(key, named, tmp_path):
    loss = key if named else tfloss_ext.get(key)
    model = model_of({"pair": loss})
    expected, before = expected_of(loss, model), [np.array(array) for array in model.get_weights()]
    assert fitted(model, UNUSED) == {"loss": pytest.approx(expected, rel=1e-4)}
    assert any(not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    weight = np.array([1.0, 0.0, 2.0, 1.0, 0.5, 1.0, 1.0])
    expected = expected_of(loss, model, weight)
    for weights in (weight, {"pair": weight}):
        assert model.evaluate(X, UNUSED, sample_weight=weights, verbose=0) == pytest.approx(expected, rel=1e-4)
    assert fitted(model, UNUSED, sample_weight=weight)["loss"] == pytest.approx(expected, rel=1e-4)
    for ending in ("keras", "h5"):
        model.save(tmp_path / f"model.{ending}")
        again = keras.models.load_model(tmp_path / f"model.{ending}")
        again.run_eagerly = model.run_eagerly
        kept = again.loss["pair"]
        assert kept == key if named and ending == "keras" else type(kept) is registry.classes()[key]
        found = again.evaluate(X, UNUSED, verbose=0)
        assert found == pytest.approx(model.evaluate(X, UNUSED, verbose=0), rel=1e-5)


@pytest.mark.parametrize(
    "y", [None, {"pair": None}, np.zeros(7), {"pair": np.zeros((7, 2, 3))}], ids=["none", "dict of none", "array", "3d"]
)
def test_a_pair_needs_no_targets(y):
    model = model_of({"pair": "negative_cosine"})
    expected = expected_of("negative_cosine", model)
    assert fitted(model, y)["loss"] == pytest.approx(expected, rel=1e-4)
    assert model.evaluate(X, y, verbose=0) == pytest.approx(expected_of("negative_cosine", model), rel=1e-4)


@every_key
def test_stacked_views_are_an_output_as_any_other(key):
    inputs, outputs = outputs_of()
    model = keras.Model(inputs, ops.stack(outputs["pair"], axis=1))
    model.compile("sgd", key, metrics=[tfloss_ext.get(key, reduction=None)], run_eagerly=True, jit_compile=False)
    expected = float(to_numpy(ops.stop_gradient(tfloss_ext.get(key)(None, model(X)))))
    assert fitted(model, None) == {"loss": pytest.approx(expected, rel=1e-4), key: pytest.approx(expected, rel=1e-4)}


@pytest.mark.parametrize("key", ["vicreg"])
def test_a_pair_beside_another_output(key):
    arguments = {"loss_weights": {"pair": 0.5, "score": 2.0}, "metrics": {"pair": (None, None), "score": ["mae"]}}
    model = model_of({"pair": key, "score": "mse"}, "score", **arguments)
    expected, score = expected_of(key, model), to_numpy(ops.stop_gradient(model(X)["score"]))
    logs = fitted(model, {"pair": (np.zeros(7), np.zeros(7)), "score": np.zeros((7, 1))})
    assert logs["pair_loss"] == pytest.approx(expected, rel=1e-4)
    assert logs["loss"] == pytest.approx(0.5 * expected + 2 * np.mean(score**2), rel=1e-4)
    assert logs["score_mae"] == pytest.approx(np.mean(np.abs(score)), rel=1e-4)
    model = model_of({"pair": key, "score": "mse"}, "score")
    expected = expected_of(key, model)
    assert fitted(model, {"pair": None, "score": np.zeros((7, 1))})["pair_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("key", ["vicreg"])
def test_what_masking_leaves_out_takes_part_in_nothing(key):
    x = X.copy()
    x[2] = 0.0
    inputs = keras.Input((4,))
    kept = keras.layers.Masking()(inputs)
    model = keras.Model(inputs, {"pair": tuple(keras.layers.Dense(3)(kept) for _ in range(2))})
    model.compile("sgd", {"pair": key}, run_eagerly=True, jit_compile=False)
    expected = float(to_numpy(ops.stop_gradient(tfloss_ext.get(key)(None, model(np.delete(x, 2, 0))["pair"]))))
    assert model.evaluate(x, UNUSED, verbose=0) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [(UNUSED, KeyError, "can't be found"), ({"pair": (np.zeros(7), np.zeros(7))}, ValueError, "Expected two views")],
    ids=["one target", "a target for each"],
)
def test_a_loss_that_is_not_given_for_the_pair_is_that_of_each_tensor(y, error, message):
    with pytest.raises(error, match=message):
        fitted(model_of("vicreg"), y)

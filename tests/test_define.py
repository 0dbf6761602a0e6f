# SPDX-License-Identifier: Apache-2.0
"""Functions that become classes of losses."""

import inspect
import json
import pickle
import re
import subprocess
import sys
from typing import Literal

import keras
import numpy as np
import pytest
from keras import ops
from support import MODES, to_numpy, value_and_gradient

import tfloss_ext
from tfloss_ext import ClassLoss, Loss, OverlapLoss, registry


def lopsided_error(
    y_true,
    y_pred,
    *,
    weight: float = 2.0,
    power: int = 1,
    shape: Literal["plain", "root"] = "plain",
    bound: float | None = None,
    more: list[float] | None = None,
    squared: bool = False,
    note=None,
):
    """Costs more where the prediction is too low.

    Reference:
        Nobody.
    """
    error = y_pred - y_true
    cost = ops.where(error > 0, error, -weight * error) ** power
    cost = ops.minimum(cost, bound) if bound is not None else cost
    cost = cost * ops.convert_to_tensor(more) if more else cost
    cost = ops.sqrt(cost) if shape == "root" else cost
    return ops.mean(ops.square(cost) if squared else cost, axis=-1)


def brier(y_true, y_pred, scale: float = 1.0):
    return scale * ops.sum(ops.square(y_pred - y_true), axis=-1)


@pytest.fixture(autouse=True, scope="module")
def _registered():
    """The functions above as classes, while this module is tested: others go over all that is registered."""
    functions, own = (lopsided_error, brier), globals()
    own["lopsided_error"] = tfloss_ext.loss(lopsided_error)
    own["brier"] = tfloss_ext.loss(base=ClassLoss, key="brier_score", aliases=("brier",), package="tests")(brier)
    yield
    own["lopsided_error"], own["brier"] = functions
    for name in ("lopsided_error", "Custom>lopsided_error", "brier_score", "brier", "tests>brier"):
        registry.unregister(name)


def test_it_is_a_class_of_losses_with_a_true_signature():
    assert issubclass(lopsided_error, Loss)
    assert lopsided_error.__name__ == "lopsided_error"
    assert lopsided_error.__module__ == __name__
    names = ["weight", "power", "shape", "bound", "more", "squared", "note", "reduction", "name", "dtype"]
    assert list(inspect.signature(lopsided_error).parameters) == names
    assert next(iter(inspect.signature(brier).parameters)) == "scale"
    assert repr(lopsided_error(weight=3)) == "lopsided_error(weight=3.0)"
    assert repr(brier(2.0)) == "brier(scale=2.0)"


def test_its_documentation_is_that_of_the_function_and_of_its_parameters():
    doc = lopsided_error.__doc__
    assert doc.startswith("Costs more where the prediction is too low.\n\nArgs:\n    weight: Defaults to `2.0`.")
    assert "Raises:\n" in doc
    assert doc.endswith("Reference:\n    Nobody.")


@pytest.mark.parametrize("mode", MODES)
def test_it_gives_what_the_function_gives(mode):
    y, p = np.array([[0.0], [1.0]], "float32"), np.array([[0.5], [0.5]], "float32")
    value, gradient = value_and_gradient(lopsided_error(weight=3.0), y, p, mode=mode)
    np.testing.assert_allclose(value, (0.5 + 1.5) / 2)
    np.testing.assert_allclose(gradient, [[0.5], [-1.5]])
    np.testing.assert_allclose(to_numpy(lopsided_error.fn(y, p, weight=3.0)), [0.5, 1.5])
    np.testing.assert_allclose(to_numpy(lopsided_error(reduction=None, weight=3.0)(y, p, [1.0, 0.0])), [0.5, 0.0])


def test_ids_and_one_hot_of_a_family_of_classes():
    p = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], "float32")
    for y in ([0, 2], [[1, 0, 0], [0, 0, 1]]):
        np.testing.assert_allclose(to_numpy(tfloss_ext.get("brier", scale=2.0)(y, p)), 0.5)


@pytest.mark.parametrize(
    "parameters",
    [
        {"weight": 3.0, "power": 2, "shape": "root", "bound": 4.0, "more": [1.0, 2.0], "squared": True},
        {"note": {"who": ["a", 1, None, True]}},
        {"reduction": "sum", "name": "mine", "dtype": "float64"},
    ],
)
def test_its_config_rebuilds_it(parameters):
    loss = lopsided_error(**parameters)
    config = json.loads(json.dumps(loss.get_config()))
    assert {name: config[name] for name in parameters} == parameters
    again = lopsided_error.from_config(config)
    assert again.get_config() == config
    assert repr(pickle.loads(pickle.dumps(loss))) == repr(loss)


@pytest.mark.parametrize(
    "wrong",
    [{"weight": "2"}, {"power": 1.5}, {"shape": "square"}, {"squared": 1}, {"more": 1.0}, {"note": object()}],
)
def test_values_that_do_not_fit_the_annotation_are_refused(wrong):
    with pytest.raises(ValueError, match=f"Expected {next(iter(wrong))}"):
        lopsided_error(**wrong)


def test_reloaded_in_another_process(tmp_path):
    (tmp_path / "own_losses.py").write_text(
        "import tfloss_ext\nfrom keras import ops\n\n\n@tfloss_ext.loss\n"
        "def own_error(y_true, y_pred, *, weight=2.0):\n"
        "    return weight * ops.mean(ops.abs(y_true - y_pred), axis=-1)\n"
    )
    code = """
import json, sys, numpy as np, keras
sys.path.insert(0, sys.argv[1])
import own_losses
if sys.argv[2] == "save":
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss={"save": "own_error"}[sys.argv[2]])
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    model.compile("sgd", loss=own_losses.own_error(weight=3.0))
    model.save(sys.argv[1] + "/model.keras")
else:
    model = keras.models.load_model(sys.argv[1] + "/model.keras")
print(json.dumps([repr(model.loss), model.evaluate(np.ones((4, 2)), np.ones((4, 1)), verbose=0)]))
"""
    runs = [
        subprocess.run([sys.executable, "-c", code, str(tmp_path), how], capture_output=True, text=True, check=True)
        for how in ("save", "load")
    ]
    saved, loaded = (json.loads(run.stdout.splitlines()[-1]) for run in runs)
    assert saved[0] == loaded[0] == "own_error(weight=3.0)"
    assert saved[1] == pytest.approx(loaded[1])


def in_a_function(scale):
    def inner(y_true, y_pred, *, weight=2.0):
        return weight * scale * (y_true - y_pred)[..., 0]

    return inner


def without_default(y_true, y_pred, weight):
    return weight * (y_true - y_pred)[..., 0]


def many(y_true, y_pred, *weights):
    return (y_true - y_pred)[..., 0]


def any_names(y_true, y_pred, **weights):
    return (y_true - y_pred)[..., 0]


def one(y_pred):
    return y_pred


def named(y_true, y_pred, *, name="x"):
    return y_pred


def reduced(y_true, y_pred, *, reduction="sum"):
    return y_pred


def typed(y_true, y_pred, *, dtype="float32"):
    return y_pred


def strange(y_true, y_pred, *, weight=object):
    return y_pred


def out_of_range(y_true, y_pred, *, weight: float = float("nan")):
    return y_pred


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (in_a_function(3.0), "make parameters with defaults of what it captures. Received: a closure over scale"),
        (lambda y_true, y_pred: y_pred, "write `def my_loss(...)`. Received: a lambda"),
        (without_default, "weight=... Received: none for weight"),
        (many, "Received: *weights"),
        (any_names, "Received: **weights"),
        (one, r"Expected one(y_true, y_pred, ...). Received: one(y_pred)"),
        (named, "every loss has name. Received: name"),
        (reduced, "every loss has reduction. Received: reduction"),
        (typed, "every loss has dtype. Received: dtype"),
        (strange, "for weight of strange"),
        (out_of_range, "the default is out of range"),
        (keras.losses.MeanSquaredError(), "Expected a function to be decorated"),
    ],
)
def test_what_could_not_be_found_or_rebuilt_is_refused(function, message):
    before = set(registry.names())
    with pytest.raises(TypeError, match=re.escape(message)):
        tfloss_ext.loss(function)
    assert set(registry.names()) == before


def test_a_family_with_another_call_is_refused():
    with pytest.raises(TypeError, match="declare a class for others"):
        tfloss_ext.loss(base=tfloss_ext.BatchLoss)(without_default)
    with pytest.raises(TypeError, match="Expected base"):
        tfloss_ext.loss(base=OverlapLoss)(without_default)
    with pytest.raises(TypeError, match="Expected base"):
        tfloss_ext.loss(base=keras.losses.Loss)(without_default)

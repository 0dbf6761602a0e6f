# SPDX-License-Identifier: Apache-2.0
"""The step and the weights of tasks move in `fit`, are saved and resumed, and stay as they are in `evaluate`."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from keras.optimizers.schedules import PolynomialDecay
from support import BACKEND, to_numpy

import tfloss_ext
from tfloss_ext import (
    CategoricalFocal,
    DynamicWeightAverage,
    Focal,
    InfoNCE,
    LogCosh,
    LogitScale,
    Scheduled,
    StepCounter,
    TaskWeight,
    TaskWeights,
    UncertaintyWeights,
    wrap,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3)).astype("float32")
DEPTH, KIND = RNG.normal(size=(12, 1)).astype("float32"), RNG.integers(0, 3, 12)
Y = {"depth": DEPTH, "kind": KIND}
RISING = Scheduled(PolynomialDecay(0.0, decay_steps=4, end_learning_rate=1.0))
FIT = {"verbose": 0, "shuffle": False}


def counted(loss, rate=0.0):
    """A model of one output that ends in a counter, and that counter."""
    counter = StepCounter()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid"), counter])
    model.compile(keras.optimizers.SGD(rate), loss)
    return model, counter


def of_tasks(layer, rate=0.1):
    """A model of two outputs that ends in a layer, losses of its own and of Keras beside each other."""
    features = keras.Input((3,))
    outputs = {
        "depth": keras.layers.Dense(1)(features),
        "kind": keras.layers.Dense(3, activation="softmax")(features),
    }
    model = keras.Model(features, layer(outputs))
    losses = {
        "depth": 0.5 * TaskWeight() * wrap("mse"),
        "kind": TaskWeight() * (CategoricalFocal(gamma=0.0) + wrap("sparse_categorical_crossentropy")),
    }
    model.compile(keras.optimizers.SGD(rate), losses)
    return model


# Steps


def test_steps_are_counted_in_fit_and_nowhere_else():
    model, counter = counted(Focal(gamma=RISING))
    model.fit(X, DEPTH > 0, batch_size=4, epochs=2, validation_data=(X, DEPTH > 0), **FIT)
    model.evaluate(X, DEPTH > 0, verbose=0)
    model.predict(X, verbose=0)
    assert int(to_numpy(counter.step)) == 6
    model.train_on_batch(X, DEPTH > 0)
    assert int(to_numpy(counter.step)) == 7


def test_the_loss_in_the_logs_is_that_of_each_step():
    y = (DEPTH > 0).astype("float32")
    model, _ = counted(LogCosh() + RISING * Focal())
    p = model.predict(X, verbose=0)
    history = model.fit(X, y, batch_size=4, epochs=2, **FIT).history["loss"]
    shares, parts = [0.0, 0.25, 0.5, 0.75, 1.0, 1.0], [slice(0, 4), slice(4, 8), slice(8, 12)] * 2
    expected = [
        float(to_numpy(LogCosh()(y[rows], p[rows]))) + share * float(to_numpy(Focal()(y[rows], p[rows])))
        for share, rows in zip(shares, parts, strict=True)
    ]
    np.testing.assert_allclose(history, [np.mean(expected[:3]), np.mean(expected[3:])], rtol=1e-5)
    # Six steps later the share is 1, in `evaluate` too.
    whole = float(to_numpy(LogCosh()(y, p))) + float(to_numpy(Focal()(y, p)))
    np.testing.assert_allclose(model.evaluate(X, y, verbose=0), whole, rtol=1e-5)


def test_the_step_moves_the_gradient():
    y = (DEPTH > 0).astype("float32")
    model, _ = counted(RISING * Focal(), rate=1.0)
    before = model.get_weights()[0]
    model.train_on_batch(X, y)
    np.testing.assert_array_equal(model.get_weights()[0], before)
    model.train_on_batch(X, y)
    assert np.abs(model.get_weights()[0] - before).max() > 1e-4


@pytest.mark.parametrize("ways", [{"run_eagerly": True}, {"jit_compile": True}], ids=["eagerly", "compiled"])
def test_steps_move_however_the_model_runs(ways):
    if BACKEND == "torch" and "jit_compile" in ways:
        pytest.skip("a compiler of its own, which takes a minute")
    y = (DEPTH > 0).astype("float32")
    expected = counted(Focal(gamma=RISING), 0.5)[0]
    model, counter = counted(Focal(gamma=RISING), 0.5)
    model.set_weights(expected.get_weights())
    model.compile(keras.optimizers.SGD(0.5), Focal(gamma=RISING), **ways)
    histories = [each.fit(X, y, batch_size=4, epochs=2, **FIT).history["loss"] for each in (model, expected)]
    np.testing.assert_allclose(*histories, rtol=1e-5)
    assert int(to_numpy(counter.step)) == 6


def test_a_training_that_was_killed_goes_on_where_it_was(tmp_path):
    y = (DEPTH > 0).astype("float32")
    whole, _ = counted(LogCosh() + RISING * Focal(), 0.5)
    start = whole.get_weights()
    expected = whole.fit(X, y, batch_size=4, epochs=3, **FIT).history["loss"]

    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def resumed(*callbacks):
        model, _ = counted(LogCosh() + RISING * Focal(), 0.5)
        model.set_weights(start)
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        return model.fit(X, y, batch_size=4, epochs=3, callbacks=[backup, *callbacks], **FIT).history["loss"]

    with pytest.raises(KeyboardInterrupt):
        resumed(Killed())
    np.testing.assert_allclose(resumed(), expected[1:], rtol=1e-5)


def test_several_layers_hand_along_together():
    views, counter = keras.Input((2, 3)), StepCounter()
    model = keras.Model(views, counter(LogitScale(initial=5.0)(views)))
    model.compile("sgd", RISING * InfoNCE(temperature=None) + InfoNCE(temperature=0.5))
    pairs = RNG.normal(size=(8, 2, 3)).astype("float32")
    model.fit(pairs, np.zeros(8), batch_size=4, epochs=2, **FIT)
    assert int(to_numpy(counter.step)) == 4


@pytest.mark.parametrize("outputs", ["one", "list", "tuple", "dict", "pair"])
def test_any_structure_passes_as_it_is(outputs):
    one, other = X[:, :1], X[:, 1:]
    given = {"one": one, "list": [one, other], "tuple": (one, other), "dict": {"a": one, "b": other}}
    given["pair"] = {"pair": (one, other)}
    found = StepCounter()(given[outputs])
    assert type(found) is type(given[outputs]) or outputs == "one"
    for before, after in zip(keras.tree.flatten(given[outputs]), keras.tree.flatten(found), strict=True):
        np.testing.assert_array_equal(to_numpy(after), before)


def test_outputs_keep_their_precision_and_their_mask_under_mixed_precision():
    layer = StepCounter(dtype="mixed_float16")
    assert keras.backend.standardize_dtype(layer(X).dtype) == "float32"
    assert layer(keras.Input((3,), dtype="float32")).dtype == "float32"
    assert to_numpy(layer(X, training=True)).dtype == np.float32
    assert int(to_numpy(layer.step)) == 1
    steps = StepCounter()(keras.layers.Embedding(4, 3, mask_zero=True)(np.array([[1, 2, 0]])))
    np.testing.assert_array_equal(to_numpy(steps._keras_mask), [[True, True, False]])
    outputs = {"a": keras.ops.ones((2, 1), "float32"), "b": keras.ops.ones((2, 1), "float16")}
    weighed = UncertaintyWeights(dtype="mixed_float16")(outputs)
    assert {name: keras.backend.standardize_dtype(each.dtype) for name, each in weighed.items()} == {
        "a": "float32",
        "b": "float16",
    }


# Weights of tasks


def test_uncertainty_is_learned_as_the_paper_says():
    layer = UncertaintyWeights()
    model = of_tasks(layer)
    assert to_numpy(layer.log_variances).tolist() == [0.0, 0.0]
    p = model.predict(X, verbose=0)
    squares = float(((p["depth"] - DEPTH) ** 2).mean())
    nll = float(-np.log(p["kind"][np.arange(12), KIND]).mean())
    logs = model.train_on_batch(X, Y, return_dict=True)
    # exp(-s) L + s / 2, of both parts of the second output: gamma is 0.
    losses = np.array([0.5 * squares, 2 * nll])
    np.testing.assert_allclose(logs["loss"], losses.sum(), rtol=1e-5)
    np.testing.assert_allclose(to_numpy(layer.log_variances), -0.1 * (0.5 - losses), rtol=1e-4)
    # Now the weights, and what the layer adds, differ.
    s, p = np.float64(to_numpy(layer.log_variances)), model.predict(X, verbose=0)
    losses = [0.5 * ((p["depth"] - DEPTH) ** 2).mean(), -2 * np.log(p["kind"][np.arange(12), KIND]).mean()]
    expected = (np.exp(-s) * losses + s / 2).sum()
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0, return_dict=True)["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(np.float64(to_numpy(layer.log_variances)), s, rtol=0)


def test_uncertainty_settles_where_the_weight_is_one_over_twice_the_loss():
    layer = UncertaintyWeights()
    model = of_tasks(layer, rate=0.5)
    for each in model.layers[1:3]:
        each.trainable = False
    model.compile(keras.optimizers.SGD(0.5), model.loss)
    model.fit(X, Y, batch_size=12, epochs=60, **FIT)
    p = model.predict(X, verbose=0)
    losses = [0.5 * ((p["depth"] - DEPTH) ** 2).mean(), -2 * np.log(p["kind"][np.arange(12), KIND]).mean()]
    np.testing.assert_allclose(np.exp(to_numpy(layer.log_variances)), 2 * np.array(losses), rtol=1e-3)


def test_weights_that_a_callback_moves_count_from_the_next_epoch_on():
    layer = TaskWeights()
    model = of_tasks(layer, rate=0.0)

    class Falling(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            layer.task_weights.assign([1.0 / (epoch + 2), 2.0])

    history = model.fit(X, Y, batch_size=4, epochs=3, callbacks=[Falling()], **FIT).history
    np.testing.assert_allclose(history["depth_loss"], history["depth_loss"][0] / np.array([1.0, 2.0, 3.0]), rtol=1e-5)
    np.testing.assert_allclose(history["kind_loss"], history["kind_loss"][0] * np.array([1.0, 2.0, 2.0]), rtol=1e-5)


def test_the_dynamic_average_weighs_what_falls_slowly_more():
    keras.utils.set_random_seed(0)
    layer = TaskWeights()
    model = of_tasks(layer)
    weights, losses = [], []

    class Seen(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            weights.append(to_numpy(layer.task_weights))

        def on_epoch_end(self, epoch, logs=None):
            losses.append([value for name, value in logs.items() if name != "loss"] / weights[-1])

    callbacks = [Seen(), DynamicWeightAverage(layer, temperature=0.05)]
    model.fit(X, Y, batch_size=4, epochs=4, callbacks=callbacks, **FIT)
    np.testing.assert_array_equal(weights[0], [1.0, 1.0])
    np.testing.assert_allclose(weights[1], [1.0, 1.0], rtol=1e-6)
    for epoch in (2, 3):
        rates = np.exp(losses[epoch - 1] / losses[epoch - 2] / 0.05)
        np.testing.assert_allclose(weights[epoch], 2 * rates / rates.sum(), rtol=1e-4)
        assert abs(weights[epoch][0] - 1.0) > 1e-3


def test_errors_say_what_is_expected():
    with pytest.raises(ValueError, match=r"Expected a dict, list or tuple of several outputs. Received: one of shape"):
        UncertaintyWeights()(X)
    with pytest.raises(ValueError, match=r"Expected the layer TaskWeights of the model. Received: weights='mse'"):
        DynamicWeightAverage("mse")
    with pytest.raises(ValueError, match="Expected temperature > 0"):
        DynamicWeightAverage(TaskWeights(), temperature=0.0)
    layer = TaskWeights()
    of_tasks(layer)
    average = DynamicWeightAverage(layer)
    with pytest.raises(ValueError, match=r"Expected logs with depth_loss, kind_loss. Received: loss"):
        average.on_epoch_end(0, {"loss": 1.0})
    # Of a list of outputs the logs do not tell the losses apart.
    features, layer = keras.Input((3,)), TaskWeights()
    model = keras.Model(features, layer([keras.layers.Dense(1)(features), keras.layers.Dense(1)(features)]))
    model.compile("sgd", [TaskWeight() * wrap("mse"), TaskWeight() * LogCosh()])
    with pytest.raises(ValueError, match="Expected logs with 0_loss, 1_loss"):
        model.fit(X, [DEPTH, DEPTH], callbacks=[DynamicWeightAverage(layer)], verbose=0)


def test_a_model_without_the_layer_raises_in_fit():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", Focal(gamma=RISING))
    with pytest.raises(ValueError, match="the layer StepCounter hands along"):
        model.fit(X, DEPTH > 0, verbose=0)


# Saved and reloaded

FRESH = textwrap.dedent(
    """
    import sys
    import keras, numpy as np, tfloss_ext
    folder = sys.argv[1]
    saved = np.load(f"{folder}/data.npz")
    model = keras.models.load_model(f"{folder}/model.keras")
    y = {"depth": saved["depth"], "kind": saved["kind"]}
    print(model.evaluate(saved["x"], y, verbose=0, return_dict=True)["loss"])
    print(model.fit(saved["x"], y, batch_size=4, verbose=0, shuffle=False).history["loss"][0])
    print(" ".join(f"{w.name} {float(np.sum(keras.ops.convert_to_numpy(w)))}" for w in model.layers[-1].weights))
    """
)


def test_a_fresh_process_goes_on_with_what_moved(tmp_path):
    features = keras.Input((3,))
    outputs = {"depth": keras.layers.Dense(1)(features), "kind": keras.layers.Dense(3, "softmax")(features)}
    model = keras.Model(features, StepCounter()(UncertaintyWeights()(outputs)))
    kind = TaskWeight() * (CategoricalFocal(gamma=RISING) + wrap("sparse_categorical_crossentropy"))
    model.compile(keras.optimizers.SGD(0.1), {"depth": 0.5 * TaskWeight() * RISING * wrap("mse"), "kind": kind})
    model.fit(X, Y, batch_size=6, **FIT)
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=X, depth=DEPTH, kind=KIND)
    command = [sys.executable, "-c", FRESH, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    evaluated, trained, weights = found.stdout.strip().splitlines()
    expected = model.evaluate(X, Y, verbose=0, return_dict=True)["loss"]
    assert float(evaluated) == pytest.approx(expected, rel=1e-5)
    assert float(trained) == pytest.approx(model.fit(X, Y, batch_size=4, **FIT).history["loss"][0], rel=1e-5)
    assert weights == "step 5.0"
    again = keras.models.load_model(tmp_path / "model.keras")
    for layer in again.layers:
        if isinstance(layer, UncertaintyWeights):
            assert np.abs(to_numpy(layer.log_variances)).min() > 0


def test_layers_are_registered():
    for layer in (StepCounter, TaskWeights, UncertaintyWeights):
        assert keras.saving.get_registered_name(layer) == f"tfloss_ext>{layer.__name__}"
        assert layer.from_config(layer(name="mine").get_config()).name == "mine"
    assert tfloss_ext.StepCounter is StepCounter

# SPDX-License-Identifier: Apache-2.0
"""Losses in `compile` and `fit`: by name and by instance, in structures, weighted, masked, regularised, compiled."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from cases import is_square
from keras import ops

import tfloss_ext
from tfloss_ext import registry

BACKEND = keras.backend.backend()
CLASSES = registry.classes()
RNG = np.random.default_rng(3)
X = RNG.normal(size=(7, 4)).astype("float32")
IDS = np.array([0, 1, 2, 0, 1, 2, 1])
ONE_HOT = np.eye(3, dtype="float32")[IDS]
NUMBERS = RNG.normal(size=(7, 1)).astype("float32")
BINARY = (NUMBERS > 0).astype("float32")
SOME = ["focal", "categorical_focal", "dice_loss", "triplet", "contrastive", "log_cosh_loss", "weighted_mse"]

pytestmark = [
    # Keras's PyTorch trainer asks arrays for what NumPy 2 has renamed.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context and return_scalar:DeprecationWarning"),
]


def head(units: int, name: str, activation: str | None = None, **arguments) -> keras.layers.Layer:
    return keras.layers.Dense(units, activation=activation, name=name, **arguments)


def one_output(loss, units: int = 3, activation: str | None = "softmax", **arguments) -> keras.Model:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, head(units, "score", activation)(inputs))
    return compiled(model, loss, **arguments)


def compiled(model: keras.Model, loss, learning_rate: float = 0.1, **arguments) -> keras.Model:
    # Eager unless a test is about graphs: tracing would take most of its time.
    arguments = {"run_eagerly": True, "jit_compile": False, **arguments}
    model.compile(keras.optimizers.SGD(learning_rate), loss, **arguments)
    return model


def evaluated(model: keras.Model, y, **arguments) -> float:
    return float(model.evaluate(X, y, verbose=0, **arguments))


def fitted(model: keras.Model, y, **arguments) -> dict[str, float]:
    """The logs of one epoch in one batch: the losses before the update."""
    history = model.fit(X, y, **{"batch_size": len(X), "verbose": 0, **arguments}).history
    assert all(np.isfinite(values).all() for values in history.values())
    return {name: values[0] for name, values in history.items()}


def value(loss, y_true, y_pred) -> float:
    """The mean of what a loss, or a function, gives outside of a model."""
    y_pred = ops.stop_gradient(ops.convert_to_tensor(y_pred))
    y_true = ops.convert_to_tensor(y_true)
    return float(np.mean(ops.convert_to_numpy(loss(y_true, y_pred))))


def weights(model: keras.Model) -> list[np.ndarray]:
    return [np.array(array) for array in model.get_weights()]


# Predictions and targets that a loss may ask for. A loss is given the first of these that it accepts.
INPUTS = [
    (ONE_HOT, (3,), "softmax"),
    (IDS, (3,), "softmax"),
    (NUMBERS, (1,), "sigmoid"),
    (BINARY[:, 0], (2, 3), None),
    (IDS, (3, 2), None),
    (np.tile(IDS[:, None, None], (1, 3, 2)), (3, 2, 3), "softmax"),
    (np.sort(RNG.random((7, 4))).astype("float32"), (4,), "sigmoid"),
    (NUMBERS, (2,), None),
    (np.tile(BINARY[:, None], (1, 3, 2)), (3, 2, 2), "softmax"),
    (IDS, (7,), None),
]


def model_for(loss, y_true, shape: tuple[int, ...], activation: str | None, **arguments) -> keras.Model:
    inputs = keras.Input((4,))
    flat = head(int(np.prod(shape)), "flat", activation)(inputs)
    model = keras.Model(inputs, keras.layers.Reshape(shape, name="score")(flat))
    return compiled(model, loss, **arguments)


def inputs_of(key: str) -> tuple:
    for y_true, shape, activation in INPUTS:
        y_pred = np.full((len(X), *shape), 1 / 3, "float32") + np.linspace(0, 0.1, shape[-1], dtype="float32")
        try:
            CLASSES[key]()(y_true, y_pred)
        except ValueError:
            continue
        return y_true, shape, activation
    raise AssertionError(f"No model here has outputs for {key}: add what it needs to INPUTS")


def without_arguments() -> list[str]:
    required = inspect.Parameter.empty
    signatures = {key: inspect.signature(cls).parameters.values() for key, cls in CLASSES.items()}
    return [key for key, signature in signatures.items() if all(part.default is not required for part in signature)]


# Every loss


@pytest.mark.parametrize("key", without_arguments())
def test_every_key_trains_compiled_and_an_uneven_last_batch_counts_by_its_size(key):
    y, shape, activation = inputs_of(key)
    model = model_for(key, y, shape, activation, run_eagerly=False, learning_rate=1e-4)
    loss, y_pred, before = CLASSES[key](), ops.convert_to_numpy(model(X)), weights(model)
    # JAX compiles each batch size anew, which takes long enough once; a matrix of the batch has but one size.
    size = 7 if BACKEND == "jax" or is_square(key) else 5
    batches = [slice(None, size), slice(size, None)][: 1 if size == 7 else 2]
    expected = sum(len(X[part]) / 7 * value(loss, y[part], y_pred[part]) for part in batches)
    assert fitted(model, y, batch_size=size, shuffle=False)["loss"] == pytest.approx(expected, rel=2e-3, abs=1e-5)
    assert any(not np.array_equal(old, new) for old, new in zip(before, weights(model), strict=True))


@pytest.mark.parametrize("name", ["focal", "binary_focal", "tfloss_ext>Focal"])
def test_key_alias_and_registered_name_train_alike(name):
    model = one_output(name, 1, "sigmoid")
    expected = value(tfloss_ext.Focal(), BINARY, model(X))
    assert fitted(model, BINARY)["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("preset", ["triplet_semi_hard", "triplet_hard", "triplet_all"])
def test_presets_of_triplet_train(preset):
    model = one_output(preset, 3, None)
    expected = value(tfloss_ext.Triplet(mining=preset.removeprefix("triplet_")), IDS, model(X))
    assert fitted(model, IDS)["loss"] == pytest.approx(expected, rel=1e-4)


# Equal to what Keras has


@pytest.mark.parametrize(
    ("ours", "theirs", "y", "units", "activation"),
    [
        (tfloss_ext.WeightedMSE(), "mse", NUMBERS, 1, None),
        (tfloss_ext.WeightedMSE(), "mean_squared_error", ONE_HOT, 3, None),
        (tfloss_ext.LogCosh(), "log_cosh", NUMBERS, 1, None),
        (tfloss_ext.CategoricalFocal(gamma=0.0), "categorical_crossentropy", ONE_HOT, 3, "softmax"),
        (tfloss_ext.CategoricalFocal(gamma=0.0), "sparse_categorical_crossentropy", IDS, 3, "softmax"),
        (
            tfloss_ext.CategoricalFocal(gamma=0.0, from_logits=True),
            keras.losses.CategoricalCrossentropy(from_logits=True),
            ONE_HOT,
            3,
            None,
        ),
        (
            tfloss_ext.CategoricalFocal(gamma=0.0, label_smoothing=0.2),
            keras.losses.CategoricalCrossentropy(label_smoothing=0.2),
            ONE_HOT,
            3,
            "softmax",
        ),
        (
            tfloss_ext.CategoricalFocal(gamma=3.0, alpha=0.25),
            keras.losses.CategoricalFocalCrossentropy(alpha=0.25, gamma=3.0),
            ONE_HOT,
            3,
            "softmax",
        ),
        (tfloss_ext.Focal(gamma=0.0, alpha=None), "binary_crossentropy", BINARY, 1, "sigmoid"),
        (
            tfloss_ext.Focal(gamma=0.0, alpha=None, from_logits=True),
            keras.losses.BinaryCrossentropy(from_logits=True),
            BINARY,
            1,
            None,
        ),
        (
            tfloss_ext.Focal(),
            keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True),
            ONE_HOT,
            3,
            "sigmoid",
        ),
    ],
)
def test_equals_the_loss_of_keras_with_the_same_formula(ours, theirs, y, units, activation):
    model = one_output(ours, units, activation)
    found = evaluated(model, y)
    compiled(model, theirs)
    assert found == pytest.approx(evaluated(model, y), rel=1e-5)


def test_updates_equal_those_of_the_loss_of_keras():
    ours, theirs = one_output(tfloss_ext.WeightedMSE(), 1, None), one_output("mse", 1, None)
    theirs.set_weights(ours.get_weights())
    arguments = {"batch_size": 3, "epochs": 2, "shuffle": False, "sample_weight": np.linspace(0, 2, 7)}
    for model in (ours, theirs):
        model.fit(X, NUMBERS, verbose=0, **arguments)
    for one, other in zip(weights(ours), weights(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


# The tutorials: every loss of Keras that they use, by name and by class, in one model with ours

TUTORIAL = {
    "squared": ("mse", keras.losses.MeanSquaredError(), 1, None, NUMBERS),
    "absolute": ("mae", keras.losses.MeanAbsoluteError(), 1, None, NUMBERS),
    "huber": ("huber", keras.losses.Huber(), 1, None, NUMBERS),
    "log_cosh": ("log_cosh", keras.losses.LogCosh(), 1, None, NUMBERS),
    "binary": ("binary_crossentropy", keras.losses.BinaryCrossentropy(), 1, "sigmoid", BINARY),
    "binary_logits": (
        keras.losses.BinaryCrossentropy(from_logits=True, name="by_logits"),
        keras.losses.BinaryCrossentropy(from_logits=True),
        1,
        None,
        BINARY,
    ),
    "categorical": ("categorical_crossentropy", keras.losses.CategoricalCrossentropy(), 3, "softmax", ONE_HOT),
    "sparse": ("sparse_categorical_crossentropy", keras.losses.SparseCategoricalCrossentropy(), 3, "softmax", IDS),
    "sparse_logits": (
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, name="by_logits"),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        3,
        None,
        IDS,
    ),
    "hinge": ("hinge", keras.losses.Hinge(), 1, None, 2 * BINARY - 1),
    "squared_hinge": ("squared_hinge", keras.losses.SquaredHinge(), 1, None, 2 * BINARY - 1),
    "our_focal": ("focal", tfloss_ext.Focal(), 1, "sigmoid", BINARY),
    "our_classes": ("categorical_focal", tfloss_ext.CategoricalFocal(), 3, "softmax", IDS),
    "our_dice": ("dice_loss", tfloss_ext.Dice(), 3, "softmax", ONE_HOT),
    "our_triplet": ("triplet", tfloss_ext.Triplet(), 3, None, IDS),
    "our_pairs": ("contrastive", tfloss_ext.Contrastive(), 1, "sigmoid", BINARY),
    "our_log_cosh": ("log_cosh_loss", tfloss_ext.LogCosh(), 1, None, NUMBERS),
    "our_squares": ("weighted_mse", tfloss_ext.WeightedMSE(), 1, None, NUMBERS),
}


@pytest.mark.parametrize("way", [0, 1], ids=["by name", "by class"])
def test_the_losses_of_keras_and_ours_train_in_one_model(way):
    inputs = keras.Input((4,))
    heads = {name: head(units, name, kind)(inputs) for name, (_, _, units, kind, _) in TUTORIAL.items()}
    targets = {name: entry[4] for name, entry in TUTORIAL.items()}
    model = keras.Model(inputs, heads)
    compiled(model, {name: entry[way] for name, entry in TUTORIAL.items()}, run_eagerly=way == 1 or BACKEND == "jax")
    outputs = model(X)
    expected = {f"{name}_loss": value(entry[1], entry[4], outputs[name]) for name, entry in TUTORIAL.items()}
    logs = fitted(model, targets)
    assert logs.pop("loss") == pytest.approx(sum(expected.values()), rel=1e-4)
    assert logs == pytest.approx(expected, rel=1e-4, abs=1e-6)


# Several outputs


def two_outputs() -> tuple[keras.Model, dict]:
    inputs = keras.Input((4,))
    outputs = {
        "classification": head(3, "classification", "softmax")(inputs),
        "regression": head(1, "regression")(inputs),
    }
    return keras.Model(inputs, outputs), {"classification": ONE_HOT, "regression": NUMBERS}


@pytest.mark.parametrize(
    "loss",
    [
        {"classification": "categorical_crossentropy", "regression": "weighted_mse"},
        {"classification": "categorical_focal", "regression": "mse"},
        {"classification": tfloss_ext.CategoricalFocal(gamma=1.0), "regression": "logcosh"},
        {"classification": "tfloss_ext>Dice", "regression": keras.losses.Huber()},
        {"classification": "focal", "regression": lambda y_true, y_pred: ops.mean(ops.abs(y_true - y_pred), axis=-1)},
    ],
)
def test_the_two_output_model_with_loss_weights(loss):
    model, y = two_outputs()
    compiled(model, loss, loss_weights={"classification": 1.0, "regression": 0.5})
    outputs = model(X)
    expected = {name: value(tfloss_ext.get(one), y[name], outputs[name]) for name, one in loss.items()}
    logs = fitted(model, y)
    assert logs["classification_loss"] == pytest.approx(expected["classification"], rel=1e-4)
    assert logs["regression_loss"] == pytest.approx(expected["regression"], rel=1e-4)
    assert logs["loss"] == pytest.approx(expected["classification"] + 0.5 * expected["regression"], rel=1e-4)


def test_one_string_serves_every_output():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [head(3, "a")(inputs), head(3, "b")(inputs)])
    compiled(model, "weighted_mse")
    expected = [value(tfloss_ext.WeightedMSE(), ONE_HOT, output) for output in model(X)]
    logs = fitted(model, [ONE_HOT, ONE_HOT])
    assert [logs["a_loss"], logs["b_loss"], logs["loss"]] == pytest.approx([*expected, sum(expected)], rel=1e-4)


def test_a_list_mixes_names_instances_and_functions():
    inputs = keras.Input((4,))
    losses = ["triplet_all", "mae", tfloss_ext.LogCosh(reduction="sum"), keras.losses.mean_squared_error]
    model = keras.Model(inputs, [head(1, f"out{index}")(inputs) for index in range(len(losses))])
    compiled(model, losses)
    targets = [IDS, NUMBERS, NUMBERS, NUMBERS]
    logs = fitted(model, targets)
    assert set(logs) == {"loss", "out0_loss", "out1_loss", "out2_loss", "out3_loss"}
    assert logs["loss"] == pytest.approx(sum(logs[f"out{index}_loss"] for index in range(4)), rel=1e-5)


def test_an_output_may_have_no_loss():
    inputs = keras.Input((4,))
    score = head(1, "score")(inputs)
    model = keras.Model(inputs, [score, keras.layers.Rescaling(2.0)(score)])
    compiled(model, ["weighted_mse", None])
    expected = value(tfloss_ext.WeightedMSE(), NUMBERS, model(X)[0])
    assert fitted(model, [NUMBERS, NUMBERS])["loss"] == pytest.approx(expected, rel=1e-4)


def test_nested_outputs_take_nested_losses():
    inputs = keras.Input((4,))
    outputs = {
        "labels": {"one": head(1, "one", "sigmoid")(inputs), "many": head(3, "many", "softmax")(inputs)},
        "numbers": head(1, "numbers")(inputs),
    }
    model = keras.Model(inputs, outputs)
    losses = {"labels": {"one": "focal", "many": tfloss_ext.Dice()}, "numbers": "log_cosh_loss"}
    compiled(model, losses)
    y_pred = model(X)
    expected = (
        value(tfloss_ext.Focal(), BINARY, y_pred["labels"]["one"])
        + value(tfloss_ext.Dice(), ONE_HOT, y_pred["labels"]["many"])
        + value(tfloss_ext.LogCosh(), NUMBERS, y_pred["numbers"])
    )
    y = {"labels": {"one": BINARY, "many": ONE_HOT}, "numbers": NUMBERS}
    assert fitted(model, y)["loss"] == pytest.approx(expected, rel=1e-4)


# Custom losses beside ours, as tutorials write them


def plain_function(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def weighted_function(weight: float):
    def weighted(y_true, y_pred):
        return weight * ops.mean(ops.square(y_true - y_pred), axis=-1)

    return weighted


class PlainClass(keras.losses.Loss):
    def __init__(self, weight: float = 2.0, **arguments):
        super().__init__(**arguments)
        self.weight = weight

    def call(self, y_true, y_pred):
        return self.weight * ops.mean(ops.square(y_true - y_pred), axis=-1)


class OwnClass(tfloss_ext.Loss):
    weight: float = tfloss_ext.number(default=2.0, at_least=0)

    def call(self, y_true, y_pred):
        return self.weight * ops.mean(ops.square(y_true - y_pred), axis=-1)


@pytest.mark.parametrize(
    ("custom", "factor"),
    [(plain_function, 1.0), (weighted_function(2.0), 2.0), (PlainClass(), 2.0), (OwnClass(weight=3.0), 3.0)],
    ids=["function", "closure", "class", "class of this package"],
)
def test_a_custom_loss_trains_beside_ours(custom, factor):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, {"mine": head(1, "mine")(inputs), "ours": head(1, "ours")(inputs)})
    compiled(model, {"mine": custom, "ours": "weighted_mse"})
    outputs = model(X)
    logs = fitted(model, {"mine": NUMBERS, "ours": NUMBERS})
    squares = {name: np.mean((ops.convert_to_numpy(outputs[name]) - NUMBERS) ** 2) for name in outputs}
    assert logs["mine_loss"] == pytest.approx(factor * squares["mine"], rel=1e-4)
    assert logs["ours_loss"] == pytest.approx(squares["ours"], rel=1e-4)


# Penalties


def test_a_kernel_regularizer_adds_to_the_loss():
    inputs = keras.Input((4,))
    layer = head(3, "score", "softmax", kernel_regularizer=keras.regularizers.L2(0.1))
    model = keras.Model(inputs, layer(inputs))
    compiled(model, "categorical_focal")
    penalty = 0.1 * np.sum(ops.convert_to_numpy(layer.kernel) ** 2)
    expected = value(tfloss_ext.CategoricalFocal(), IDS, model(X)) + penalty
    assert penalty > 0.01
    assert fitted(model, IDS)["loss"] == pytest.approx(expected, rel=1e-4)


class Activity(keras.layers.Layer):
    """A layer that asks for small outputs."""

    def call(self, inputs):
        self.add_loss(0.5 * ops.mean(ops.square(inputs)))
        return inputs


def test_add_loss_adds_to_the_loss():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, Activity()(head(1, "score")(inputs)))
    compiled(model, "log_cosh_loss")
    y_pred = ops.convert_to_numpy(model(X))
    expected = value(tfloss_ext.LogCosh(), NUMBERS, y_pred) + 0.5 * np.mean(y_pred**2)
    assert fitted(model, NUMBERS)["loss"] == pytest.approx(expected, rel=1e-4)


# Weights and masks


def sequences() -> np.ndarray:
    """Seven sequences of four steps, of which the last are padding."""
    x = np.abs(RNG.normal(size=(7, 4, 2))).astype("float32") + 0.1
    for row, length in enumerate([4, 3, 2, 1, 4, 2, 3]):
        x[row, length:] = 0
    return x


@pytest.mark.parametrize(
    ("loss", "y", "units", "activation"),
    [
        ("weighted_mse", RNG.normal(size=(7, 4, 2)).astype("float32"), 2, None),
        ("categorical_focal", RNG.integers(0, 3, (7, 4)), 3, "softmax"),
        ("focal", (RNG.random((7, 4, 1)) < 0.5) * 1.0, 1, "sigmoid"),
    ],
)
@pytest.mark.parametrize("hidden", [0.0, np.nan], ids=["padding", "nan in the targets of padding"])
def test_masking_counts_the_steps_that_it_keeps(loss, y, units, activation, hidden):
    x = sequences()
    inputs = keras.Input((None, 2))
    model = keras.Model(inputs, head(units, "score", activation)(keras.layers.Masking()(inputs)))
    compiled(model, loss)
    kept = (x != 0).any(-1)
    expected = np.mean(ops.convert_to_numpy(tfloss_ext.get(loss, reduction=None)(y, model(x)))[kept])
    if y.dtype.kind == "f":
        y = np.where(kept[..., None], y, hidden)
    logs = model.fit(x, y, batch_size=7, verbose=0).history
    assert logs["loss"] == pytest.approx([expected], rel=1e-4)
    assert all(np.isfinite(array).all() for array in weights(model))


def test_an_embedding_with_mask_zero_masks_the_loss():
    tokens = np.array([[1, 2, 0], [3, 0, 0], [1, 1, 1]])
    inputs = keras.Input((3,), dtype="int32")
    hidden = keras.layers.Embedding(4, 2, mask_zero=True)(inputs)
    model = keras.Model(inputs, head(3, "score", "softmax")(hidden))
    compiled(model, tfloss_ext.CategoricalFocal())
    y = np.array([[0, 1, 2], [2, 1, 0], [1, 1, 0]])
    values = ops.convert_to_numpy(tfloss_ext.CategoricalFocal(reduction=None)(y, ops.convert_to_numpy(model(tokens))))
    found = float(model.evaluate(tokens, y, verbose=0))
    assert found == pytest.approx(values[tokens != 0].mean(), rel=1e-4)


@pytest.mark.parametrize("key", ["focal", "dice_loss", "weighted_mse", "log_cosh_loss"])
def test_sample_weight_in_fit_multiplies_the_values(key):
    model = one_output(key, 3, "sigmoid")
    weight = np.array([0.0, 1.0, 2.0, 0.5, 0.0, 3.0, 1.0])
    values = ops.convert_to_numpy(tfloss_ext.get(key, reduction=None)(ONE_HOT, model(X)))
    logs = fitted(model, ONE_HOT, sample_weight=weight)
    assert logs["loss"] == pytest.approx(np.mean(values * weight), rel=1e-4)


def test_sample_weight_of_samples_weighs_the_left_axis_of_images():
    x = RNG.random((3, 3, 3, 2)).astype("float32")
    ids = RNG.integers(0, 2, (3, 3, 3))
    inputs = keras.Input((3, 3, 2))
    model = keras.Model(inputs, head(2, "score", "softmax")(inputs))
    compiled(model, "categorical_focal")
    weight = np.array([0.0, 1.0, 2.0])
    values = ops.convert_to_numpy(tfloss_ext.CategoricalFocal(reduction=None)(ids, model(x)))
    logs = model.fit(x, ids, sample_weight=weight, verbose=0).history
    assert logs["loss"] == pytest.approx([np.mean(values * weight[:, None, None])], rel=1e-4)


def test_class_weight_in_fit_weighs_by_the_target():
    model = one_output("categorical_focal")
    class_weight = {0: 1.0, 1: 2.0, 2: 0.0}
    values = ops.convert_to_numpy(tfloss_ext.CategoricalFocal(reduction=None)(IDS, model(X)))
    logs = fitted(model, IDS, class_weight=class_weight)
    assert logs["loss"] == pytest.approx(np.mean(values * np.array([1.0, 2.0, 0.0])[IDS]), rel=1e-4)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum"])
def test_every_reduction_trains_as_keras_reduces(reduction):
    ours = one_output(tfloss_ext.WeightedMSE(reduction=reduction), 1, None)
    theirs = one_output(keras.losses.MeanSquaredError(reduction=reduction), 1, None)
    theirs.set_weights(ours.get_weights())
    weight = np.linspace(0, 2, 7)
    found = [fitted(model, NUMBERS, sample_weight=weight)["loss"] for model in (ours, theirs)]
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    for one, other in zip(weights(ours), weights(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


# Ways of running


@pytest.mark.tensorflow
@pytest.mark.parametrize("way", [{"jit_compile": True}, {"jit_compile": False}], ids=["xla", "graph"])
@pytest.mark.parametrize("key", ["focal", "dice_loss", pytest.param("triplet", marks=pytest.mark.slow)])
def test_a_graph_and_xla_update_like_eager(key, way):
    y, shape, activation = inputs_of(key)
    eager = model_for(key, y, shape, activation)
    other = model_for(key, y, shape, activation, run_eagerly=False, **way)
    other.set_weights(eager.get_weights())
    logs = [fitted(model, y, batch_size=4, shuffle=False)["loss"] for model in (eager, other)]
    assert logs[0] == pytest.approx(logs[1], rel=1e-4)
    for one, two in zip(weights(eager), weights(other), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-6)


@pytest.mark.tensorflow
def test_a_dataset_of_unknown_batch_size_trains():
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((X, IDS)).batch(4)
    assert dataset.element_spec[0].shape[0] is None
    model = one_output({"score": "categorical_focal"}, run_eagerly=False)
    expected = [value(tfloss_ext.CategoricalFocal(), y, model(x)) for x, y in ((X[:4], IDS[:4]), (X[4:], IDS[4:]))]
    found = float(model.evaluate(dataset, verbose=0))
    assert found == pytest.approx((4 * expected[0] + 3 * expected[1]) / 7, rel=1e-4)


@pytest.fixture
def _mixed_precision():
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16" if BACKEND == "torch" else "mixed_float16")
    yield
    keras.mixed_precision.set_dtype_policy(before)


@pytest.mark.usefixtures("_mixed_precision")
@pytest.mark.parametrize("key", SOME)
def test_mixed_precision_computes_the_loss_in_float32(key):
    y, shape, activation = inputs_of(key)
    model = model_for(key, y, shape, activation)
    loss, y_pred = keras.losses.get(key), ops.stop_gradient(model(X))
    assert keras.backend.standardize_dtype(y_pred.dtype) in ("float16", "bfloat16")
    found = loss(y, y_pred)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert float(found) == pytest.approx(value(loss, y, ops.cast(y_pred, "float32")), rel=1e-6)
    assert fitted(model, y)["loss"] == pytest.approx(float(found), rel=2e-2, abs=1e-4)

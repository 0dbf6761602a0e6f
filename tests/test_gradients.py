# SPDX-License-Identifier: Apache-2.0
"""The compiled pass gives what the plain formula gives, and keeps out of where it does not belong."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import ClassVar

import keras
import numpy as np
import pytest
from cases import GENERATORS, cases
from support import BACKEND, value_and_gradient

import tfloss_ext
from tfloss_ext import gradients, registry
from tfloss_ext.regression import ErrorLoss

if BACKEND == "tensorflow":
    import tensorflow as tf

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def any_size(monkeypatch):
    """Arrays of any size are large, and compiled when they come first. Nothing is compiled before a test."""
    monkeypatch.setattr(gradients, "_OFTEN", 1)
    monkeypatch.setattr(gradients, "LARGE", 1)
    gradients._passes.cache_clear()


def plain(monkeypatch, *arguments, **more):
    monkeypatch.setattr(gradients, "_enabled", False)
    found = value_and_gradient(*arguments, **more)
    monkeypatch.setattr(gradients, "_enabled", True)
    return found


def compiled_in(graph_def) -> list[str]:
    """The functions of a graph that XLA has to compile."""
    return [function.signature.name for function in graph_def.library.function if function.attr["_XlaMustCompile"].b]


def step(loss, *shape, **options):
    """A function of targets and predictions that gives the loss and its gradient, traced for this shape if any."""

    def run(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = loss(y_true, y_pred)
        return value, tape.gradient(value, y_pred)

    signature = [tf.TensorSpec(shape, "float32")] * 2 if shape else None
    return tf.function(run, input_signature=signature, autograph=False, **options)


def compiles(loss, *shape, **options) -> bool:
    return bool(compiled_in(step(loss, *shape, **options).get_concrete_function().graph.as_graph_def()))


def data(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random(shape) < 0.3).astype("float32"), rng.normal(size=shape).astype("float32") * 3


class Refused(ErrorLoss):
    """One that XLA cannot compile: it calls Python."""

    def cost(self, error):
        return tf.ensure_shape(tf.py_function(tf.square, [error], error.dtype), error.shape)

    def slope(self, error):
        return 2.0 * error


class Scaled(ErrorLoss):
    """One with a hyper-parameter that may be a tensor; how often it is traced is counted."""

    traced: ClassVar[list] = []

    scale: float = tfloss_ext.number(default=2.0)

    def cost(self, error):
        self.traced.append(self.scale)
        return self.scale * keras.ops.square(error)

    def slope(self, error):
        return 2.0 * self.scale * error


class Own(ErrorLoss):
    """One that is not of this package."""

    cost, slope = Scaled.cost, Scaled.slope
    scale, traced = 2.0, []


# Of these two it is known what they do.
Refused.__module__ = Scaled.__module__ = ErrorLoss.__module__


# What it gives


def some_cases():
    """Of each loss one case in a graph, as each is compiled, and more of them and eagerly among the slow tests."""
    found = []
    for key in sorted(GENERATORS):
        for i, case in enumerate(cases(key)):
            modes = ["graph"] * (i % 6 == 0) + ["eager"] * (i % 6 == 1) + ["fixed graph"] * (i % 6 == 3)
            marks = pytest.mark.slow if i else ()
            found += [pytest.param(case, mode, id=f"{case}-{mode}", marks=marks) for mode in modes]
    return pytest.mark.parametrize(("case", "mode"), found)


@some_cases()
def test_values_and_gradients_are_those_of_the_plain_formula(case, mode, any_size, monkeypatch):
    loss = case.loss(reduction=None if mode == "graph" else "sum")
    if mode == "eager":
        monkeypatch.setattr(gradients, "LARGE", 2**13)
        monkeypatch.setattr(gradients, "_OFTEN_SMALL", 1)
    arguments = loss, case.y_true, np.asarray(case.y_pred, "float32")
    found = value_and_gradient(*arguments, mode=mode)
    # Of single samples, values go through the pass; the number that a batch is reduced to always does.
    taken = loss.fuses and not (loss.couples and loss.reduction is None)
    assert gradients._passes.cache_info().currsize == int(taken)
    expected = plain(monkeypatch, *arguments, mode=mode)
    # The slope of abs(y - p)**0.5 makes ten times as much of how p is rounded, where p is near y.
    rough = 1e-5 if case.parameters.get("beta") == 0.5 else 1e-6
    for one, other in zip(found, expected, strict=True):
        scale = np.abs(other).max(initial=0)
        if case.key == "barlow_twins" and len(case.y_pred) == 2 and one is found[1]:
            # Correlations of two samples are 1 or -1 whatever they are: their slopes are 0 but for rounding.
            scale = 10.0
        np.testing.assert_allclose(one, other, rtol=rough, atol=rough * scale)


@pytest.mark.parametrize("key", sorted(registry.classes()))
def test_every_loss_that_fuses_is_compiled_with_its_reduction(key, any_size):
    case = cases(key)[0]
    loss, y_pred = case.loss(), tf.constant(case.y_pred, "float32")
    # Traced, and not compiled in its turn.
    step(loss).get_concrete_function(case.y_true, y_pred)
    assert gradients._passes.cache_info().currsize == int(loss.fuses)


@pytest.mark.parametrize(
    ("mode", "reduction"),
    [
        pytest.param(mode, reduction, marks=() if mode == "eager" or reduction == "sum" else pytest.mark.slow)
        for mode in ("eager", "graph", "fixed graph")
        for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight")
    ],
)
def test_weights_and_nan_under_a_weight_of_zero(mode, reduction, any_size, monkeypatch):
    y, z = data(6, 5, 4)
    z[2] = np.nan
    weight = np.array([1.0, 0.5, 0.0, 2.0, 1.0, 3.0])
    for loss in (tfloss_ext.Focal(from_logits=True, reduction=reduction), tfloss_ext.Dice(reduction=reduction)):
        found = value_and_gradient(loss, y, z, weight, mode)
        expected = plain(monkeypatch, loss, y, z, weight, mode)
        assert np.isfinite(found[1]).all()
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "weight",
    [
        pytest.param(np.ones((1, 5)), marks=pytest.mark.slow),
        pytest.param(np.ones((6, 1)), marks=pytest.mark.slow),
        np.arange(30.0).reshape(6, 5),
    ],
)
def test_weights_of_positions(weight, any_size, monkeypatch):
    y, z = data(6, 5, 4)
    for loss in (tfloss_ext.Dice(from_logits=True), tfloss_ext.Dice(from_logits=True, per_image=False)):
        found = value_and_gradient(loss, y, z, weight)
        for one, other in zip(found, plain(monkeypatch, loss, y, z, weight), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("large", [1, 2**13])
@pytest.mark.parametrize("key", ["focal", "dice_loss", "log_cosh_loss", "categorical_focal"])
def test_empty_batches(key, large, any_size, monkeypatch):
    monkeypatch.setattr(gradients, "LARGE", large)
    for mode in ("eager", "graph", "fixed graph"):
        value, gradient = value_and_gradient(tfloss_ext.get(key), *data(0, 3, 4), mode=mode)
        assert value == 0
        assert gradient.shape == (0, 3, 4)


@pytest.mark.parametrize("shape", [(6, 4), (None, 4)])
@pytest.mark.parametrize("key", ["focal", "log_cosh_loss", "dice_loss"])
def test_second_order_gradients(key, shape, any_size, monkeypatch):
    y, z = data(6, 4)
    loss, direction = tfloss_ext.get(key), tf.constant(data(6, 4, seed=1)[1])

    def run(z):
        with tf.GradientTape() as outer:
            outer.watch(z)
            with tf.GradientTape() as inner:
                inner.watch(z)
                value = loss(y, z)
            product = tf.reduce_sum(inner.gradient(value, z) * direction)
        return outer.gradient(product, z)

    graph = tf.function(run, input_signature=[tf.TensorSpec(shape)], autograph=False)
    found = [run(tf.constant(z)), graph(tf.constant(z))]
    assert gradients._passes.cache_info().currsize
    monkeypatch.setattr(gradients, "_enabled", False)
    expected = run(tf.constant(z))
    assert np.abs(expected).max() > 1e-4
    for each in found:
        np.testing.assert_allclose(each, expected, rtol=1e-5, atol=1e-7)


def test_a_jacobian(any_size, monkeypatch):
    y, z = data(3, 4)
    loss, z = tfloss_ext.Focal(from_logits=True, reduction=None), tf.constant(z)

    def jacobian():
        with tf.GradientTape() as tape:
            tape.watch(z)
            values = loss(y, z)
        return tape.jacobian(values, z)

    found = jacobian()
    monkeypatch.setattr(gradients, "_enabled", False)
    np.testing.assert_allclose(found, jacobian(), rtol=1e-6, atol=1e-8)


def test_a_gradient_to_the_targets_is_that_of_the_plain_formula(any_size):
    y, z = (tf.constant(array) for array in data(6, 4))
    with tf.GradientTape() as tape:
        tape.watch((y, z))
        value = tfloss_ext.LogCosh()(y, z)
    of_y, of_z = tape.gradient(value, (y, z))
    np.testing.assert_allclose(of_y, -of_z)
    assert np.abs(of_y).max() > 0


# Where it belongs


def test_large_arrays_alone():
    loss = tfloss_ext.Focal(from_logits=True)
    assert compiles(loss, 2**9, 16)
    assert not compiles(loss, 2**8, 16)
    assert compiles(loss, None, 16)


def test_not_inside_xla(any_size):
    loss = tfloss_ext.Focal(from_logits=True)
    assert compiles(loss, 8, 4)
    inner = step(loss, 8, 4, jit_compile=True).get_concrete_function()
    assert not compiled_in(inner.graph.as_graph_def())


def test_not_without_a_gradient(any_size):
    loss = tfloss_ext.Focal(from_logits=True)
    spec = tf.TensorSpec((None, 4))
    graph = tf.function(loss, input_signature=[spec, spec]).get_concrete_function().graph
    assert not compiled_in(graph.as_graph_def())
    assert not gradients._passes.cache_info().currsize


def test_not_of_a_class_from_elsewhere(any_size):
    assert not compiles(Own(), 8, 4)


def test_the_switch(any_size):
    loss = tfloss_ext.Focal(from_logits=True)
    tfloss_ext.set_compiled(False)
    try:
        assert not compiles(loss, 8, 4)
    finally:
        tfloss_ext.set_compiled(True)
    assert compiles(loss, 8, 4)


def test_what_xla_refuses_is_computed_without_it_after_one_warning(any_size):
    y, z = data(6, 4)
    with pytest.warns(RuntimeWarning, match=r"XLA does not compile Refused") as warned:
        found = [value_and_gradient(Refused(), y, z, mode=mode) for mode in ("eager", "graph", "fixed graph", "eager")]
    assert len(warned) == 1
    for value, gradient in found:
        assert value == pytest.approx(np.mean((z - y) ** 2), rel=1e-6)
        np.testing.assert_allclose(gradient, 2 * (z - y) / z.size, rtol=1e-6)


def test_not_in_a_saved_model(any_size, tmp_path):
    from tensorflow.core.protobuf import saved_model_pb2

    loss = tfloss_ext.Focal(from_logits=True)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    model.compile("sgd", loss, jit_compile=False)
    y, x = data(12, 4)
    model.fit(x, y, batch_size=8, verbose=0)
    assert gradients._passes.cache_info().currsize

    class Trainable(tf.Module):
        def __init__(self):
            super().__init__()
            spec = tf.TensorSpec((None, 4))
            self.step = tf.function(self.gradient, input_signature=[spec, spec])

        def gradient(self, y_true, y_pred):
            return step(loss, None, 4)(y_true, y_pred)

    used = Trainable()
    used.step(y, x)
    tf.saved_model.save(used, str(tmp_path / "used"))
    tf.saved_model.save(Trainable(), str(tmp_path / "new"))
    model.export(str(tmp_path / "exported"), verbose=False)
    tf.saved_model.save(model, str(tmp_path / "saved"))
    for name in ("used", "new", "exported", "saved"):
        saved = saved_model_pb2.SavedModel.FromString((tmp_path / name / "saved_model.pb").read_bytes())
        assert not compiled_in(saved.meta_graphs[0].graph_def), name


# How often


def test_compiled_once_for_the_same_formula(any_size):
    y, z = data(6, 4)
    for gamma in (2.0, 2.0, 3.0):
        for _ in range(2):
            value_and_gradient(tfloss_ext.Focal(gamma=gamma, name="other"), y, z)
    assert gradients._passes.cache_info().currsize == 2
    assert Scaled.traced == []
    for _ in range(3):
        value_and_gradient(Scaled(), y, z)
    assert len(Scaled.traced) == 1
    Scaled.traced.clear()


def passes_of(loss, *shapes, whole=False, dtypes="ff") -> gradients._Passes:
    kinds = {"f": "float32", "i": "int32"}
    tensors = [None if shape is None else tf.zeros(shape) for shape in shapes]
    tensors[:2] = [tf.cast(tensor, kinds[kind]) for tensor, kind in zip(tensors, dtypes, strict=False)]
    return gradients._passes(gradients._Formula.of(loss, tensors, whole)[0])


@pytest.mark.parametrize("reduction", [None, "sum_over_batch_size"])
def test_few_of_many_lengths_are_compiled_and_those_that_come_often(reduction, monkeypatch):
    monkeypatch.setattr(gradients, "LARGE", 40)
    gradients._passes.cache_clear()
    loss = Scaled(reduction=reduction)
    graph = step(loss, None, None, 4)
    passes = passes_of(loss, *[(2, 2, 4)] * 2, *[None] * (2 if reduction else 0), whole=bool(reduction))
    admitted = []
    for length in (*range(1, 20), *range(1, 20), *[length for length in range(1, 20) for _ in range(3)]):
        y, z = data(length, 3, 4)
        value, gradient = graph(y, z)
        count = 1 if reduction else 4 * 3 * length
        assert float(np.mean(value)) == pytest.approx(2 * np.mean((z - y) ** 2), rel=1e-5)
        np.testing.assert_allclose(gradient * count, 4 * (z - y) * count / (z.size if reduction else 4), rtol=1e-5)
        admitted.append(len(passes.admitted))
    assert admitted[:38] == [0] * 38
    # Those of up to three samples are small.
    assert admitted[-1] == gradients.EXACT
    assert admitted[38 + 9 : 38 + 15] == [0, 0, 1, 1, 1, 2]
    assert len(passes.functions) == 1
    Scaled.traced.clear()


@pytest.mark.parametrize("mode", ["fixed graph", "eager"])
def test_few_of_many_fixed_shapes_are_compiled(mode, any_size):
    loss = Scaled()
    for length in range(1, 20):
        y, z = data(3, length, 4)
        value, gradient = value_and_gradient(loss, y, z, mode=mode)
        assert value == pytest.approx(2 * np.mean((z - y) ** 2), rel=1e-5)
        np.testing.assert_allclose(gradient, 4 * (z - y) / z.size, rtol=1e-5, atol=1e-7)
    passes = passes_of(loss, (3, 2, 4), (3, 2, 4), None, None, whole=True)
    assert len(passes.admitted) == gradients.EXACT
    assert len(passes.functions) == (1 if mode == "eager" else gradients.EXACT)
    Scaled.traced.clear()


@pytest.mark.parametrize("size", [1, 2**13])
def test_targets_that_say_nothing_are_refused_where_they_are_seen(size, any_size, monkeypatch):
    monkeypatch.setattr(gradients, "LARGE", size)
    loss, z = tfloss_ext.Dice(from_logits=True), data(4, 2, 4)[1]
    for _ in range(8):
        value_and_gradient(loss, np.array([[0, 1], [2, 3], [3, 1], [3, 0]]), z)
    assert passes_of(loss, (4, 2, 4), (4, 2), None, None, whole=True, dtypes="fi").functions
    with pytest.raises(ValueError, match=r"Received: 7 at y_true\[2, 0\]"):
        value_and_gradient(loss, np.array([[0, 1], [2, 3], [7, 1], [3, 0]]), z)
    # What is NaN by itself is no error.
    assert np.isnan(value_and_gradient(loss, np.array([[0, 1]]), z[:1] * np.nan)[0])


@pytest.mark.parametrize("weight", [None, [1.0, 0.5, 0.0, 2.0]])
@pytest.mark.parametrize("per_image", [True, False])
def test_targets_that_say_nothing_are_nan_in_the_pass(per_image, weight, any_size):
    y, z = np.array([[0, 1], [2, 3], [7, -1], [3, 0]], "int32"), data(4, 2, 4)[1]
    loss = tfloss_ext.Dice(from_logits=True, per_image=per_image)

    @tf.function(autograph=False)
    def value(y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            return loss(y_true, y_pred, weight)

    assert np.isnan(value(tf.constant(y), tf.constant(z))) == (weight is None)
    assert gradients._passes.cache_info().currsize


def test_a_hyper_parameter_that_moves_is_compiled_once(any_size):
    y, z = data(6, 4)
    loss = Scaled()
    vars(loss)["scale"] = keras.Variable(2.0, trainable=False)  # As an attribute it would be refused.
    graph = step(loss, None, 4)
    for scale in (2.0, 5.0, 0.5):
        loss.scale.assign(scale)
        for value, gradient in (graph(y, z), value_and_gradient(loss, y, z)):
            assert float(value) == pytest.approx(scale * np.mean((z - y) ** 2), rel=1e-5)
            np.testing.assert_allclose(gradient, 2 * scale * (z - y) / z.size, rtol=1e-5)
    # In the graph for what is compiled and for what is not, eagerly for six rows.
    assert len(Scaled.traced) <= 3
    Scaled.traced.clear()


# At size


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize("positions", [20_000_000, 20_000_003])
def test_sums_over_millions_of_positions(mode, positions):
    # One after the other, float32 sums of so many equal values are off by percents.
    error = np.full((positions, 1), 0.3, "float32")
    run = step(tfloss_ext.LogCosh(), jit_compile=mode == "xla")
    value, _ = run(tf.zeros_like(error), tf.constant(error))
    assert float(value) == pytest.approx(np.log(np.cosh(np.float64(np.float32(0.3)))), rel=1e-5)


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize("classes", [1, 2, 10])
def test_regions_of_millions_of_positions(mode, classes):
    positions = 20_000_000 // classes
    ids = tf.range(positions)[None] % max(classes, 2)
    run = step(tfloss_ext.Dice(from_logits=True), jit_compile=mode == "xla")
    value, _ = run(ids, tf.zeros((1, positions, classes)))
    share = 1 / max(classes, 2)
    assert float(value) == pytest.approx(1 - 2 * share * share / ((0.5 if classes == 1 else share) + share), rel=1e-5)


# In training


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ({}, "float32"),
        ({}, "mixed_float16"),
        ({"run_eagerly": True}, "float32"),
        pytest.param({"run_eagerly": True}, "mixed_float16", marks=pytest.mark.slow),
        ({"jit_compile": True}, "float32"),
        pytest.param({"jit_compile": True}, "mixed_float16", marks=pytest.mark.slow),
    ],
)
def test_fit(options, policy, any_size, monkeypatch):
    y, x = data(22, 8, 8, 2)

    def trained():
        keras.utils.set_random_seed(0)
        layers = [keras.Input((8, 8, 2)), keras.layers.Conv2D(2, 3, padding="same", dtype=policy)]
        model = keras.Sequential(layers)
        loss = tfloss_ext.DiceCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.5), loss, **{"jit_compile": False, **options})
        history = model.fit(x, y, batch_size=12, epochs=2, shuffle=False, verbose=0, validation_data=(x, y))
        return *model.get_weights(), *history.history["loss"], *history.history["val_loss"]

    found = trained()
    assert bool(gradients._passes.cache_info().currsize) == ("jit_compile" not in options)
    monkeypatch.setattr(gradients, "_enabled", False)
    for one, other in zip(found, trained(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-6 if policy == "float32" else 2e-3)


SCRIPT = textwrap.dedent(
    """
    import json, os
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy as np, tensorflow as tf, keras, tfloss_ext
    from tfloss_ext import gradients
    gradients.LARGE = 1
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(22, 6, 5)).astype("float32"), rng.integers(0, 4, (22, 6))
    found = {}
    for name in ("categorical_focal", "dice_loss", "focal"):
        steps = []
        for scope in (tf.distribute.get_strategy(), strategy):
            with scope.scope():
                keras.utils.set_random_seed(0)
                model = keras.Sequential([keras.Input((6, 5)), keras.layers.Dense(4)])
                loss = tfloss_ext.get(name, from_logits=True)
                model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
            model.fit(x, y, batch_size=12, shuffle=False, verbose=0)
            steps.append(model.get_weights()[0])
        found[name] = float(np.abs(steps[0] - steps[1]).max())
    print(json.dumps({"difference": found, "compiled": gradients._passes.cache_info().currsize}))
    """
)


def test_two_replicas_take_the_step_of_one_device():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["compiled"] == 3
    assert max(found["difference"].values()) < 1e-6

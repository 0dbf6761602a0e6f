# SPDX-License-Identifier: Apache-2.0
"""What this package relies on in Keras, and works around: a Keras that changes any of it turns a test red."""

from __future__ import annotations

import copy
import pickle
import sys
import types

import keras
import numpy as np
import pytest
from keras import ops
from keras.src import losses as private

from tfloss_ext import registry

BACKEND = keras.backend.backend()
VERSION = tuple(int(part) for part in keras.__version__.split(".")[:2])
X, Y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")

pytestmark = [
    # h5py (saving) and PyTorch (fit) ask the arrays of Keras for what NumPy 2 has renamed.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]


class PerRow(keras.losses.Loss):
    """A loss as a tutorial writes it: one value per row."""

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), axis=-1)


class PerElement(keras.losses.Loss):
    """One value per element."""

    def call(self, y_true, y_pred):
        return ops.square(y_true - y_pred)


class Scalar(keras.losses.Loss):
    """One value per batch, which is what Keras's own Dice and Tversky return by default."""

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred))


def compiled(loss, **arguments) -> keras.Model:
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="score")(inputs))
    model.compile("sgd", loss, **arguments)
    return model


def numpy(tensor) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))


# Names


def test_the_private_table_is_where_get_looks_up_strings(monkeypatch):
    monkeypatch.setitem(private.ALL_OBJECTS_DICT, "contract_probe", PerRow)
    assert isinstance(keras.losses.get("contract_probe"), PerRow)


def test_the_private_table_holds_the_names_of_keras():
    assert type(private.ALL_OBJECTS_DICT) is dict
    assert private.ALL_OBJECTS_DICT["mse"] is keras.losses.mean_squared_error
    assert private.ALL_OBJECTS_DICT["Dice"] is keras.losses.Dice


@pytest.mark.tensorflow
def test_tensorflow_shares_get_and_the_base_class_with_keras():
    import tensorflow as tf

    assert tf.keras.losses.get is keras.losses.get
    assert tf.keras.losses.Loss is keras.losses.Loss


def test_a_function_in_the_table_is_the_loss_itself_and_a_class_is_called(monkeypatch):
    def probe(y_true, y_pred):
        return y_pred

    monkeypatch.setitem(private.ALL_OBJECTS_DICT, "contract_probe", probe)
    assert keras.losses.get("contract_probe") is probe


def test_registering_a_class_does_not_make_its_name_a_loss():
    registered = keras.saving.register_keras_serializable(package="contract", name="Probe")(type("P", (PerRow,), {}))
    try:
        for name in ("Probe", "contract>Probe"):
            with pytest.raises(ValueError, match="Could not interpret loss identifier"):
                keras.losses.get(name)
        config = {"class_name": "contract>Probe", "config": {}}
        assert isinstance(keras.losses.get(config), registered)
    finally:
        del keras.saving.get_custom_objects()["contract>Probe"]


def test_custom_object_scope_does_not_make_a_string_a_loss():
    with (
        keras.saving.custom_object_scope({"contract_probe": PerRow}),
        pytest.raises(ValueError, match="Could not interpret loss identifier"),
    ):
        keras.losses.get("contract_probe")


def test_compile_accepts_a_wrong_string_and_fit_raises():
    model = compiled("no_such_loss")
    with pytest.raises(ValueError, match="Could not interpret loss identifier: no_such_loss"):
        model.fit(X, Y, verbose=0)


def test_a_dict_in_compile_means_outputs_not_a_config():
    model = compiled({"class_name": "MeanSquaredError", "config": {}})
    with pytest.raises(ValueError, match="class_name"):
        model.fit(X, Y, verbose=0)


def test_history_names_outputs_and_not_losses():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, {name: keras.layers.Dense(1, name=name)(inputs) for name in ("a", "b")})
    model.compile("sgd", {"a": PerRow(name="mine"), "b": "mse"})
    history = model.fit(X, {"a": Y, "b": Y}, verbose=0).history
    assert set(history) == {"loss", "a_loss", "b_loss"}


def test_a_class_as_loss_trains_and_then_cannot_be_saved(tmp_path):
    model = compiled(PerRow)
    assert set(model.fit(X, Y, verbose=0).history) == {"loss"}
    with pytest.raises(TypeError, match="get_config"):
        model.save(tmp_path / "model.keras")


# Saving


def test_the_config_of_a_model_keeps_a_string_and_an_instance_with_its_module():
    assert compiled("mse").get_compile_config()["loss"] == "mse"
    loss = compiled(PerRow(name="mine")).get_compile_config()["loss"]
    assert (loss["class_name"], loss["module"], loss["config"]["name"]) == ("PerRow", PerRow.__module__, "mine")


def test_a_string_among_the_custom_objects_reloads_as_the_class(monkeypatch, tmp_path):
    monkeypatch.setitem(private.ALL_OBJECTS_DICT, "contract_probe", PerRow)
    model = compiled("contract_probe")
    model.save(tmp_path / "model.keras")
    plain = keras.models.load_model(tmp_path / "model.keras")
    assert plain.get_compile_config()["loss"] == "contract_probe"
    with keras.saving.custom_object_scope({"contract_probe": PerRow}):
        changed = keras.models.load_model(tmp_path / "model.keras")
    with pytest.raises(TypeError, match="get_config"):
        changed.get_compile_config()


@pytest.mark.skipif(VERSION < (3, 9), reason="Keras 3.8 still imported the module")
def test_loading_does_not_import_the_module_that_was_recorded(monkeypatch):
    module = types.ModuleType("contract_module")
    module.Probe = type("Probe", (PerRow,), {"__module__": "contract_module"})
    monkeypatch.setitem(sys.modules, "contract_module", module)
    config = keras.losses.serialize(module.Probe())
    assert config["module"] == "contract_module"
    with pytest.raises(TypeError, match="Could not locate class 'Probe'"):
        keras.saving.deserialize_keras_object(config)


@pytest.mark.parametrize(
    ("loss", "dropped"),
    [
        (keras.losses.MeanSquaredError(dtype="float16"), "dtype"),
        (keras.losses.Huber(delta=3.0), "delta"),
        (keras.losses.CosineSimilarity(axis=1), "axis"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_configs_of_keras_drop_arguments(loss, dropped):
    assert dropped not in loss.get_config()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_copies_of_a_loss_are_made_from_its_config(copied):
    assert copied(keras.losses.MeanSquaredError(dtype="float16")).dtype == "float32"
    assert copied(keras.losses.MeanSquaredError(name="mine")).name == "mine"


# Loss.__call__


@pytest.mark.parametrize("reduction", ["mean", "mean_with_sample_weight", "sum_over_batch_size", "sum", "none", None])
def test_the_reductions_exist(reduction):
    assert PerRow(reduction=reduction).reduction == reduction


def test_an_unknown_reduction_raises():
    with pytest.raises(ValueError, match="reduction"):
        PerRow(reduction="median")


@pytest.mark.parametrize(("dtype", "first"), [("float32", 2**24), ("float16", 2**11)])
def test_two_ids_merge_in_the_cast_to_the_dtype_of_the_loss(dtype, first):
    ids = np.array([[first], [first + 1]], "int64")
    values = numpy(PerRow(reduction=None, dtype=dtype)(ids, np.full((2, 1), first, "float64")))
    assert values.tolist() == [0.0, 0.0]


def test_sample_weight_broadcasts_from_the_right():
    zeros = np.zeros((2, 2, 2), "float32")
    values = numpy(PerElement(reduction=None)(zeros, zeros + 1, np.array([1.0, 0.0])))
    assert values[:, :, 1].sum() == 0
    assert values[:, :, 0].sum() == 4


def test_sample_weight_of_samples_errs_where_the_last_axis_differs():
    zeros = np.zeros((3, 2, 2), "float32")
    with pytest.raises(Exception, match=r"[Ii]ncompatible shapes|must match"):
        PerElement(reduction=None)(zeros, zeros + 1, np.array([1.0, 0.0, 1.0]))


def test_a_subclass_broadcasts_mismatched_ranks_silently():
    assert tuple(PerElement(reduction=None)(np.zeros(4), np.ones((4, 1))).shape) == (4, 4)
    assert tuple(keras.losses.MeanSquaredError(reduction=None)(np.zeros(4), np.ones((4, 1))).shape) == (4,)


@pytest.mark.parametrize("loss", [Scalar(), keras.losses.Dice(), keras.losses.Tversky()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", None])
def test_a_scalar_from_call_is_only_multiplied(loss, reduction):
    loss = type(loss)(reduction=reduction)
    y_true, y_pred = np.eye(3, dtype="float32"), np.full((3, 3), 0.3, "float32")
    assert np.isclose(numpy(loss(y_true, y_pred, 3.0)), 3 * numpy(loss(y_true, y_pred)))


def test_a_nan_under_a_mask_stays_a_nan():
    y_pred = ops.convert_to_tensor(np.array([[1.0], [np.nan]], "float32"))
    keras.src.backend.set_keras_mask(y_pred, ops.convert_to_tensor(np.array([True, False])))
    assert np.isnan(numpy(PerRow()(np.zeros((2, 1)), y_pred)))


def test_a_mask_divides_by_the_positions_that_it_keeps():
    y_pred = ops.convert_to_tensor(np.array([[2.0], [5.0]], "float32"))
    keras.src.backend.set_keras_mask(y_pred, ops.convert_to_tensor(np.array([True, False])))
    y_true = np.zeros((2, 1))
    # Keras before 3.13 adds its epsilon of 1e-7 to the count.
    np.testing.assert_allclose(numpy(PerRow()(y_true, y_pred)), 4.0, rtol=3e-7)
    assert numpy(PerRow(reduction="sum")(y_true, y_pred)) == 4.0
    assert numpy(PerRow(reduction=None)(y_true, y_pred)).tolist() == [4.0, 0.0]


def test_the_mask_lies_where_this_package_reads_it():
    from keras.src.backend import get_keras_mask

    sequence = keras.layers.Masking()(np.array([[[1.0], [0.0]]], "float32"))
    assert numpy(get_keras_mask(sequence)).tolist() == [[True, False]]
    assert get_keras_mask(ops.ones((2, 1))) is None
    assert numpy(registry.keras_mask(sequence)).tolist() == [[True, False]]


def test_a_tensor_keeps_what_is_put_on_it_and_a_symbol_knows_that_it_is_one():
    from keras.src.backend.common.symbolic_scope import in_symbolic_scope
    from keras.src.backend.common.tensor_attributes import get_tensor_attr, set_tensor_attr

    seen = []

    class Marked(keras.layers.Layer):
        def call(self, x):
            y = x * 1.0
            set_tensor_attr(y, "_mark", 7)
            seen.append((get_tensor_attr(y, "_mark"), get_tensor_attr(x, "_mark")))
            return y

    # Also where the tensors of JAX are tracers, which have no attributes.
    model = keras.Sequential([keras.Input((2,)), Marked()])
    model.predict(np.ones((1, 2)), verbose=0)
    assert set(seen) == {(7, None)}
    scopes = []
    keras.src.backend.compute_output_spec(lambda x: scopes.append(in_symbolic_scope()) or x, keras.KerasTensor((2,)))
    assert (set(scopes), in_symbolic_scope()) == ({True}, False)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("loss", "scale"),
    [
        (PerRow(), 0.25),
        (PerRow(reduction="mean_with_sample_weight"), 0.25),
        (PerRow(reduction="sum"), 1.0),
        (PerRow(reduction=None), 1.0),
        (Scalar(), 1.0),
        (keras.losses.Dice(), 1.0),
        (keras.losses.Tversky(), 1.0),
    ],
    ids=lambda value: f"{value.name}-{value.reduction}" if isinstance(value, keras.losses.Loss) else None,
)
def test_only_a_mean_of_values_is_scaled_by_the_number_of_replicas(monkeypatch, loss, scale):
    import tensorflow as tf

    y_true, y_pred = np.eye(2, dtype="float32"), np.full((2, 2), 0.3, "float32")
    alone = numpy(loss(y_true, y_pred))
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: types.SimpleNamespace(num_replicas_in_sync=4))
    np.testing.assert_allclose(numpy(loss(y_true, y_pred)), scale * alone, rtol=1e-6)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch runs eagerly")
def test_an_if_on_a_tensor_fails_in_call():
    class Branching(keras.losses.Loss):
        def call(self, y_true, y_pred):
            values = ops.mean(y_true - y_pred, axis=-1)
            return values if ops.sum(values) > 0 else -values

    with pytest.raises(TypeError, match=r"bool"):
        compiled(Branching()).fit(X, Y, verbose=0)


@pytest.mark.tensorflow
def test_jit_compile_auto_is_off_on_a_cpu():
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("on where there is a GPU")
    assert compiled("mse").jit_compile is False


def test_the_loss_sees_float32_under_mixed_precision():
    seen = []

    class Recorder(PerRow):
        def call(self, y_true, y_pred):
            seen.append(keras.backend.standardize_dtype(y_pred.dtype))
            return super().call(y_true, y_pred)

    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        compiled(Recorder()).fit(X, Y, verbose=0)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert set(seen) == {"float32"}


def test_class_weight_and_sample_weight_exclude_each_other():
    with pytest.raises(ValueError, match="at the same time"):
        compiled("mse").fit(X, Y, class_weight={0: 1.0, 1: 2.0}, sample_weight=np.ones(4), verbose=0)


def test_class_weight_needs_a_single_output():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="single output"):
        model.fit(X, [Y, Y], class_weight={0: 1.0, 1: 2.0}, verbose=0)


# keras.ops


def gradient(function, value: float) -> float:
    if BACKEND == "tensorflow":
        import tensorflow as tf

        variable = tf.Variable(value)
        with tf.GradientTape() as tape:
            result = function(tf.identity(variable))
        return float(tape.gradient(result, variable))
    if BACKEND == "jax":
        import jax

        return float(jax.grad(function)(value))
    import torch

    variable = torch.tensor(value, requires_grad=True)
    function(variable).backward()
    return float(variable.grad)


def test_custom_gradient_passes_upstream_as_each_backend_does():
    calls = []

    @ops.custom_gradient
    def square(x):
        def grad(*args, upstream=None):
            calls.append((len(args), "positional" if upstream is None else "by name"))
            return (args[0] if upstream is None else upstream) * 2 * x

        return x * x, grad

    assert gradient(square, 3.0) == 6.0
    # PyTorch's positional ones are the arguments of the function.
    assert calls == [(1, "by name" if BACKEND == "torch" else "positional")]


def test_custom_gradient_uses_the_gradient_that_it_was_given():
    @ops.custom_gradient
    def identity(x):
        def grad(*args, upstream=None):
            return (args[0] if upstream is None else upstream) * 7.0

        return x * 1.0, grad

    assert gradient(identity, 3.0) == 7.0


def test_searchsorted_takes_one_sequence_only():
    with pytest.raises(ValueError, match="only supports 1-D"):
        ops.searchsorted(np.zeros((2, 3)), np.zeros((2, 3)))

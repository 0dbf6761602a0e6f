# SPDX-License-Identifier: Apache-2.0
"""The rules that hold for every loss, held against every registered loss."""

from __future__ import annotations

import inspect
import json
import re

import keras
import numpy as np
import pytest
from cases import Case, cases, every_case, every_case_in, of_each_family, required
from support import BACKEND, MODES, to_numpy, value_and_gradient

import tfloss_ext
from tfloss_ext import gradients, registry, testing
from tfloss_ext.base import BatchLoss
from tfloss_ext.boxes import BoxLoss
from tfloss_ext.overlap import RegionLoss
from tfloss_ext.pairing import ViewsLoss
from tfloss_ext.regression import ErrorLoss, RegressionLoss

KEYS = sorted(registry.classes())
every_loss = pytest.mark.parametrize("key", KEYS)
# Of two views of each sample, whose targets are not looked at.
VIEWS = {key for key in KEYS if issubclass(registry.classes()[key], ViewsLoss)}
# What these predict does not fit one number per sample.
NEED_SEVERAL = {"ciou", "cl_dice", "diou", "gaussian_nll", "giou", "iou", "soft_triple"} | VIEWS
NEED_SEVERAL |= {key for key in KEYS if issubclass(registry.classes()[key], (tfloss_ext.PairLoss, tfloss_ext.NPairs))}
COMPILED = [mode for mode in MODES if mode != "graph"]


def first(key: str) -> Case:
    return cases(key)[0]


def made(key: str, **arguments) -> tfloss_ext.Loss:
    """The loss with its defaults, and with arguments where it has none."""
    return tfloss_ext.get(key, **{**required(key), **arguments})


# Class and names


@every_loss
def test_class_is_public_and_a_keras_loss(key):
    cls = registry.classes()[key]
    assert getattr(tfloss_ext, cls.__name__) is cls
    assert issubclass(cls, keras.losses.Loss)


@every_loss
def test_every_name_gives_the_loss(key):
    cls = registry.classes()[key]
    for name in (key, *cls.aliases, f"tfloss_ext>{cls.__name__}"):
        assert type(tfloss_ext.get(name, **required(key))) is cls
        if not required(key):
            assert type(keras.losses.get(name)) is cls


@every_loss
def test_class_name_is_not_a_key(key):
    assert registry.classes()[key].__name__ not in tfloss_ext.names()


# Signature, config and bad input


@every_loss
def test_signature_ends_with_what_every_loss_has(key):
    *own, reduction, name, dtype = inspect.signature(registry.classes()[key]).parameters.values()
    assert [p.name for p in (reduction, name, dtype)] == ["reduction", "name", "dtype"]
    assert [p.default for p in (reduction, name, dtype)] == ["sum_over_batch_size", None, None]
    assert {p.kind for p in (reduction, name, dtype)} == {inspect.Parameter.KEYWORD_ONLY}
    assert {p.name for p in own if p.default is inspect.Parameter.empty} == set(required(key))


@every_loss
def test_name_defaults_to_the_key(key):
    assert made(key).name == key
    assert made(key, name="mine").name == "mine"


@every_loss
def test_config_is_json_with_every_argument(key):
    cls = registry.classes()[key]
    config = json.loads(json.dumps(made(key, dtype="float64").get_config()))
    assert set(config) == set(inspect.signature(cls).parameters)
    assert config["dtype"] == "float64"
    assert cls.from_config(config).get_config() == config


@every_case(thin=True)
def test_config_rebuilds_the_same_loss(case):
    case.check("config")


@every_loss
def test_nonsense_for_any_parameter_raises(key):
    cls = registry.classes()[key]
    for field in cls._fields.values():
        with pytest.raises(ValueError, match=rf"Expected {field.name} .*Received: {field.name}='nonsense'"):
            made(key, **{field.name: "nonsense"})


@every_loss
def test_public_docstring_is_complete(key):
    cls = registry.classes()[key]
    for part in ("Args:", "Shapes:", "Raises:", "Reference:", ">>>"):
        assert part in cls.__doc__, part
    for name in inspect.signature(cls).parameters:
        assert f"{name}:" in cls.__doc__, name


# Values and reductions


@every_loss
def test_values_are_per_sample_never_a_scalar(key):
    for case in cases(key):
        case.check("values")


@every_case(thin=True)
def test_reductions_agree_with_the_values(case):
    case.check("reductions")


# Weights


@every_case(thin=True)
def test_sample_weight_weighs_samples_whatever_the_rank(case):
    case.check("sample_weight")


@every_case_in(COMPILED, thin=True)
def test_a_sample_of_weight_zero_is_as_good_as_cut_out(case, mode):
    """Even where it holds NaN: value and gradient are those of the batch without it."""
    case.check("nan_at_zero_weight", [mode])


@every_case(thin=True)
def test_a_masked_sample_is_as_good_as_cut_out(case):
    case.check("nan_under_mask")


@every_case(thin=True)
def test_weights_of_a_wrong_shape_raise(case):
    with pytest.raises(ValueError, match=r"Expected sample_weight to match .* Received: sample_weight.shape="):
        case.loss()(case.y_true, case.y_pred, np.ones(len(case.y_pred) + 1))


# Shapes


@every_loss
def test_shapes_that_do_not_fit_raise_and_are_named(key):
    case = first(key)
    if key in VIEWS:
        with pytest.raises(ValueError, match=r"y_true.shape=None, y_pred.shape=\("):
            case.loss()(case.y_true, np.zeros((len(case.y_pred), 2, 7, 5)))
        return
    with pytest.raises(ValueError, match=r"y_true.shape=\(.*\), y_pred.shape=\("):
        case.loss()(np.zeros((len(case.y_pred), 2, 7, 5, 3, 2)), case.y_pred)
    if case.y_pred.ndim > 1:
        with pytest.raises(ValueError, match=r"y_true.shape=\(.*\), y_pred.shape=\("):
            case.loss()(np.concatenate([case.y_true] * 2), case.y_pred)


@pytest.mark.parametrize("key", sorted(NEED_SEVERAL))
def test_a_vector_is_refused_where_one_number_is_not_enough(key):
    loss = made(key, reduction=None)
    with pytest.raises(ValueError, match=r"y_pred\.shape"):
        loss(np.array([0, 1, 1, 0], first(key).y_true.dtype), np.array([0.1, 0.8, 0.4, 0.3], "float32"))


@pytest.mark.parametrize("key", sorted(set(KEYS) - NEED_SEVERAL))
def test_a_column_and_a_vector_are_aligned(key):
    # The numbers that a loss wants per class are as many as the classes of its case.
    single = next((case.parameters for case in cases(key) if case.y_pred.shape[1:] in ((), (1,))), {})
    loss = made(key, reduction=None, **{name: single[name] for name in required(key)})
    y, p = np.array([0, 1, 1, 0], first(key).y_true.dtype), np.array([0.1, 0.8, 0.4, 0.3], "float32")
    expected = to_numpy(loss(y[:, None], p[:, None]))
    assert expected.shape == (4,)
    for y_true, y_pred in ((y, p[:, None]), (y[:, None], p), (y, p)):
        np.testing.assert_array_equal(to_numpy(loss(y_true, y_pred)), expected)


# Precision


@every_case_in(COMPILED, thin=True)
def test_extremes_give_finite_values_and_gradients(case, mode):
    case.check("extremes", [mode])


@every_case(thin=True)
def test_a_batch_of_one_is_finite(case):
    case.check("batch_of_one")


@pytest.fixture
def plain_path():
    """A graph takes its operations in an order of its own, and rounds as it does."""
    tfloss_ext.set_compiled(False)
    yield
    tfloss_ext.set_compiled(True)


@every_case(thin=True)
def test_half_precision_is_raised_inside(case, plain_path):
    half = case.y_pred.astype("float16")
    expected = to_numpy(case.loss(reduction=None)(case.y_true, half.astype("float32")))
    for dtype in (None, "float16", "bfloat16", "mixed_float16"):
        values = to_numpy(case.loss(reduction=None, dtype=dtype)(case.y_true, half))
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, expected)


# Large arrays


@pytest.mark.skipif(BACKEND == "jax", reason="compilers need no slices")
@every_case(thin=True)
def test_slices_give_what_the_whole_gives(case, monkeypatch):
    if case.couples:
        pytest.skip("samples that depend on each other stay together")
    # TensorFlow's slices are of sixteen rows at least.
    times = -(-40 // len(case.y_pred))
    y_true, y_pred = (np.concatenate([array] * times) for array in (case.y_true, case.y_pred.astype("float32")))
    whole = value_and_gradient(case.loss(reduction="sum"), y_true, y_pred)
    monkeypatch.setattr(gradients, "SLICE_ELEMENTS", 1)
    assert len(gradients._slices(keras.ops.convert_to_tensor(y_pred))) > 1
    for one, other in zip(value_and_gradient(case.loss(reduction="sum"), y_true, y_pred), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6 * np.abs(other).max(initial=0))


@pytest.mark.skipif(BACKEND != "torch", reason="of PyTorch, where values and slopes are found together")
@pytest.mark.parametrize("key", ["focal", "categorical_focal", "dice_loss", "log_cosh_loss"])
def test_slopes_of_slices_have_slopes(key, monkeypatch):
    import torch

    case = first(key)
    y_pred = torch.tensor(np.asarray(case.y_pred, "float32"), requires_grad=True)

    def second() -> np.ndarray:
        (slope,) = torch.autograd.grad(case.loss()(case.y_true, y_pred), y_pred, create_graph=True)
        return to_numpy(torch.autograd.grad((slope**2).sum(), y_pred)[0])

    whole = second()
    monkeypatch.setattr(gradients, "SLICE_ELEMENTS", 1)
    assert np.abs(whole).max() > 0
    np.testing.assert_allclose(second(), whole, rtol=1e-5, atol=1e-6 * np.abs(whole).max())


# Everywhere

# What is held above in one case in five, and what takes a process, or other tests hold more of it.
ELSEWHERE = {"config", "values", "reductions", "sample_weight", "nan_at_zero_weight", "nan_under_mask", "extremes"}
ELSEWHERE |= {
    "batch_of_one",
    "empty_batch",
    "modes",
    "gradient_modes",
    "fresh_process",
    "replicas",
    "oracle",
    "oracle_gradient",
}
OTHER_CHECKS = [name for name in testing.check_names() if name not in ELSEWHERE]


@pytest.mark.parametrize(
    "key", [pytest.param(key, marks=() if key in of_each_family() else pytest.mark.slow) for key in KEYS]
)
@pytest.mark.parametrize("name", OTHER_CHECKS)
def test_every_other_check_holds(key, name):
    first(key).check(name, MODES[:1])


@pytest.mark.tensorflow
@every_case_in(["graph", "xla"], thin=True)
def test_unknown_batch_size(case, mode):
    case.check("modes", [mode])


@every_loss
def test_repr_shows_what_differs_from_the_defaults(key):
    cls = registry.classes()[key]
    needed = [f"{name}={value!r}" for name, value in required(key).items()]
    assert repr(made(key)) == f"{cls.__name__}({', '.join(needed)})"
    needed.append("name='mine'")
    assert repr(made(key, name="mine")) == f"{cls.__name__}({', '.join(needed)})"


@pytest.mark.skipif(BACKEND == "jax", reason="JAX keeps 32-bit integers unless told otherwise")
def test_any_two_int64_ids_stay_different():
    x = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0], [5.0, 5.0]], "float32")
    near = np.array([2**62, 2**62, 2**62 + 1, 2**62 + 1])
    loss = tfloss_ext.Triplet()
    expected = to_numpy(loss(np.array([0, 0, 1, 1]), x))
    np.testing.assert_array_equal(to_numpy(loss(near, x)), expected)
    np.testing.assert_array_equal(to_numpy(loss(keras.ops.convert_to_tensor(near, dtype="int64"), x)), expected)


@pytest.mark.tensorflow
@pytest.mark.parametrize("key", ["log_cosh_loss", "focal", "categorical_focal", "dice_loss", "giou"])
@pytest.mark.parametrize("shape", [(4, 1), (1, 4), (3, 4)])
def test_what_turns_out_not_to_fit_as_it_runs_raises_too(key, shape):
    import tensorflow as tf

    unknown = tf.TensorSpec((None, None), tf.float32)
    run = tf.function(made(key), input_signature=[unknown, tf.TensorSpec((None, 4), tf.float32)], autograph=False)
    p = np.full((4, 4), 0.25, "float32")
    assert np.isfinite(run(p, p))
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(np.ones(shape, "float32"), p)


@pytest.mark.tensorflow
@every_loss
def test_an_unknown_class_axis_works_or_raises_an_error_that_names_the_shape(key):
    import tensorflow as tf

    ways = {(case.y_true.ndim, case.y_pred.ndim, case.y_pred.shape[-1] == 1): case for case in cases(key)}
    for case in ways.values():
        specs = [tf.TensorSpec([None] * array.ndim, array.dtype) for array in (case.y_true, case.y_pred)]
        try:
            values = tf.function(case.loss(), input_signature=specs, autograph=False)(case.y_true, case.y_pred).numpy()
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            named = rf"{type(case.loss()).__name__}: Expected .*y_pred\.shape=\((None,|\.\.\., None)"
            # Targets of as many axes may turn out to be ids.
            values = None if re.match(named, str(error)) or "must be equal" in str(error) else str(error)
        if values is not None:
            np.testing.assert_allclose(values, case.loss()(case.y_true, case.y_pred).numpy(), rtol=1e-5)


@every_loss
def test_symbols_give_a_symbol(key):
    case = first(key)
    symbols = [keras.KerasTensor(array.shape, str(array.dtype)) for array in (case.y_true, case.y_pred)]
    expected = to_numpy(case.loss(reduction=None)(case.y_true, case.y_pred)).shape
    for loss, shape in ((case.loss(), ()), (case.loss(reduction=None), expected)):
        found = loss(*symbols)
        assert isinstance(found, keras.KerasTensor)
        assert (tuple(found.shape), found.dtype) == (shape, "float32")


@pytest.mark.parametrize("key", sorted(set(KEYS) - VIEWS))
def test_targets_that_are_missing_raise(key):
    with pytest.raises(ValueError, match=r"Expected .*y_true(\.shape)?=None"):
        made(key)(None, np.ones((2, 4), "float32"))


@pytest.mark.parametrize(
    ("family", "missing"),
    [
        (tfloss_ext.Loss, "call(y_true, y_pred)"),
        (BatchLoss, "call(y_true, y_pred, kept)"),
        (BoxLoss, "penalty(pair)"),
        (RegionLoss, "images(y_true, y_pred, weight)"),
        (RegressionLoss, "penalty(y_true, y_pred)"),
        (ErrorLoss, "cost(error)"),
    ],
)
def test_a_loss_of_ones_own_without_its_maths_says_what_is_missing(family, missing):
    class Unfinished(family):
        pass

    with pytest.raises(TypeError, match=re.escape(f"Expected Unfinished to define a method {missing}: ")):
        Unfinished()(np.zeros((2, 4)), np.ones((2, 4)))

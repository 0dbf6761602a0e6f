# SPDX-License-Identifier: Apache-2.0
"""The cosines of CosineHead: shapes, norms, centres, gradients, masks, precision, and what is saved."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from keras import ops
from support import BACKEND, MODES, slope, to_numpy, value_and_gradient

import tfloss_ext
from tfloss_ext import CosineHead

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5)).astype("float32")

pytestmark = [
    # h5py (saving) and PyTorch (fit) ask the arrays of Keras for what NumPy 2 has renamed.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context and return_scalar:DeprecationWarning"),
]


def cosines(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    x, kernel = x.astype("float64"), kernel.astype("float64")
    return np.array([[row @ k / np.linalg.norm(row) / np.linalg.norm(k) for k in kernel.T] for row in x])


@pytest.mark.parametrize("before", [(4,), (4, 3), (4, 2, 3)])
@pytest.mark.parametrize(
    ("arguments", "after"),
    [
        ({}, (6,)),
        ({"pool": False}, (6, 1)),
        ({"sub_centers": 3}, (6,)),
        ({"sub_centers": 3, "pool": False}, (6, 3)),
    ],
)
def test_shapes(before, arguments, after):
    head = CosineHead(6, **arguments)
    found = head(RNG.normal(size=(*before, 5)))
    assert tuple(found.shape) == (*before, *after) == head.compute_output_shape((*before, 5))
    symbol = CosineHead(6, **arguments)(keras.Input((*before[1:], 5)))
    assert tuple(symbol.shape) == (None, *before[1:], *after)
    assert tuple(head.kernel.shape) == (5, 6 * arguments.get("sub_centers", 1))


def test_an_unknown_axis_in_the_midst_works():
    model = keras.Sequential([keras.Input((None, 5)), CosineHead(6, sub_centers=2)])
    assert model.output_shape == (None, None, 6)
    assert tuple(model(np.ones((2, 7, 5))).shape) == (2, 7, 6)


def test_the_values_are_cosines():
    head = CosineHead(6)
    found = to_numpy(head(X))
    np.testing.assert_allclose(found, cosines(X, to_numpy(head.kernel)), rtol=1e-5, atol=1e-6)
    # Lengths do not matter, neither of embeddings nor of centres, up to the ends of float32.
    for size in (1e-20, 1e-3, 1e4, 1e20):
        np.testing.assert_allclose(to_numpy(head(X * np.float32(size))), found, rtol=1e-5, atol=1e-6)
    head.kernel.assign(head.kernel * 7.0)
    np.testing.assert_allclose(to_numpy(head(X)), found, rtol=1e-5, atol=1e-6)


def test_an_embedding_at_a_centre_has_cosine_one_and_opposite_it_minus_one():
    head = CosineHead(3)
    head.build((None, 5))
    centers = to_numpy(head.kernel).T
    np.testing.assert_allclose(np.diag(to_numpy(head(centers * 9))), 1.0, rtol=1e-6)
    np.testing.assert_allclose(np.diag(to_numpy(head(-centers))), -1.0, rtol=1e-6)


def test_of_several_centres_the_nearest_counts():
    apart, head = CosineHead(2, sub_centers=3, pool=False), CosineHead(2, sub_centers=3)
    every = to_numpy(apart(X))
    head.build(X.shape)
    head.kernel.assign(apart.kernel)
    np.testing.assert_allclose(every.reshape(4, 6), cosines(X, to_numpy(apart.kernel)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(to_numpy(head(X)), every.max(axis=-1))


@pytest.mark.parametrize("sub_centers", [1, 3])
def test_a_zero_vector_is_harmless(sub_centers):
    head = CosineHead(2, sub_centers=sub_centers)
    head.build(X.shape)
    head.kernel.assign(np.where(np.arange(2 * sub_centers) == 0, 0.0, to_numpy(head.kernel)))
    x = np.concatenate([X, np.zeros((1, 5), "float32")])
    value, gradient = value_and_gradient(lambda _, x, __: head(x), None, x)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert not to_numpy(head(x))[-1].any()
    assert not gradient[-1].any()


@pytest.mark.parametrize("mode", MODES)
def test_the_gradient_is_the_slope(mode):
    head = CosineHead(3, sub_centers=2)
    head.build(X.shape)
    kernel, factors = to_numpy(head.kernel), np.linspace(0.5, 2.0, 12).reshape(4, 3)

    def reference(x):
        return float((cosines(x, kernel).reshape(4, 3, 2).max(axis=-1) * factors).sum())

    weighed = ops.convert_to_tensor(factors, dtype="float32")
    _, gradient = value_and_gradient(lambda _, x, __: head(x) * weighed, None, X, mode=mode)
    np.testing.assert_allclose(gradient, slope(reference, X), rtol=1e-3, atol=1e-5)
    # A step along an embedding changes nothing.
    np.testing.assert_allclose((gradient * X).sum(axis=-1), 0.0, atol=1e-5)


def test_the_centres_learn():
    model = keras.Sequential([keras.Input((5,)), CosineHead(3)])
    model.compile(keras.optimizers.SGD(0.1), tfloss_ext.CosFace(scale=4.0))
    before = to_numpy(model.layers[0].kernel)
    losses = model.fit(X, np.array([0, 1, 2, 0]), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert np.abs(to_numpy(model.layers[0].kernel) - before).max() > 1e-2


def test_a_mask_passes():
    x = RNG.normal(size=(2, 4, 5)).astype("float32")
    x[0, 2:] = 0
    for arguments in ({}, {"sub_centers": 2, "pool": False}):
        inputs = keras.Input((4, 5))
        outputs = CosineHead(3, **arguments)(keras.layers.Masking()(inputs))
        model = keras.Model(inputs, outputs)
        np.testing.assert_array_equal(to_numpy(model(x)._keras_mask), (x != 0).any(-1))


# Precision


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_mixed_precision_gives_half_precision_unless_told_otherwise(half):
    policy = f"mixed_{half}"
    head, wide = CosineHead(6, dtype=policy), CosineHead(6, dtype="float32")
    for layer in (head, wide):
        layer.build(X.shape)
    wide.kernel.assign(head.kernel)
    assert keras.backend.standardize_dtype(head.kernel.dtype) == "float32"
    # Their squares are infinite in float16.
    x = (X * 1e3).astype("float16")
    found, exact = head(x), wide(x)
    assert keras.backend.standardize_dtype(found.dtype) == half
    assert keras.backend.standardize_dtype(exact.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(ops.cast(found, "float32")), to_numpy(exact), atol=2e-2)
    np.testing.assert_allclose(to_numpy(exact), cosines(x, to_numpy(head.kernel)), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX computes in float32 unless told otherwise")
def test_float64_stays():
    head = CosineHead(6, dtype="float64")
    found = to_numpy(head(X.astype("float64")))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, cosines(X, to_numpy(head.kernel)), rtol=1e-12)


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "Expected units to be a whole number >= 1. Received: units=0"),
        ({"units": 2.5}, "Expected units to be a whole number >= 1. Received: units=2.5"),
        ({"units": 3, "sub_centers": 0}, "Expected sub_centers to be a whole number >= 1. Received: sub_centers=0"),
        ({"units": 3, "pool": "max"}, "Expected pool to be True or False. Received: pool='max'"),
    ],
)
def test_bad_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        CosineHead(**arguments)


def test_inputs_of_unknown_width_raise():
    with pytest.raises(ValueError, match=r"Expected inputs \(..., D\) with a known D. Received: input_shape=\(None, "):
        CosineHead(3).build((None, None))
    head = CosineHead(3)
    head.build((None, 5))
    with pytest.raises(ValueError, match="axis -1"):
        head(np.ones((2, 4), "float32"))


def test_the_kernel_is_made_regularized_and_constrained_as_told():
    head = CosineHead(
        2,
        sub_centers=2,
        kernel_initializer=keras.initializers.Constant(2.0),
        kernel_regularizer=keras.regularizers.L2(0.5),
        kernel_constraint=keras.constraints.UnitNorm(axis=0),
    )
    head(X)
    np.testing.assert_array_equal(to_numpy(head.kernel), np.full((5, 4), 2.0))
    assert to_numpy(sum(head.losses)) == pytest.approx(0.5 * 4 * 20)
    model = keras.Sequential([head])
    model.compile("sgd", "cosface")
    model.fit(X, np.array([0, 1, 0, 1]), verbose=0)
    np.testing.assert_allclose(np.linalg.norm(to_numpy(head.kernel), axis=0), 1.0, rtol=1e-5)


ARGUMENTS = {
    "units": 3,
    "sub_centers": 2,
    "pool": False,
    "kernel_initializer": "he_normal",
    "kernel_regularizer": "l2",
    "kernel_constraint": "unit_norm",
    "name": "centers",
    "dtype": "float32",
    "trainable": False,
}


def test_the_config_has_every_argument():
    head = CosineHead(**ARGUMENTS)
    config = head.get_config()
    assert json.loads(json.dumps(config)) == config
    assert set(ARGUMENTS) <= set(config)
    again = CosineHead.from_config(config)
    assert again.get_config() == config
    assert (again.units, again.sub_centers, again.pool, again.trainable) == (3, 2, False, False)
    assert isinstance(again.kernel_initializer, keras.initializers.HeNormal)
    assert keras.saving.get_registered_name(CosineHead) == "tfloss_ext>CosineHead"


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_saved_model_gives_the_same_cosines(tmp_path, ending):
    head = CosineHead(3, sub_centers=2, kernel_regularizer=keras.regularizers.L2(1e-3))
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), head])
    model.compile("sgd", tfloss_ext.ArcFace(margin=0.3))
    ids = np.array([0, 1, 2, 0])
    model.fit(X, ids, verbose=0)
    model.save(tmp_path / f"model.{ending}")
    again = keras.models.load_model(tmp_path / f"model.{ending}")
    assert isinstance(again.layers[-1], CosineHead)
    assert again.layers[-1].get_config() == head.get_config()
    np.testing.assert_allclose(to_numpy(again(X)), to_numpy(model(X)), rtol=1e-6)
    assert again.evaluate(X, ids, verbose=0) == pytest.approx(model.evaluate(X, ids, verbose=0), rel=1e-5)

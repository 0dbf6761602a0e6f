# SPDX-License-Identifier: Apache-2.0
"""An encoder that is trained in chunks takes the step that it takes as a whole."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from support import to_numpy

from tfloss_ext import CachedEncoder, InfoNCE, LogitScale

IMAGES, TEXTS = np.random.default_rng(0).normal(size=(2, 22, 6)).astype("float32")


def encoder(inputs=6, *more):
    return keras.Sequential([keras.Input((inputs,)), layers.Dense(8, "gelu", kernel_regularizer="l2"), *more])


def two_towers(chunk_size):
    keras.utils.set_random_seed(1)
    tower = encoder(6, layers.LayerNormalization(), layers.Dense(4))
    tower = tower if chunk_size is None else CachedEncoder(tower, chunk_size)
    image, text = keras.Input((6,)), keras.Input((6,))
    model = keras.Model([image, text], {"pair": LogitScale()([tower(image), tower(text)])})
    model.compile(keras.optimizers.SGD(0.02), loss={"pair": InfoNCE(temperature=None)})
    return model


def trained(model):
    # 22 = 12 + 10: the last batch is smaller, and has a chunk more or less.
    y = {"pair": np.zeros(22)}
    return model.fit([IMAGES, TEXTS], y, batch_size=12, epochs=2, shuffle=False, verbose=0).history["loss"]


@pytest.fixture(scope="module")
def whole():
    model = two_towers(None)
    return trained(model), model.get_weights()


@pytest.mark.parametrize("chunk_size", [5, *(pytest.param(size, marks=pytest.mark.slow) for size in (1, 6, 12, 100))])
def test_chunks_take_the_step_of_the_whole_batch(whole, chunk_size):
    model = two_towers(chunk_size)
    np.testing.assert_allclose(trained(model), whole[0], rtol=1e-6)
    for weight, expected in zip(model.get_weights(), whole[1], strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-6)


def test_predictions_and_what_is_saved_are_those_of_the_encoder(tmp_path):
    model = two_towers(5)
    trained(model)
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.models.load_model(path)
    cached = next(layer for layer in again.layers if isinstance(layer, CachedEncoder))
    assert cached.chunk_size == 5
    for one, other in zip(model.predict([IMAGES, TEXTS])["pair"], again.predict([IMAGES, TEXTS])["pair"], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(to_numpy(cached.encoder(TEXTS)), other, atol=1e-6)
    trained(again)


class OfBoth(layers.Layer):
    """Of words and numbers, by a name each."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.words, self.dense = layers.Embedding(7, 4), layers.Dense(4)

    def build(self, shapes):
        self.words.build(shapes["words"])
        self.dense.build(shapes["numbers"])

    def call(self, inputs):
        return keras.ops.mean(self.words(inputs["words"]), axis=1) + self.dense(inputs["numbers"])

    def compute_output_shape(self, shapes):
        return (*shapes["numbers"][:-1], 4)


def test_inputs_of_several_types_by_name():
    words, numbers = np.random.default_rng(1).integers(0, 7, (11, 3)), IMAGES[:11]
    weights = []
    for chunk_size in (None, 4):
        keras.utils.set_random_seed(1)
        inputs = {
            "words": keras.Input((3,), dtype="int32", name="words"),
            "numbers": keras.Input((6,), name="numbers"),
        }
        tower = OfBoth() if chunk_size is None else CachedEncoder(OfBoth(), chunk_size)
        model = keras.Model(inputs, tower(inputs))
        model.compile(keras.optimizers.SGD(0.1), "triplet")
        model.fit({"words": words, "numbers": numbers}, np.arange(11) % 3, batch_size=11, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_layers_below_are_trained_too():
    weights = []
    for chunk_size in (None, 4):
        keras.utils.set_random_seed(1)
        tower = encoder()
        below = [keras.Input((6,)), layers.Dense(6, "tanh")]
        model = keras.Sequential([*below, tower if chunk_size is None else CachedEncoder(tower, chunk_size)])
        model.compile(keras.optimizers.SGD(0.1), "triplet")
        model.fit(IMAGES, np.arange(22) % 3, batch_size=22, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


class Direction(layers.Layer):
    """Of length 1; nothing has none."""

    def call(self, x):
        return x / keras.ops.sqrt(keras.ops.sum(keras.ops.square(x), axis=-1, keepdims=True))


def test_a_chunk_that_is_not_full_asks_for_nothing_of_nothing():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((6,)), CachedEncoder(keras.Sequential([keras.Input((6,)), Direction(), layers.Dense(4)]), 4)]
    )
    model.compile(keras.optimizers.SGD(0.1), "triplet")
    model.fit(IMAGES[:11], np.arange(11) % 3, batch_size=11, verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_dropout_draws_the_same_in_both_runs_and_others_in_each_chunk_and_step():
    keras.utils.set_random_seed(1)
    one = layers.Dense(1, use_bias=False, kernel_initializer="ones")
    tower = keras.Sequential([keras.Input((50,)), layers.Dropout(0.5), one])

    class Mean(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return y_pred[:, 0]

    # Linear in the kernel k: the slopes along k add up to the loss.
    model = keras.Sequential([keras.Input((50,)), CachedEncoder(tower, 4)])
    model.compile(keras.optimizers.SGD(1.0), Mean())
    x, losses = np.ones((8, 50)), []
    for _ in range(3):
        before = model.get_weights()[0]
        losses.append(model.train_on_batch(x, np.zeros(8)))
        after = model.get_weights()[0]
        np.testing.assert_allclose(((before - after) * before).sum(), losses[-1], rtol=1e-5)
        one.set_weights([np.ones((50, 1))])
    assert len(set(np.round(np.asarray(losses, "float64"), 4))) == 3
    rows = to_numpy(model.layers[-1](x, training=True))
    assert not np.array_equal(rows[:4], rows[4:])


def test_half_precision():
    keras.utils.set_random_seed(1)
    tower = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, "gelu", dtype="mixed_bfloat16"), layers.Dense(4, dtype="mixed_bfloat16")]
    )
    model = keras.Sequential([keras.Input((6,)), CachedEncoder(tower, 4)])
    model.compile(keras.optimizers.SGD(0.05), "triplet")
    losses = model.fit(IMAGES, np.arange(22) % 3, batch_size=22, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_a_compiled_step():
    if keras.backend.backend() == "torch":
        pytest.skip("PyTorch has no such mode")
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), CachedEncoder(encoder(), 4)])
    model.compile(keras.optimizers.SGD(0.01), "sup_con", jit_compile=True)
    losses = model.fit(IMAGES, np.arange(22) % 3, batch_size=22, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_a_state_that_training_changes_is_refused():
    model = keras.Sequential([keras.Input((6,)), CachedEncoder(encoder(6, layers.BatchNormalization()), 4)])
    model.compile("sgd", "triplet")
    with pytest.raises(ValueError, match=r"LayerNormalization in place of BatchNormalization. Received: .*moving_mean"):
        model.fit(IMAGES, np.arange(22) % 3, verbose=0)


@pytest.mark.parametrize("chunk_size", [0, -1, 1.5])
def test_a_chunk_has_a_whole_number_of_samples(chunk_size):
    with pytest.raises(ValueError, match=rf"Expected chunk_size.*Received: chunk_size={chunk_size}"):
        CachedEncoder(encoder(), chunk_size)

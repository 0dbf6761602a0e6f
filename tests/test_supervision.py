# SPDX-License-Identifier: Apache-2.0
"""One loss over outputs of several resolutions."""

import json

import keras
import numpy as np
import pytest
from support import to_numpy

from tfloss_ext import DeepSupervision, Dice, Focal, Triplet

RNG = np.random.default_rng(0)
SIZES = (8, 4, 2)
IDS = RNG.integers(0, 3, (2, 8, 8))
ONE_HOT = np.eye(3, dtype="float32")[IDS]
OUTPUTS = tuple(RNG.dirichlet(np.ones(3), (2, size, size)).astype("float32") for size in SIZES)


def at(y, size):
    """What lies in the middle of each block of positions, of an even number of them the first after it."""
    step = 8 // size
    return y[:, step // 2 :: step, step // 2 :: step]


def expected(loss, y, weights, sample_weight=None, positions=False):
    def weight_at(size):
        return at(sample_weight, size) if positions else sample_weight

    values = [float(to_numpy(loss(at(y, s), p, weight_at(s)))) for s, p in zip(SIZES, OUTPUTS, strict=True)]
    return np.average(values, weights=weights)


@pytest.mark.parametrize("loss", [Dice(), keras.losses.CategoricalCrossentropy()], ids=["ours", "keras"])
@pytest.mark.parametrize(("given", "weights"), [(None, [1, 0.5, 0.25]), ([3, 0, 1], [3, 0, 1])])
def test_the_weighted_mean_over_the_resolutions(loss, given, weights):
    found = DeepSupervision(loss, given)(ONE_HOT, OUTPUTS)
    np.testing.assert_allclose(to_numpy(found), expected(loss, ONE_HOT, weights), rtol=1e-5)


@pytest.mark.parametrize("y", [IDS, IDS[..., None], ONE_HOT], ids=["ids", "ids with an axis", "one-hot"])
def test_targets_of_any_shape(y):
    found = DeepSupervision("dice_loss")(y, OUTPUTS)
    np.testing.assert_allclose(to_numpy(found), expected(Dice(), ONE_HOT, [4, 2, 1]), rtol=1e-5)


def test_weights_of_samples_and_of_positions():
    of_samples, of_positions = np.array([1.0, 3.0]), RNG.random((2, 8, 8))
    found = to_numpy(DeepSupervision(Dice())(IDS, OUTPUTS, of_samples))
    np.testing.assert_allclose(found, expected(Dice(), IDS, [4, 2, 1], of_samples), rtol=1e-5)
    found = to_numpy(DeepSupervision(Dice())(IDS, OUTPUTS, of_positions))
    np.testing.assert_allclose(found, expected(Dice(), IDS, [4, 2, 1], of_positions, positions=True), rtol=1e-5)


def test_sizes_that_do_not_divide_and_outputs_finer_than_the_targets():
    y = np.arange(5.0)[None, :, None]
    loss = DeepSupervision(keras.losses.MeanAbsoluteError())
    np.testing.assert_allclose(to_numpy(loss(y, (np.array([[[0.0], [2.0], [4.0]]]),))), 0.0)
    doubled = np.array([[[0.0], [0.0], [1.0], [1.0], [2.0], [2.0], [3.0], [3.0], [4.0], [4.0]]])
    np.testing.assert_allclose(to_numpy(loss(y, (y, doubled))), 0.0)


def test_it_trains_is_saved_and_reloaded(tmp_path):
    image = keras.Input((8, 8, 1))
    half = keras.layers.AveragePooling2D(2)(image)
    heads = [keras.layers.Conv2D(3, 3, padding="same", activation="softmax")(x) for x in (image, half)]
    model = keras.Model(image, {"regions": tuple(heads), "class": keras.layers.Flatten()(heads[1])})
    loss = {"regions": 0.5 * DeepSupervision(Focal() + Dice()), "class": "mse"}
    model.compile("sgd", loss=loss)
    x, y = RNG.random((4, 8, 8, 1)).astype("float32"), {"regions": np.eye(3)[RNG.integers(0, 3, (4, 8, 8))]}
    y["class"] = np.zeros((4, 48))
    before = [np.array(weight) for weight in model.get_weights()]
    model.fit(x, y, batch_size=3, verbose=0)
    assert all((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
    found = model.evaluate(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.evaluate(x, y, verbose=0), found, rtol=1e-6)
    outputs = model.predict(x, verbose=0)
    parts = [
        to_numpy((Focal() + Dice())(y["regions"][:, k // 2 :: k, k // 2 :: k], p))
        for k, p in zip((1, 2), outputs["regions"], strict=True)
    ]
    expected_loss = 0.5 * np.average(parts, weights=[2, 1]) + np.mean(outputs["class"] ** 2)
    np.testing.assert_allclose(np.ravel(found)[0], expected_loss, rtol=1e-5)


def test_the_config_rebuilds_it():
    loss = DeepSupervision(Focal(gamma=3.0) + Dice(), [2, 1], name="deep")
    config = json.loads(json.dumps(loss.get_config()))
    again = DeepSupervision.from_config(config)
    assert again.get_config() == config
    assert (again.name, again.weights, repr(again.loss)) == ("deep", [2.0, 1.0], "Focal(gamma=3.0) + Dice()")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: DeepSupervision(Dice(), [1, -1]), "Expected weights >= 0"),
        (lambda: DeepSupervision(Dice(), [0, 0]), "Expected a weight above 0"),
        (lambda: DeepSupervision(Dice(), 1.0), "Expected weights"),
        (lambda: DeepSupervision(Dice(reduction=None)), "reduced to a number"),
        (lambda: DeepSupervision(Dice(), [1, 1])(IDS, OUTPUTS), "Expected a weight for each of 3 outputs"),
        (lambda: DeepSupervision(Triplet())(IDS, OUTPUTS), "Triplet"),
    ],
)
def test_what_does_not_fit_is_refused(made, message):
    with pytest.raises(ValueError, match=message):
        made()

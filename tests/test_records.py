# SPDX-License-Identifier: Apache-2.0
"""What each sample costs as a model is trained."""

import keras
import numpy as np
import pytest
from support import to_numpy

from tfloss_ext import CategoricalFocal, Dice, HardExamples, Poly1, SampleLosses, SupCon

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


def model_of(loss, units=2, activation="softmax"):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, activation=activation)])
    model.compile(keras.optimizers.SGD(0.5), loss=loss)
    return model


@pytest.mark.parametrize(
    "loss",
    [
        "categorical_focal",
        CategoricalFocal(gamma=0.0, reduction="sum"),
        "sparse_categorical_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(),
        0.5 * CategoricalFocal() + keras.losses.SparseCategoricalCrossentropy(),
        HardExamples(Poly1(), 1.0),
    ],
    ids=lambda loss: loss if isinstance(loss, str) else type(loss).__name__,
)
def test_the_mean_of_what_is_recorded_is_what_evaluate_says(loss):
    model = model_of(loss)
    record = SampleLosses(X, Y, batch_size=7)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[record])
    assert [losses.shape for losses in record.losses] == [(20,), (20,)]
    total = 20 if getattr(loss, "reduction", None) == "sum" else 1
    found = model.evaluate(X, Y, batch_size=20, verbose=0)
    np.testing.assert_allclose(total * record.losses[-1].mean(), found, rtol=1e-5)


def test_a_wrong_label_is_found():
    wrong = Y.copy()
    wrong[[4, 11]] = 1 - wrong[[4, 11]]
    x = X.copy()
    x[:, 0] = np.where(Y, 1.0, -1.0) * (1 + np.abs(x[:, 0]))
    record = SampleLosses(x, wrong)
    model_of("categorical_focal").fit(x, wrong, epochs=8, verbose=0, callbacks=[record])
    assert set(record.hardest(2)) == {4, 11}


def test_another_loss_weights_and_values_of_positions():
    images, masks = RNG.random((5, 4, 4, 1)).astype("float32"), RNG.integers(0, 2, (5, 4, 4, 1))
    weight = np.arange(5.0)
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")])
    model.compile("sgd", loss="binary_focal")
    records = [SampleLosses(images, masks), SampleLosses(images, masks, weight, loss=Dice(), batch_size=2)]
    model.fit(images, masks, verbose=0, callbacks=records)
    p = model.predict(images, verbose=0)
    np.testing.assert_allclose(records[1].losses[0], weight * to_numpy(Dice(reduction=None)(masks, p)), rtol=1e-5)
    bce = -np.log(np.where(masks == 1, p, 1 - p))
    focal = np.where(masks == 1, 0.25, 0.75) * np.where(masks == 1, 1 - p, p) ** 2 * bce
    np.testing.assert_allclose(records[0].losses[0], focal.mean((1, 2, 3)), rtol=1e-4)


def test_one_of_several_outputs_and_a_report(capsys):
    inputs = keras.Input((3,))
    outputs = {"kind": keras.layers.Dense(2, activation="softmax")(inputs), "size": keras.layers.Dense(1)(inputs)}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", loss={"kind": "categorical_focal", "size": "mse"})
    y, record = {"kind": Y, "size": X[:, :1]}, SampleLosses(X, Y, output="kind", report=2)
    model.fit(X, y, verbose=0, callbacks=[record])
    first, second = record.hardest(2)
    shown = f"epoch 1: the hardest samples are {first} ({record.losses[0][first]:.4g}), {second} ("
    assert shown in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"Expected output to say which of \['kind', 'size'\]"):
        model.fit(X, y, verbose=0, callbacks=[SampleLosses(X, Y)])


def test_losses_over_the_batch_and_a_new_training():
    model, record = model_of("sup_con", 4, None), SampleLosses(X, Y, batch_size=20)
    model.fit(X, Y, verbose=0, callbacks=[record])
    expected = to_numpy(SupCon(reduction=None)(Y, model.predict(X, verbose=0)))
    np.testing.assert_allclose(record.losses[0], expected, rtol=1e-4, atol=1e-5)
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[record])
    assert len(record.losses) == 3


def test_a_loss_without_values_and_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="a value for each sample"):
        model_of(keras.losses.Dice()).fit(X, np.eye(2)[Y], verbose=0, callbacks=[SampleLosses(X, np.eye(2)[Y])])
    with pytest.raises(ValueError, match="Expected batch_size to be a whole number >= 1"):
        SampleLosses(X, Y, batch_size=0)
    with pytest.raises(ValueError, match="Expected report"):
        SampleLosses(X, Y, report=-1)

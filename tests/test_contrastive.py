# SPDX-License-Identifier: Apache-2.0
"""NT-Xent, InfoNCE and SigLIP: views placed by angle, blocks of rows, and a scale that is learned."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from support import BACKEND, MODES, SLOWLY_COMPILED, float64, to_numpy, value_and_gradient

from tfloss_ext import InfoNCE, LogitScale, NTXent, SigLIP

LOSSES = [InfoNCE(), InfoNCE(symmetric=False), InfoNCE(temperature=0.01), SigLIP(), NTXent()]


def at_angles(*degrees):
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=-1).astype("float32")


# Two samples: their views 60 degrees apart, and 90 from all views of the other, or 30 or 150.
VIEWS = at_angles([0, 60], [90, 150])


def test_info_nce_by_angles():
    # cos 60 = 1/2 against cos 150 = -sqrt(3)/2 and cos(90 - 60) = sqrt(3)/2.
    t, near, far = 0.5, 0.5, np.sqrt(3) / 2
    rows = np.log1p(np.exp(np.array([-far - near, far - near]) / t))
    columns = rows[::-1]
    one_way = to_numpy(InfoNCE(temperature=t, symmetric=False, reduction=None)(None, VIEWS))
    np.testing.assert_allclose(one_way, rows, rtol=1e-5)
    both = to_numpy(InfoNCE(temperature=t, reduction=None)(None, VIEWS))
    np.testing.assert_allclose(both, (rows + columns) / 2, rtol=1e-5)


def test_siglip_by_angles():
    logits = np.array([[0.5, -np.sqrt(3) / 2], [np.sqrt(3) / 2, 0.5]]) * 10 - 3
    expected = np.log1p(np.exp([[-1, 1], [1, -1]] * logits)).sum(1)
    np.testing.assert_allclose(to_numpy(SigLIP(bias=-3.0, reduction=None)(None, VIEWS)), expected, rtol=1e-5)


def test_nt_xent_by_angles():
    # Of 0: 60 | 90, 150. Of 60: 60 | 30, 90. Of 90: 60 | 90, 30. Of 150: 60 | 150, 90.
    cosine = {30: np.sqrt(3) / 2, 60: 0.5, 90: 0.0, 150: -np.sqrt(3) / 2}
    costs = [np.log1p(sum(np.exp(cosine[k] - cosine[60]) for k in rest)) for rest in ((90, 150), (30, 90))]
    expected = [np.mean(costs)] * 2
    np.testing.assert_allclose(to_numpy(NTXent(temperature=1.0, reduction=None)(None, VIEWS)), expected, rtol=1e-5)


def test_what_keras_makes_of_the_whole_matrix():
    views = np.random.default_rng(0).normal(size=(9, 2, 5)).astype("float32")
    x, y = np.moveaxis(views / np.linalg.norm(views, axis=-1, keepdims=True), 1, 0)
    logits = x @ y.T / 0.07
    crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rows, columns = crossentropy(np.arange(9), logits), crossentropy(np.arange(9), logits.T)
    expected = (to_numpy(rows) + to_numpy(columns)) / 2
    for given in (views, (ops.convert_to_tensor(x), ops.convert_to_tensor(3 * y)), logits):
        assert to_numpy(InfoNCE()(None, given)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "size", "mode"),
    [
        pytest.param(loss, size, mode, marks=() if usual else pytest.mark.slow)
        for loss in LOSSES
        for size in (1, 4, 5, 12, 13, 40)
        for mode in MODES
        for usual in [size in (4, 12) if mode == MODES[0] else (size, loss) == (4, LOSSES[0])]
    ],
    ids=str,
)
def test_blocks_give_what_the_whole_matrix_gives(loss, size, mode):
    views = np.random.default_rng(1).normal(size=(13, 2, 4)).astype("float32")
    weight = np.linspace(0.5, 2.0, 13)
    config = loss.get_config()
    whole = value_and_gradient(loss, None, views, weight)
    value, gradient = value_and_gradient(type(loss)(**{**config, "block_size": size}), None, views, weight, mode=mode)
    np.testing.assert_allclose(value, whole[0], rtol=1e-5)
    np.testing.assert_allclose(gradient, whole[1], rtol=1e-5, atol=1e-5 * np.abs(whole[1]).max())


@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_what_has_no_weight_is_not_there(loss, block_size):
    views = np.random.default_rng(2).normal(size=(6, 2, 4)).astype("float32")
    weight = np.array([1.0, 1.0, 0.0, 2.0, 1.0, 0.0])
    expected = to_numpy(type(loss)(**{**loss.get_config(), "reduction": None})(None, views[weight > 0]))
    views[weight == 0] = np.nan
    loss = type(loss)(**{**loss.get_config(), "block_size": block_size})
    value, gradient = value_and_gradient(loss, None, views, weight)
    assert value == pytest.approx((expected * weight[weight > 0]).mean(), rel=1e-5)
    assert np.isfinite(gradient).all()
    assert not gradient[weight == 0].any()


@pytest.mark.parametrize("loss", [InfoNCE(), SigLIP()], ids=str)
def test_logits_of_what_has_no_weight_are_not_there(loss):
    z, weight = np.random.default_rng(2).normal(size=(5, 5)).astype("float32"), np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    kept = weight > 0
    expected = to_numpy(loss(None, z[kept][:, kept]))
    z[~kept], z[:, ~kept] = np.nan, np.inf
    value, gradient = value_and_gradient(loss, None, z, weight)
    assert value == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("loss", [InfoNCE(), InfoNCE(temperature=0.01), NTXent(temperature=0.05)], ids=str)
def test_perfect_views_cost_nothing(loss, mode):
    views = np.repeat(np.eye(8, dtype="float32")[:, None], 2, axis=1)
    views[4:] = -views[:4]
    value, gradient = value_and_gradient(loss, None, views, mode=mode)
    least = np.log1p(6 * np.exp(-1 / loss.temperature) * (2 if isinstance(loss, NTXent) else 1))
    assert 0 <= value < least + 1e-6
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("loss", [*LOSSES, InfoNCE(temperature=1e-3)], ids=str)
def test_the_farthest_views_keep_their_gradient(loss):
    views = np.repeat(np.eye(4, dtype="float32")[:, None], 2, axis=1)
    views[:, 1] = np.roll(views[:, 0], 1, axis=0)
    value, gradient = value_and_gradient(loss, None, views)
    scale = 1 / loss.temperature
    assert np.isfinite(value)
    assert value > 1
    assert np.abs(gradient).max() > 0.02 * scale


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("shape", [(4, 3, 2), (4, 1, 2), (4, 3), (4,), (4, 2)])
def test_shapes_that_do_not_fit_raise(loss, shape):
    with pytest.raises(ValueError, match=r"two views \(B, 2, D\).*y_pred.shape=\("):
        loss(None, np.zeros(shape))


def test_two_views_of_different_shapes_raise():
    with pytest.raises(ValueError, match=r"Expected two views of one shape \(B, D\). Received: \(4, 3\) and \(4, 2\)"):
        InfoNCE()(None, (np.zeros((4, 3)), np.zeros((4, 2))))


# A scale that is learned


def with_scale(loss, layer, views):
    return loss(None, layer(views))


@pytest.mark.parametrize("initial", [5.0, 1 / 0.07, 90.0])
@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("loss", [InfoNCE, SigLIP, NTXent])
def test_a_scale_that_is_handed_along_is_one_over_the_temperature(loss, block_size, initial):
    views = np.random.default_rng(0).normal(size=(7, 2, 4)).astype("float32")
    layer, learned = LogitScale(initial), loss(temperature=None, block_size=block_size)
    expected = value_and_gradient(loss(temperature=1 / initial), None, views)
    value, gradient = value_and_gradient(lambda _, x, __: with_scale(learned, layer, x), None, views)
    np.testing.assert_allclose(value, expected[0], rtol=1e-5)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-4, atol=1e-5 * np.abs(expected[1]).max())


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("initial", [5.0, 90.0])
@pytest.mark.parametrize("loss", [InfoNCE, SigLIP, NTXent])
def test_the_slope_of_the_scale(loss, initial, mode):
    from tfloss_ext import handing

    views = np.random.default_rng(0).normal(size=(7, 2, 4))
    learned = loss(temperature=None, block_size=3, dtype="float64")

    def of_scale(_, scale, __):
        return learned(None, handing.hand(ops.convert_to_tensor(views, dtype="float64"), scale=scale[0]))

    def reference(scale):
        return float(to_numpy(loss(temperature=1 / scale, dtype="float64")(None, views)))

    with float64():
        value, gradient = value_and_gradient(of_scale, None, np.array([initial]), mode=mode)
        step = 1e-5
        slope = (reference(initial + step) - reference(initial - step)) / (2 * step)
        np.testing.assert_allclose(value, reference(initial), rtol=1e-9)
    np.testing.assert_allclose(gradient[0], slope, rtol=1e-4, atol=1e-8)


def test_no_scale_where_one_is_needed_raises():
    with pytest.raises(ValueError, match=r"InfoNCE: Expected a scale handed along .* LogitScale .*Received: none"):
        InfoNCE(temperature=None)(None, VIEWS)


def test_a_temperature_that_is_given_is_used():
    views = LogitScale(initial=3.0)(VIEWS)
    assert to_numpy(InfoNCE()(None, views)) == pytest.approx(to_numpy(InfoNCE()(None, VIEWS)))


def test_a_bias_that_is_handed_along():
    views = LogitScale(initial=10.0, bias=-4.0)(VIEWS)
    expected = to_numpy(SigLIP(temperature=0.1, bias=-4.0)(None, VIEWS))
    assert to_numpy(SigLIP(temperature=None)(None, views)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "bias", "form"),
    [
        (SigLIP, -5.0, "pair"),
        (InfoNCE, None, "stacked"),
        *(pytest.param(loss, None, "pair", marks=pytest.mark.slow) for loss in (InfoNCE, NTXent)),
        *(pytest.param(loss, None, "stacked", marks=pytest.mark.slow) for loss in (SigLIP, NTXent)),
    ],
)
def test_a_scale_is_learned_saved_and_loaded(tmp_path, loss, bias, form):
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    image, text = keras.Input((5,)), keras.Input((4,))
    towers, layer = [keras.layers.Dense(3)(each) for each in (image, text)], LogitScale(bias=bias)
    if form == "pair":
        model, key = keras.Model([image, text], {"pair": layer(towers)}), {"loss": {"pair": loss(temperature=None)}}
    else:
        model, key = keras.Model([image, text], layer(ops.stack(towers, axis=1))), {"loss": loss(temperature=None)}
    model.compile(keras.optimizers.SGD(0.05), **key)
    x = [rng.normal(size=(12, 5)).astype("float32"), rng.normal(size=(12, 4)).astype("float32")]
    y, weight = np.zeros(12), np.linspace(0.5, 1.5, 12)
    if form == "pair":
        y, weight = {"pair": y}, {"pair": weight}
    history = model.fit(x, y, sample_weight=weight, batch_size=5, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert abs(float(to_numpy(layer.scale)) - 1 / 0.07) > 1e-3
    if bias is not None:
        assert abs(float(to_numpy(layer.learned_bias)) - bias) > 1e-4
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.models.load_model(path)
    assert again.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)
    again.fit(x, y, verbose=0)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch has no such mode")
def test_a_compiled_step_learns_the_scale():
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2, 3)), keras.layers.Dense(3), LogitScale(90.0)])
    model.compile(keras.optimizers.SGD(0.01), loss=InfoNCE(temperature=None, block_size=2), jit_compile=True)
    model.fit(rng.normal(size=(6, 2, 3)), np.zeros(6), batch_size=6, verbose=0)
    assert abs(float(to_numpy(model.layers[-1].scale)) - 90.0) > 1e-4


def test_the_scale_stays_below_its_maximum():
    model = keras.Sequential([keras.Input((2, 3)), LogitScale(initial=14.0, maximum=15.0)])
    model.compile(keras.optimizers.SGD(10.0), loss=InfoNCE(temperature=None))
    views = np.random.default_rng(0).normal(size=(6, 1, 3)).repeat(2, axis=1)
    model.fit(views, np.zeros(6), epochs=3, verbose=0)
    assert float(to_numpy(model.layers[-1].scale)) == pytest.approx(15.0, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initial": 0.0}, r"Expected initial > 0. Received: initial=0.0"),
        ({"initial": 20.0, "maximum": 10.0}, r"Expected maximum >= 20.0. Received: maximum=10.0"),
    ],
)
def test_a_scale_out_of_range_raises(arguments, message):
    with pytest.raises(ValueError, match=message):
        LogitScale(**arguments)


def test_the_scale_is_learned_in_full_precision():
    layer = LogitScale(dtype="mixed_float16")
    views = layer(np.repeat(np.eye(4)[:, None], 2, axis=1))
    assert keras.backend.standardize_dtype(views.dtype) == "float16"
    assert keras.backend.standardize_dtype(layer.scale.dtype) == "float32"
    assert np.isfinite(to_numpy(InfoNCE(temperature=None)(None, views)))

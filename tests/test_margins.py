# SPDX-License-Identifier: Apache-2.0
"""ArcFace, CosFace, SoftTriple and ProxyAnchor: angles and cosines placed by hand, edges, weights, training."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from oracles import ORACLES
from support import MODES, SLOWLY_COMPILED, float64, slope, to_numpy, value_and_gradient

from tfloss_ext import ArcFace, CosFace, CosineHead, ProxyAnchor, SoftTriple

IDS = np.array([0, 2, 1, 2])
LOSSES = [ArcFace, CosFace, SoftTriple, ProxyAnchor]

pytestmark = [
    # Keras's PyTorch trainer asks arrays for what NumPy 2 has renamed.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context and return_scalar:DeprecationWarning"),
]


def cosine(*degrees: float) -> np.ndarray:
    return np.cos(np.radians(degrees))


def values(loss, y_true, y_pred) -> np.ndarray:
    loss.reduction = None
    return to_numpy(loss(np.array(y_true), np.array(y_pred, "float32")))


def predictions(cls: type, *shape: int) -> np.ndarray:
    """Cosines to classes in the shape that the loss takes."""
    found = np.random.default_rng(0).uniform(-0.95, 0.95, (*shape, 2)).astype("float32")
    return found if cls is SoftTriple else found[..., 0]


# By hand


@pytest.mark.parametrize(
    ("loss", "angles", "expected"),
    [
        # Turned by 30 degrees to 90, beside another class at 90.
        (ArcFace(np.radians(30), scale=2.0), (60, 90), np.log(2)),
        (ArcFace(np.radians(30), scale=2.0), (90, 90), np.log1p(np.exp(2 * 0.5))),
        # As near as can be: turned from 0 to 60.
        (ArcFace(np.radians(60), scale=3.0), (0, 90), np.log1p(np.exp(-3 * 0.5))),
        # To 180 just so, and beyond.
        (ArcFace(np.radians(30), scale=2.0), (149.999, 90), np.log1p(np.exp(2 * 1.0))),
        (
            ArcFace(np.radians(30), scale=2.0),
            (170, 90),
            np.log1p(np.exp(-2 * (np.cos(np.radians(170)) - np.pi / 6 * 0.5))),
        ),
        (ArcFace(np.radians(30), scale=2.0), (180, 90), np.log1p(np.exp(2 * (1 + np.pi / 6 * 0.5)))),
        (ArcFace(0.0, scale=2.0), (60, 90), np.log1p(np.exp(-2 * 0.5))),
        (ArcFace(np.pi / 2, scale=2.0), (30, 90), np.log1p(np.exp(2 * 0.5))),
        (CosFace(0.5, scale=2.0), (60, 90), np.log(2)),
        (CosFace(0.5, scale=2.0), (90, 60), np.log1p(np.exp(2 * 1.0))),
        (CosFace(0.0, scale=2.0), (60, 90), np.log1p(np.exp(-2 * 0.5))),
    ],
    ids=str,
)
@pytest.mark.parametrize("classes", [2, 12])
def test_margins_by_hand(loss, angles, expected, classes):
    s = np.full((1, classes), -50.0)  # The others are far away.
    s[0, 1], s[0, 0] = cosine(*angles)
    hot = np.eye(classes)[[1]]
    for y_true in ([1], [[1]], hot, hot.astype("int32")):
        np.testing.assert_allclose(values(loss, y_true, s), [expected], rtol=1e-5)


def test_a_soft_target_goes_its_share_of_the_way():
    y, s = np.array([[0.75, 0.25]]), cosine(60, 60)[None]
    for loss, moved in ((ArcFace(np.radians(30), scale=2.0), 0.0), (CosFace(0.2, scale=2.0), 0.3)):
        z = 2 * ((1 - y) * 0.5 + y * moved)
        expected = -(y * (z - np.log(np.exp(z).sum()))).sum()
        np.testing.assert_allclose(values(loss, y, s), [expected], rtol=1e-5)


def test_one_cosine_is_that_of_the_second_of_two_classes():
    s = np.array([0.3, -0.2, 0.9, -0.7], "float32")
    for loss in (ArcFace(scale=5.0), CosFace(scale=5.0)):
        expected = values(loss, IDS % 2, np.stack([0 * s, s], axis=-1))
        np.testing.assert_allclose(values(loss, IDS % 2, s), expected, rtol=1e-5)


def test_soft_triple_by_hand():
    # Of class 0 the centres at 0.8 and 0.5, of class 1 those at 0.6 and 0.6: gamma = 0.3 / log 3 gives 0.75 and 0.25.
    s = np.array([[[0.8, 0.5], [0.6, 0.6]]])
    first, second = 0.75 * 0.8 + 0.25 * 0.5, 0.6
    loss = SoftTriple(scale=4.0, gamma=0.3 / np.log(3), margin=0.1)
    for id_, own, other in ((0, first, second), (1, second, first)):
        expected = np.log1p(np.exp(4 * (other - (own - 0.1))))
        np.testing.assert_allclose(values(loss, [id_], s), [expected], rtol=1e-5)
        np.testing.assert_allclose(values(loss, np.eye(2)[[id_]], s), [expected], rtol=1e-5)


def test_soft_triple_of_one_centre_or_of_the_nearest_is_cosface():
    s = predictions(SoftTriple, 4, 3)
    one, nearest = values(SoftTriple(gamma=5.0), IDS, s[..., :1]), values(SoftTriple(gamma=1e-6), IDS, s)
    np.testing.assert_allclose(one, values(CosFace(0.01, 20.0), IDS, s[..., 0]), rtol=1e-5)
    np.testing.assert_allclose(nearest, values(CosFace(0.01, 20.0), IDS, s.max(axis=-1)), rtol=1e-5)


# Of ids 0, 0, 1 and three proxies, of which the last has no sample.
PAIRED, BATCH = np.array([0, 0, 1]), np.array([[0.9, 0.2, 0.1], [0.4, 0.5, -0.3], [0.0, 0.7, 0.6]])


def terms(margin: float, alpha: float) -> tuple[list[list[float]], list[list[float]]]:
    """Of each proxy the exponentials of its samples, and of the others."""
    near = [[np.exp(-alpha * (BATCH[i, p] - margin)) for i in range(3) if PAIRED[i] == p] for p in range(3)]
    far = [[np.exp(alpha * (BATCH[i, p] + margin)) for i in range(3) if PAIRED[i] != p] for p in range(3)]
    return near, far


def test_proxy_anchor_by_hand():
    near, far = terms(0.1, 4.0)
    drawn = (np.log1p(sum(near[0])) + np.log1p(near[1][0])) / 2
    pushed = (np.log1p(far[0][0]) + np.log1p(sum(far[1])) + np.log1p(sum(far[2]))) / 3
    loss = ProxyAnchor(margin=0.1, alpha=4.0)
    assert to_numpy(loss(PAIRED, BATCH)) == pytest.approx(drawn + pushed, rel=1e-5)
    assert to_numpy(loss(np.eye(3)[PAIRED], BATCH)) == pytest.approx(drawn + pushed, rel=1e-5)
    # log(1 + 0.0408 + 0.3012), log(1 + 0.0907); log(1 + 1.4918), log(1 + 3.3201 + 11.0232), log(1 + 2.2255 + 0.4493 +
    # 16.4446).
    assert drawn + pushed == pytest.approx((0.29413 + 0.08684) / 2 + (0.91302 + 2.73068 + 3.00169) / 3, abs=2e-5)


def test_proxy_anchor_credits_each_logarithm_in_proportion():
    near, far = terms(0.1, 4.0)
    expected = np.zeros(3)
    for p, samples, others in ((0, [0, 1], [2]), (1, [2], [0, 1]), (2, [], [0, 1, 2])):
        for parts, rows, count in ((near[p], samples, 2), (far[p], others, 3)):
            for row, part in zip(rows, parts, strict=True):
                expected[row] += part / sum(parts) * np.log1p(sum(parts)) / count
    np.testing.assert_allclose(values(ProxyAnchor(alpha=4.0), PAIRED, BATCH), 3 * expected, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_the_gradient_of_the_mean_of_proxy_anchor_is_that_of_the_loss(mode):
    def whole(s):
        return ORACLES["proxy_anchor"](PAIRED, s, held=s, alpha=4.0).mean()

    _, gradient = value_and_gradient(ProxyAnchor(alpha=4.0), PAIRED, BATCH.astype("float32"), mode=mode)
    np.testing.assert_allclose(gradient, slope(whole, BATCH), rtol=1e-4, atol=1e-6)


def test_a_weight_weighs_the_terms_in_which_its_sample_matters():
    # The samples of class 1 count threefold: so does the pull of its proxy. Nothing is pushed.
    s = np.where(np.eye(3)[PAIRED] > 0, BATCH, -10.0)
    near, _ = terms(0.1, 4.0)
    loss = ProxyAnchor(alpha=4.0, reduction="sum")
    found = to_numpy(loss(PAIRED, s, np.array([1.0, 1.0, 3.0]))) / 3
    assert found == pytest.approx((np.log1p(sum(near[0])) + 3 * np.log1p(near[1][0])) / 2, rel=1e-5)


def test_a_sample_may_be_of_several_proxies_or_of_none():
    y, s = np.array([[1, 1, 0], [0, 0, 0]]), BATCH[:2]

    def log_of(*exponents):
        return np.log1p(sum(np.exp(4.0 * exponent) for exponent in exponents))

    drawn = (log_of(-(0.9 - 0.1)) + log_of(-(0.2 - 0.1))) / 2
    pushed = (log_of(0.4 + 0.1) + log_of(0.5 + 0.1) + log_of(0.1 + 0.1, -0.3 + 0.1)) / 3
    for targets in (y, y * 1.0, y > 0):
        assert to_numpy(ProxyAnchor(alpha=4.0)(targets, s)) == pytest.approx(drawn + pushed, rel=1e-5)


def test_a_batch_of_no_class_is_pushed_alone():
    pushed = np.log1p(np.exp(4.0 * (BATCH + 0.1)).sum(axis=0)).mean()
    assert to_numpy(ProxyAnchor(alpha=4.0)(np.zeros((3, 3)), BATCH)) == pytest.approx(pushed, rel=1e-5)


# Targets


@pytest.mark.parametrize("classes", [3, 9])
@pytest.mark.parametrize("cls", LOSSES)
def test_one_hot_targets_say_what_ids_say(cls, classes):
    s = predictions(cls, 4, classes)
    expected, slopes = value_and_gradient(cls(), IDS, s)
    for y_true in (IDS[:, None], IDS * 1.0, np.eye(classes)[IDS], np.eye(classes, dtype="bool")[IDS]):
        value, gradient = value_and_gradient(cls(), y_true, s)
        assert value == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cls", LOSSES)
def test_an_ignored_class_is_as_good_as_cut_out(cls):
    s, kept = predictions(cls, 4, 3), IDS != 2
    expected = to_numpy(cls()(IDS[kept], s[kept]))
    for y_true in (IDS, np.eye(3)[IDS]):
        assert to_numpy(cls(ignore_class=2)(y_true, s)) == pytest.approx(expected, rel=1e-5)
        assert not values(cls(ignore_class=2), y_true, s)[~kept].any()
    assert to_numpy(cls(ignore_class=255)(np.where(kept, IDS, 255), s)) == pytest.approx(expected, rel=1e-5)
    masked = cls(ignore_class=0, reduction="mean_with_sample_weight")(IDS, s, np.array([1.0, 0.0, 2.0, 2.0]))
    alone = cls(reduction="mean_with_sample_weight")(IDS[2:], s[2:], np.array([2.0, 2.0]))
    assert to_numpy(masked) == pytest.approx(to_numpy(alone), rel=1e-5)


# Edges


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("classes", [3, 9])
@pytest.mark.parametrize("cls", LOSSES)
def test_cosines_of_one_and_a_little_beyond_have_finite_gradients(cls, classes, mode):
    like = predictions(cls, 4, classes)
    for size in (1.0, np.nextafter(np.float32(1), np.float32(0)), 1 + 1e-6, 1 + 1e-3):
        for sign in (-1, 1, np.where(np.arange(like.size) % 2, 1, -1).reshape(like.shape)):
            s = np.full(like.shape, size, "float32") * np.float32(sign)
            for y_true in (IDS, np.eye(classes)[IDS], np.full((4, classes), 1 / classes)):
                value, gradient = value_and_gradient(cls(), y_true, s, mode=mode)
                assert np.isfinite(value)
                assert np.isfinite(gradient).all()


def test_rounding_beyond_one_changes_next_to_nothing():
    exact, beyond = np.array([[1.0, -1.0]], "float32"), np.array([[1 + 1e-6, -1 - 1e-6]], "float32")
    for y_true in ([0], [1]):
        expected = values(ArcFace(), y_true, exact)
        np.testing.assert_allclose(values(ArcFace(), y_true, beyond), expected, rtol=1e-5, atol=2e-6)


def test_arcface_is_exact_at_one_and_at_minus_one():
    loss = ArcFace(dtype="float64", reduction=None)
    with float64():
        found = to_numpy(loss(np.array([0, 1]), np.array([[1.0, 0.9], [0.5, -1.0]])))
    gaps = 64 * (0.9 - np.cos(0.5)), 64 * (0.5 + 1.0 + 0.5 * np.sin(0.5))
    np.testing.assert_allclose(found, np.logaddexp(0, gaps), rtol=1e-12)


@pytest.mark.parametrize("cls", LOSSES)
def test_a_perfect_prediction_costs_nothing(cls):
    s = np.full_like(predictions(cls, 4, 3), -1.0)
    s[np.arange(4), IDS] = 1.0
    assert to_numpy(cls()(IDS, s)) < 1e-6


@pytest.mark.parametrize("low", [-np.inf, np.finfo("float32").min])
@pytest.mark.parametrize("cls", LOSSES)
def test_a_class_that_is_ruled_out_has_no_gradient(cls, low):
    s = predictions(cls, 4, 3)
    s[np.arange(4), (IDS + 1) % 3] = low
    value, gradient = value_and_gradient(cls(), IDS, s)
    far = np.where(np.isfinite(s) & (s > low), s, -1e3).astype("float32")
    assert value == pytest.approx(to_numpy(cls()(IDS, far)), rel=1e-5)
    assert np.isfinite(gradient).all()
    assert not gradient[np.arange(4), (IDS + 1) % 3].any()
    s[np.arange(4), IDS] = low
    value, gradient = value_and_gradient(cls(), IDS, s)
    assert not np.isnan(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("loss", "y", "shape"),
    [
        (ArcFace(), (4,), (4, 2, 3)),
        (CosFace(), (4, 2), (4, 3)),
        (SoftTriple(), (4,), (4, 3)),
        (SoftTriple(), (4, 3, 2), (4, 3, 2)),
        (SoftTriple(), (4, 2), (4, 3, 2)),
        (ProxyAnchor(), (4, 2), (4, 2, 3)),
        (ProxyAnchor(), (3,), (4, 3)),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit_raise(loss, y, shape):
    with pytest.raises(ValueError, match=r"y_true.shape=\(.*\), y_pred.shape=\("):
        loss(np.zeros(y), np.zeros(shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ArcFace(margin=1.6), r"Expected margin in \[0, 1.57\d*\]. Received: margin=1.6"),
        (lambda: ArcFace(scale=0), "Expected scale > 0. Received: scale=0"),
        (lambda: CosFace(margin=-0.1), "Expected margin >= 0. Received: margin=-0.1"),
        (lambda: SoftTriple(gamma=0.0), "Expected gamma > 0. Received: gamma=0.0"),
        (lambda: ProxyAnchor(alpha=-1), "Expected alpha >= 0. Received: alpha=-1"),
    ],
)
def test_parameters_out_of_range_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Training


@pytest.mark.parametrize("cls", LOSSES)
def test_a_head_of_cosines_learns(cls):
    rng = np.random.default_rng(0)
    ids = np.arange(24) % 3
    x = (np.eye(3)[ids] @ rng.normal(size=(3, 5)) + 0.3 * rng.normal(size=(24, 5))).astype("float32")
    head = CosineHead(3, sub_centers=2, pool=cls is not SoftTriple)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), head])
    model.compile(keras.optimizers.Adam(0.02), cls())
    losses = model.fit(x, ids, batch_size=12, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]

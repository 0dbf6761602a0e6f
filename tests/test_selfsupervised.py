# SPDX-License-Identifier: Apache-2.0
"""BarlowTwins, VICReg and NegativeCosine: numbers by hand, what a batch is credited with, scales, and little to see."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import ORACLES
from support import MODES, SLOWLY_COMPILED, to_numpy, value_and_gradient

from tfloss_ext import BarlowTwins, NegativeCosine, VICReg

COUPLED = pytest.mark.parametrize("loss", [BarlowTwins, VICReg])


def views(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def values(loss, x, weight=None) -> np.ndarray:
    return to_numpy(loss(reduction=None)(None, np.asarray(x, "float32"), weight))


# By hand


def test_barlow_twins_by_hand():
    # Each output is that of the other view but for offset and scale, and the two correlate by -1/2 over the views.
    first, other = [[1, 1], [-1, 1], [1, -1]], [[3, 20], [1, 20], [3, -30]]
    x = np.stack([first, other], axis=1).astype("float32")
    assert to_numpy(BarlowTwins(redundancy=1.0)(None, x)) == pytest.approx(2 * 0.5**2, rel=1e-6)
    assert to_numpy(BarlowTwins()(None, x)) == pytest.approx(5e-3 * 0.5, rel=1e-6)
    # The opposite of a view correlates with it by -1: twice (1 + 1)**2, and 1/2 in place of -1/2.
    x[:, 1] *= -1
    assert to_numpy(BarlowTwins(redundancy=1.0)(None, x)) == pytest.approx(8 + 2 * 0.5**2, rel=1e-6)


def test_what_is_the_same_and_does_not_correlate_costs_barlow_twins_nothing():
    x = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    assert to_numpy(BarlowTwins(redundancy=1.0)(None, np.stack([x * 0.3, x * 7.0 + 2.0], axis=1))) < 1e-6


def test_vicreg_by_hand():
    # Variances 2 and 8 over (0, 2) and (0, 4), 2e-2 and 0 over (0, 0.2) and (1, 1).
    x = [[[0.0, 0.0], [0.0, 1.0]], [[2.0, 4.0], [0.2, 1.0]]]
    distance = [(0 + 1) / 2, (1.8**2 + 3**2) / 2]
    lacking = (0 + 0 + (1 - np.sqrt(0.02 + 1e-4)) + (1 - np.sqrt(1e-4))) / 2
    # The covariance of the first view's outputs is 4, twice, over two outputs.
    together = 2 * 4**2 / 2
    expected = [25 * one + 25 * lacking / 2 + together for one in distance]
    np.testing.assert_allclose(values(VICReg, x), expected, rtol=1e-5)
    one_by_one = [({"invariance": 1.0}, np.mean(distance)), ({"variance": 1.0}, lacking / 2), ({"covariance": 1.0}, 16)]
    for own, part in one_by_one:
        loss = VICReg(**{"invariance": 0.0, "variance": 0.0, "covariance": 0.0, **own})
        assert to_numpy(loss(None, x)) == pytest.approx(part, rel=1e-5)


def test_negative_cosine_by_hand():
    x = [[[1, 0], [3, 4]], [[2, 0], [5, 0]], [[0, 3], [0, -1]], [[1, 0], [0, 9]], [[0, 0], [1, 0]], [[1, 0], [0, 0]]]
    np.testing.assert_allclose(values(NegativeCosine, x), [-0.6, -1, 1, 0, 0, 0], rtol=1e-6)


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
def test_the_target_of_negative_cosine_does_not_follow(mode):
    x = views(5, 2, 3)
    _, gradient = value_and_gradient(NegativeCosine(reduction="sum"), None, x, mode=mode)
    assert not gradient[:, 1].any()
    prediction, target = x[:, 0].astype("float64"), x[:, 1].astype("float64")
    length = np.linalg.norm(prediction, axis=1, keepdims=True)
    target = target / np.linalg.norm(target, axis=1, keepdims=True)
    along = np.sum(prediction * target, axis=1, keepdims=True) / length**2
    np.testing.assert_allclose(gradient[:, 0], (along * prediction - target) / length, rtol=1e-5, atol=1e-6)


# What is credited to whom


def test_samples_have_equal_shares_of_the_batch_and_a_distance_of_their_own():
    x = views(6, 2, 3)
    found = values(BarlowTwins, x)
    np.testing.assert_array_equal(found, found[0])
    own = 25 * np.mean((x[:, 0] - x[:, 1]) ** 2, axis=1)
    shares = values(VICReg, x) - own
    np.testing.assert_allclose(shares, shares[0], rtol=1e-5)


@COUPLED
@pytest.mark.parametrize("mode", MODES)
def test_weights_multiply_what_is_credited_and_zero_leaves_everything(loss, mode):
    x, weight = views(6, 2, 3), np.array([1.0, 0.5, 0.0, 2.0, 1.0, 0.0], "float32")
    kept = weight > 0
    x[~kept] = np.nan
    expected = values(loss, x[kept]) * weight[kept]
    found = values(loss, x, weight)
    # Six samples have the mean that those four had.
    np.testing.assert_allclose(found[kept], expected * 6 / 4, rtol=1e-5)
    assert not found[~kept].any()
    value, gradient = value_and_gradient(loss(), None, x, weight, mode=mode)
    assert value == pytest.approx(expected.mean(), rel=1e-5)
    assert np.isfinite(gradient).all()
    assert not gradient[~kept].any()


# Scales


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_barlow_twins_sees_no_scale(scale, mode):
    x = views(8, 2, 3)
    value, gradient = value_and_gradient(BarlowTwins(redundancy=1.0), None, x)
    scaled, scaled_gradient = value_and_gradient(BarlowTwins(redundancy=1.0), None, x * np.float32(scale), mode=mode)
    assert scaled == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(scaled_gradient * scale, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_vicreg_at_any_scale(scale, mode):
    x = views(8, 2, 3) * np.float32(scale)
    value, gradient = value_and_gradient(VICReg(), None, x, mode=mode)
    assert value == pytest.approx(ORACLES["vicreg"](None, x).mean(), rel=1e-5)
    assert np.isfinite(gradient).all()


@COUPLED
@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
def test_a_shift_far_from_the_origin_costs_no_precision(loss, mode):
    x = np.round(views(16, 2, 5) * 64) / 64  # Exact in float32 after the shift as well.
    near, gradient = value_and_gradient(loss(), None, x)
    far, far_gradient = value_and_gradient(loss(), None, x + np.float32(1024.0), mode=mode)
    assert far == pytest.approx(near, rel=1e-5)
    np.testing.assert_allclose(far_gradient, gradient, rtol=1e-4, atol=1e-6)


# Little to see


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize(("samples", "constant"), [(3, 0.0), (3, 0.1), (1000, 0.1), (1000, -3.7e4)])
def test_an_output_that_is_the_same_for_all_correlates_with_nothing(samples, constant, mode):
    x = views(samples, 2, 3)
    x[:, :, 1] = constant
    loss = BarlowTwins(redundancy=1.0)
    value, gradient = value_and_gradient(loss, None, x, mode=mode)
    assert value == pytest.approx(ORACLES["barlow_twins"](None, x, redundancy=1.0).mean(), rel=1e-5)
    without, slope = value_and_gradient(loss, None, x[:, :, ::2])
    assert value == pytest.approx(without + 1, rel=1e-5)
    np.testing.assert_allclose(gradient[:, :, ::2], slope, rtol=1e-4, atol=1e-7)
    assert not gradient[:, :, 1].any()
    value, gradient = value_and_gradient(VICReg(), None, x, mode=mode)
    assert value == pytest.approx(ORACLES["vicreg"](None, x).mean(), rel=1e-5)
    assert not gradient[:, :, 1].any()


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
def test_a_sample_alone_has_no_variance(mode):
    x = views(1, 2, 3)
    value, gradient = value_and_gradient(BarlowTwins(), None, x, mode=mode)
    assert value == 0
    assert not gradient.any()
    distance = 25 * np.mean((x[0, 0] - x[0, 1]) ** 2)
    assert value_and_gradient(VICReg(), None, x, mode=mode)[0] == pytest.approx(distance, rel=1e-6)
    # Nor has the one that is left.
    x, weight = views(4, 2, 3), np.array([0.0, 1.0, 0.0, 0.0], "float32")
    assert value_and_gradient(BarlowTwins(), None, x, weight, mode=mode)[0] == 0
    distance = 25 * np.mean((x[1, 0] - x[1, 1]) ** 2)
    assert value_and_gradient(VICReg(), None, x, weight, mode=mode)[0] == pytest.approx(distance, rel=1e-5)


@COUPLED
@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
def test_where_no_sample_is_left_there_is_no_cost(loss, mode):
    value, gradient = value_and_gradient(loss(), None, np.full((3, 2, 4), np.nan, "float32"), np.zeros(3), mode=mode)
    assert value == 0
    assert not gradient.any()


@COUPLED
def test_more_outputs_than_samples(loss):
    x = views(3, 2, 40)
    value, _ = value_and_gradient(loss(), None, x)
    assert value == pytest.approx(ORACLES[loss.key](None, x).mean(), rel=1e-5)


@COUPLED
def test_training_changes_what_it_should(loss):
    """Outputs that nearly collapse spread out again, and views come together."""
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(64, 1, 4))
    x = (0.1 * (shared[..., :1] + 0.3 * shared + 0.3 * rng.normal(size=(64, 2, 4)))).astype("float32")
    before = ORACLES[loss.key](None, x).mean()
    for _ in range(60):
        slope = value_and_gradient(loss(), None, x)[1]
        x = x - 0.05 * slope / np.abs(slope).max()
    assert ORACLES[loss.key](None, x).mean() < 0.5 * before

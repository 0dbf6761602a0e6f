# SPDX-License-Identifier: Apache-2.0
"""Losses over ids: embeddings placed by hand, what TensorFlow Addons gives, and blocks of rows."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops
from support import MODES, SLOWLY_COMPILED, float64, to_numpy, value_and_gradient

from tfloss_ext import (
    Circle,
    Contrastive,
    LiftedStructure,
    MultiSimilarity,
    NPairs,
    SupCon,
    Triplet,
    gradients,
)

# On a line: class 0 at 0 and 1, class 1 at 1.5 and 4.
LINE, IDS = np.array([[0.0], [1.0], [1.5], [4.0]], "float32"), np.array([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        # Distances to positive and negatives: 1 | 1.5, 4; 1 | 0.5, 3; 2.5 | 1.5, 0.5; 2.5 | 4, 3.
        ({"mining": "semi_hard"}, (0.5 + 0 + 2 + 0.5) / 4),
        ({"mining": "hard"}, (0.5 + 1.5 + 3 + 0.5) / 4),
        ({"mining": "all"}, (0.5 + 1.5 + 2 + 3 + 0.5) / 5),
        ({"mining": "hard", "margin": 0.0}, (0 + 0.5 + 2 + 0) / 4),
        ({"mining": "hard", "distance": "squared_l2"}, (0 + (1 - 0.25 + 1) + (6.25 - 0.25 + 1) + 0) / 4),
        ({"mining": "hard", "soft_margin": True}, np.log1p(np.exp([-0.5, 0.5, 2.0, -0.5])).mean()),
    ],
)
def test_triplets_on_a_line(parameters, expected):
    assert to_numpy(Triplet(**parameters)(IDS, LINE)) == pytest.approx(expected, rel=1e-5)


def test_given_triplets_by_hand():
    given = np.array([[[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]]], "float32")
    assert to_numpy(Triplet()([[0]], given)) == pytest.approx(5 - 4 + 1)
    # Swapped: positive and negative are 3 apart.
    assert to_numpy(Triplet(swap=True)([[0]], given)) == pytest.approx(5 - 3 + 1)
    assert to_numpy(Triplet()(None, given)) == pytest.approx(2)


# Value and gradient of tfa.losses.TripletSemiHardLoss, TensorFlow Addons 0.23 on TensorFlow 2.15.


@pytest.mark.parametrize("mode", MODES)
def test_semi_hard_is_that_of_tensorflow_addons(mode):
    x = np.random.default_rng(0).normal(size=(64, 16)).astype("float32")
    value, gradient = value_and_gradient(Triplet(), np.arange(64) % 8, x, mode=mode)
    assert value == pytest.approx(0.9446011185646057, abs=1e-6)
    row = [0.00259813596, 0.00360975880, 0.00080915837, -0.00147749717]
    column = [0.00463882834, -0.00019378227, -0.00111063687, 0.00185839133, -0.00544893090]
    np.testing.assert_allclose(gradient[0, :4], row, atol=1e-7)
    np.testing.assert_allclose(gradient[1:6, 0], column, atol=1e-7)


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
def test_equal_distances_are_treated_as_by_tensorflow_addons(mode):
    x = np.array([5, 2, 3, 2, 5, 5, 3, 5, 0, 2, 2, 0, 4, 2, 0, 1, 4, 4, 2, 3, 3, 3, 4, 0], "float32")[:, None]
    value, gradient = value_and_gradient(Triplet(margin=0.9), np.arange(24) % 4, x, mode=mode)
    assert value == pytest.approx(0.1575000137, abs=1e-6)
    expected = [-0.0111111132, 0.0, 0.0, 0.0, -0.0111111132, 0.00555555895]
    np.testing.assert_allclose(gradient[:6, 0], expected, atol=1e-7)


@pytest.mark.parametrize(
    ("mode", "block_size"),
    [(MODES[0], 1), (MODES[0], 40), (MODES[0], 100), pytest.param(MODES[-1], 7, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("mining", ["semi_hard", "hard", "all"])
def test_blocks_change_nothing(mode, mining, block_size):
    x, ids = np.random.default_rng(1).normal(size=(40, 5)).astype("float32"), np.arange(40) % 7
    expected = value_and_gradient(Triplet(mining=mining), ids, x)
    got = value_and_gradient(Triplet(mining=mining, block_size=block_size), ids, x, mode=mode)
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("mode", "block_size"),
    [(MODES[0], None), (MODES[0], 7), pytest.param(MODES[-1], 7, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(
    ("mining", "soft_margin"), [("semi_hard", False), ("hard", False), ("all", False), ("hard", True)]
)
def test_the_gradient_of_the_gradient(mining, soft_margin, mode, block_size):
    (x, direction), ids = np.random.default_rng(1).normal(size=(2, 20, 3)), np.arange(20) % 4
    loss = Triplet(mining=mining, soft_margin=soft_margin, block_size=block_size, dtype="float64")

    def along(_, x, __):
        value, pull = gradients.pullback(lambda x: loss(ids, x), x)
        return pull(ops.ones_like(value))[0] * ops.convert_to_tensor(direction)

    with float64():
        found = value_and_gradient(along, None, x, mode=mode)[1]
        ahead, behind = (value_and_gradient(loss, ids, x + step * direction)[1] for step in (1e-6, -1e-6))
    np.testing.assert_allclose(found, (ahead - behind) / 2e-6, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mode", MODES[:1])
@pytest.mark.parametrize("mining", ["semi_hard", "hard", "all"])
@pytest.mark.parametrize(
    "ids", [np.arange(6), np.zeros(6, "int32"), np.array([0, 1, 2, 3, 4, 4])], ids=["no pairs", "one class", "one pair"]
)
def test_batches_with_little_to_compare(mode, mining, ids):
    for x in (np.ones((6, 3), "float32"), np.zeros((6, 3), "float32"), np.eye(6, 3, dtype="float32")):
        value, gradient = value_and_gradient(Triplet(mining=mining), ids, x, mode=mode)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        if len(set(ids)) in (1, 6):
            assert value == 0


@pytest.mark.parametrize("mining", ["semi_hard", "hard", "all"])
def test_a_shift_far_from_the_origin_costs_no_precision(mining):
    x, ids = np.random.default_rng(1).normal(size=(24, 5)).astype("float32"), np.arange(24) % 5
    x = np.round(x * 64) / 64  # Exact in float32 after the shift as well.
    near, far = (to_numpy(Triplet(mining=mining)(ids, x + shift)) for shift in (0.0, 1024.0))
    np.testing.assert_allclose(far, near, rtol=1e-5)


def test_the_order_of_the_samples_does_not_matter():
    rng = np.random.default_rng(1)
    x, ids, order = rng.integers(0, 3, (20, 2)).astype("float32"), np.arange(20) % 4, rng.permutation(20)
    for mining in ("semi_hard", "hard", "all"):
        value, gradient = value_and_gradient(Triplet(mining=mining), ids, x)
        shuffled, shuffled_gradient = value_and_gradient(Triplet(mining=mining), ids[order], x[order])
        np.testing.assert_allclose(shuffled, value, rtol=1e-6)
        np.testing.assert_allclose(shuffled_gradient, gradient[order], atol=1e-7)


def test_anchors_are_weighted():
    values = to_numpy(Triplet(reduction=None)(IDS, LINE))
    weight = np.array([1.0, 2.0, 3.0, 4.0], "float32")
    assert to_numpy(Triplet()(IDS, LINE, weight)) == pytest.approx((values * weight).mean())
    mean = Triplet(reduction="mean_with_sample_weight")
    assert to_numpy(mean(IDS, LINE, weight)) == pytest.approx((values * weight).sum() / 10)
    more = np.concatenate([LINE, [[9.0]]]).astype("float32"), np.append(IDS, 1)
    assert to_numpy(mean(more[1], more[0], np.append(weight, 0))) == pytest.approx((values * weight).sum() / 10)


def test_contrastive_by_hand():
    # Similar: d^2; dissimilar: (1 - d)^2 below the margin, else 0.
    values = to_numpy(Contrastive(reduction=None)([1, 0, 0], [0.5, 0.4, 2.0]))
    np.testing.assert_allclose(values, [0.25, 0.36, 0.0], rtol=1e-6)
    pairs = np.array([[[0.0, 0.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 2.0]]], "float32")
    np.testing.assert_allclose(to_numpy(Contrastive(reduction=None)([1, 0], pairs)), [25.0, 0.0], rtol=1e-6)
    values = to_numpy(Contrastive(distance="cosine", margin=1.5, reduction=None)([1, 0], pairs))
    np.testing.assert_allclose(values, [1.0, 0.25], rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "y", "shape"),
    [
        (Triplet(), np.zeros(4), (4, 2, 3)),
        (Triplet(), np.zeros((4, 2)), (4, 3)),
        (Triplet(), np.zeros(3), (4, 3)),
        (Contrastive(), np.zeros(4), (4, 3, 2)),
        (Contrastive(), np.zeros(4), (4, 2)),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit_raise(loss, y, shape):
    with pytest.raises(ValueError, match=r"y_true.shape=\(.*\), y_pred.shape=\("):
        loss(y, np.zeros(shape))


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("soft_margin", [False, True])
def test_semi_hard_is_the_same_for_few_positives_and_for_many(monkeypatch, mode, soft_margin):
    from tfloss_ext import mining

    rng = np.random.default_rng(1)
    x, ids = rng.integers(0, 4, (30, 3)).astype("float32"), np.arange(30) % 4
    results = []
    for few, many in ((100, 100), (1, 100), (1, 1)):
        monkeypatch.setattr(mining, "FEW_POSITIVES", few)
        monkeypatch.setattr(mining, "MANY_POSITIVES", many)
        results.append(value_and_gradient(Triplet(soft_margin=soft_margin), ids, x, mode=mode))
    for value, gradient in results[1:]:
        np.testing.assert_allclose(value, results[0][0], rtol=1e-6)
        np.testing.assert_allclose(gradient, results[0][1], rtol=1e-5, atol=1e-7)


# Embeddings placed by angle


def at_angles(*degrees, length=1.0):
    radians = np.deg2rad(np.array(degrees, "float64"))
    return (length * np.stack([np.cos(radians), np.sin(radians)], axis=-1)).astype("float32")


def values_of(loss, ids, x, weight=None):
    return to_numpy(type(loss)(**{**loss.get_config(), "reduction": None})(ids, x, weight))


# Cosines 0.5 within ids, 0 and -0.5 between 0 and 90, 0 and 120, and 0.866 between 60 and 90, 0.5 between 60 and 120.
ANGLES, OF_ANGLES = at_angles(0, 60, 90, 150, length=7.0), np.array([0, 0, 1, 1])
HALF, NEAR, FAR = 0.5, np.sqrt(0.75), -np.sqrt(0.75)


def test_sup_con_by_angle():
    # Cosines of the anchor at 0 degrees: 0.5 | 0, -0.866; of that at 60: 0.5 | 0.866, 0; the others mirror these.
    outer = np.log(np.exp(HALF) + 1 + np.exp(FAR)) - HALF
    inner = np.log(np.exp(HALF) + np.exp(NEAR) + 1) - HALF
    values = values_of(SupCon(temperature=1.0), OF_ANGLES, ANGLES)
    np.testing.assert_allclose(values, [outer, inner, inner, outer], rtol=1e-5)
    # Three of an id: outside of the logarithm the mean over the positives; the only one of its id is no anchor.
    values = values_of(SupCon(temperature=0.5), [0, 0, 0, 1], at_angles(0, 90, 90, 180))
    first = np.log(2 + np.exp(-2.0))
    others = np.log(1 + np.exp(2.0) + 1) - (0 + 2) / 2
    np.testing.assert_allclose(values, np.array([first, others, others, 0.0]) * 4 / 3, rtol=1e-5)


def test_each_view_is_an_anchor_of_sup_con():
    # Two samples of one id each: without the views there was no positive.
    views = np.stack([at_angles(0, 60), at_angles(90, 150)])
    outer, inner = (np.log(np.exp([HALF, 0, FAR]).sum()) - HALF, np.log(np.exp([HALF, NEAR, 0]).sum()) - HALF)
    values = values_of(SupCon(temperature=1.0), [5, 6], views)
    np.testing.assert_allclose(values, [(outer + inner) / 2] * 2, rtol=1e-5)
    with pytest.raises(ValueError, match=r"embeddings \(B, D\)\. Received"):
        Triplet()(np.zeros(2), np.zeros((2, 2, 3)))


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
def test_a_single_positive_that_leads_by_much_costs_sup_con_nothing(mode):
    rng, ids = np.random.default_rng(0), np.repeat(np.arange(8), 2)
    x = np.repeat(np.eye(8) * 2 - 1, 2, axis=0) * 3 + 1e-7 * rng.normal(size=(16, 8))
    value, gradient = value_and_gradient(SupCon(temperature=0.02), ids, x.astype("float32"), mode=mode)
    assert value < 1e-6
    assert np.isfinite(gradient).all()


def test_multi_similarity_by_angle():
    # Without mining all three cosines of each anchor count.
    loss = MultiSimilarity(alpha=2.0, beta=4.0, base=0.5, epsilon=None)
    pull = np.log(2) / 2  # 0.5 is the base itself.
    outer = np.log(1 + np.exp(4 * (0 - 0.5)) + np.exp(4 * (FAR - 0.5))) / 4
    inner = np.log(1 + np.exp(4 * (NEAR - 0.5)) + np.exp(4 * (0 - 0.5))) / 4
    values = values_of(loss, OF_ANGLES, ANGLES)
    np.testing.assert_allclose(values, pull + np.array([outer, inner, inner, outer]), rtol=1e-5)
    # The positive 0.5 is beyond the nearest negative 0 + 0.4 of an outer anchor, which then costs nothing; of an inner
    # one it counts, and so does the negative at 0.866, and the one at 0 does not.
    loss = MultiSimilarity(alpha=2.0, beta=4.0, base=0.5, epsilon=0.4)
    inner = np.log(1 + np.exp(4 * (NEAR - 0.5))) / 4
    values = values_of(loss, OF_ANGLES, ANGLES)
    np.testing.assert_allclose(values, [0, pull + inner, pull + inner, 0], rtol=1e-5)


def test_the_mean_of_multi_similarity_is_over_all_anchors():
    # The last has no positive and counts all the same, the one of weight 0 does not.
    x, ids = np.concatenate([ANGLES, at_angles(270, 20)]), np.append(OF_ANGLES, [2, 0])
    values = values_of(MultiSimilarity(), ids[:5], x[:5])
    assert values[4] == 0
    assert (values[:4] > 0).any()
    weight = np.array([1, 1, 1, 1, 1, 0], "float32")
    assert to_numpy(MultiSimilarity()(ids, x, weight)) == pytest.approx(values.mean(), rel=1e-5)


def test_circle_by_angle():
    # Positives of 0.5 weigh 0.9 and are to be above 0.6; negatives of 0.866 weigh 1.266, of 0 0.4, of -0.866 nothing,
    # and are to be below 0.4.
    near = np.exp(-2.0 * 0.9 * (0.5 - 0.6))
    at_0 = np.exp(2.0 * 0.4 * (0 - 0.4))
    outer = np.log(1 + near * (at_0 + 1))
    inner = np.log(1 + near * (at_0 + np.exp(2.0 * (NEAR + 0.4) * (NEAR - 0.4))))
    values = values_of(Circle(gamma=2.0), OF_ANGLES, ANGLES)
    np.testing.assert_allclose(values, [outer, inner, inner, outer], rtol=1e-5)
    # The only one of its id is no anchor.
    x, ids = at_angles(0, 60, 90), [0, 0, 1]
    inner = np.log(1 + near * np.exp(2.0 * (NEAR + 0.4) * (NEAR - 0.4)))
    np.testing.assert_allclose(
        values_of(Circle(gamma=2.0), ids, x), np.array([np.log(1 + near * at_0), inner, 0]) * 3 / 2, rtol=1e-5
    )


def test_lifted_structure_on_a_line():
    # Negatives of 0: 1.5, 4; of 1: 0.5, 3; of 1.5: 1.5, 0.5; of 4: 4, 3. Positive pairs are 1 and 2.5 apart.
    first = np.log(np.exp([1 - 1.5, 1 - 4, 1 - 0.5, 1 - 3]).sum()) + 1
    second = np.log(np.exp([1 - 1.5, 1 - 0.5, 1 - 4, 1 - 3]).sum()) + 2.5
    expected = np.array([first, first, second, second]) ** 2 / 2
    np.testing.assert_allclose(values_of(LiftedStructure(), IDS, LINE), expected, rtol=1e-5)
    # Far enough apart nothing costs; of three, all 3 apart, one has no pair.
    assert to_numpy(LiftedStructure()(IDS, [[0.0], [0.5], [20.0], [20.5]])) == 0
    one = (np.log(2 * np.exp(1 - 3.0)) + 3.0) ** 2 / 2
    triangle = at_angles(0, 120, 240, length=np.sqrt(3))
    np.testing.assert_allclose(
        values_of(LiftedStructure(), [0, 0, 1], triangle), np.array([one, one, 0]) * 3 / 2, rtol=1e-5
    )


def test_n_pairs_by_hand():
    z = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 0.0], [0.0, 1.0, 2.0]], "float32")
    own = np.log(np.exp(z).sum(1)) - np.diag(z)
    np.testing.assert_allclose(values_of(NPairs(), [4, 5, 6], z), own, rtol=1e-5)
    both = np.log(np.exp(z).sum(1)) - [(2 + 1) / 2, (1 + 3) / 2, 2]
    np.testing.assert_allclose(values_of(NPairs(), [4, 4, 6], z), both, rtol=1e-5)
    # The second is left out, row and column, whatever they hold.
    z[1, :] = z[:, 1] = np.nan
    left = np.array([np.log(np.exp(2) + 1) - 2, 0, np.log(1 + np.exp(2)) - 2])
    np.testing.assert_allclose(values_of(NPairs(), [4, 4, 6], z, np.array([1.0, 0, 1])), left * 3 / 2, rtol=1e-5)


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
def test_n_pairs_at_the_extremes(mode):
    ids = np.array([0, 1, 2, 2])
    for z in (1e4 * np.eye(4), -1e4 * np.eye(4), np.where(np.eye(4) > 0, 5.0, -np.inf), np.full((4, 4), 1e4)):
        value, gradient = value_and_gradient(NPairs(), ids[:2], z[:2, :2].astype("float32"), mode=mode)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        assert not gradient[z[:2, :2] == -np.inf].any()
        assert value < 1e-6 or z[0, 0] <= z[0, 1]
    with pytest.raises(
        ValueError, match=r"similarities \(B, B\)\. Received: y_true.shape=\(4,\), y_pred.shape=\(4, 3\)"
    ):
        NPairs()(ids, np.zeros((4, 3)))


# Of all of them

OVER_PAIRS = [MultiSimilarity, SupCon, Circle, LiftedStructure]


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("cls", OVER_PAIRS)
@pytest.mark.parametrize(
    "ids", [np.arange(6), np.zeros(6, "int32"), np.array([0, 1, 2, 3, 4, 4])], ids=["no pairs", "one class", "one pair"]
)
def test_little_to_compare_and_embeddings_of_no_direction(mode, cls, ids):
    for x in (np.ones((6, 3)), np.zeros((6, 3)), np.eye(6, 3), 1e4 * np.eye(6, 3) - 5e3, np.full((6, 3), 1e4)):
        value, gradient = value_and_gradient(cls(), ids, x.astype("float32"), mode=mode)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        if len(set(ids)) == 6 or (len(set(ids)) == 1 and cls is not SupCon):
            assert value == 0
            assert not gradient.any()


@pytest.mark.parametrize("loss", [MultiSimilarity(beta=1e3), Circle(gamma=1e4), LiftedStructure()], ids=repr)
def test_a_wrong_pair_keeps_its_gradient_however_steep_the_loss(loss):
    # The negative is nearer than the positive by much.
    x = np.array([[1.0, 0.0], [-1.0, 0.1], [1.0, 0.1], [-1.0, 0.0]], "float32")
    x = 1e3 * x if isinstance(loss, LiftedStructure) else x
    value, gradient = value_and_gradient(loss, np.array([0, 0, 1, 1]), x)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 1e-2

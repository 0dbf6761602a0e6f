# SPDX-License-Identifier: Apache-2.0
"""Overlap losses: numbers worked out by hand, laws between them, weights of positions, ignored classes, empty masks."""

from __future__ import annotations

import numpy as np
import pytest
from support import MODES, to_numpy, value_and_gradient

from tfloss_ext import (
    MCC,
    Boundary,
    ClDice,
    Dice,
    DiceCrossentropy,
    DiceFocal,
    FocalTversky,
    GeneralizedDice,
    Jaccard,
    Lovasz,
    Tversky,
    UnifiedFocal,
    registry,
    signed_distance_map,
)
from tfloss_ext.overlap import RegionLoss

# Boundary takes distances for targets, ClDice needs two spatial axes.
FAMILY = [
    cls
    for _, cls in sorted(registry.classes().items())
    if issubclass(cls, RegionLoss) and cls not in (Boundary, ClDice)
]
WITH_CROSSENTROPY = [DiceCrossentropy, DiceFocal, UnifiedFocal]
every_member = pytest.mark.parametrize("make", FAMILY)
# Two of four positions are of the region; predicted are one of them, half of the other, and half of a third.
MASK, HALF = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
LN2 = 0.693147181


def value(loss, y_true, y_pred, weight=None) -> float:
    return float(to_numpy(loss(np.asarray(y_true), np.asarray(y_pred, "float32"), weight)))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # I = 1.5, P = 2, Y = 2: false positives 0.5, false negatives 0.5, true negatives 1.5.
        (Jaccard(), 1 - 1.5 / 2.5),
        (Jaccard(smooth=1.0), 1 - 2.5 / 3.5),
        (Tversky(alpha=0.2, beta=0.6), 1 - 1.5 / (1.5 + 0.2 * 0.5 + 0.6 * 0.5)),
        (FocalTversky(alpha=0.5, beta=0.5, gamma=2.0), 0.25**0.5),
        (GeneralizedDice(), 1 - 3 / 4),
        (MCC(), 1 - (1.5 * 1.5 - 0.25) / 4),
        (MCC(smooth=0.5), 1 - (2 * 2 - 0.25) / 2.5**2),
        # Crossentropy: ln 2 at two of four positions.
        (DiceCrossentropy(), 0.25 + LN2 / 2),
        (DiceCrossentropy(dice_weight=2.0, crossentropy_weight=0.5), 0.5 + LN2 / 4),
        (DiceFocal(), 0.25 + 0.25 * LN2 / 2),
        (DiceFocal(gamma=0.0, alpha=0.2, focal_weight=3.0, dice_weight=0.0), 3 * (0.2 + 0.8) * LN2 / 4),
        # A negative that should be positive and the other way round, weighted 0.6 and 0.4 * 0.5**0.5.
        (UnifiedFocal(weight=1.0), (0.6 + 0.4 * 0.5**0.5) * LN2 / 4),
        (UnifiedFocal(weight=0.0, gamma=0.0), 0.25),
        (UnifiedFocal(weight=0.0, gamma=0.5), (0.25 + 0.25**0.5) / 2),
        # Hinges of logit(p): the wrong positions cost 1 each, in the order of the errors 1, 1, 0, 0.
        (Lovasz(), 2 / 3),
    ],
    ids=repr,
)
def test_by_hand(loss, expected):
    assert value(loss, MASK, HALF) == pytest.approx(expected, abs=2e-6)


def test_lovasz_softmax_by_hand():
    # Class 0 has position 0, errors 0.2 and 0.4: sorted, position 1 takes 1/2 (union 2) and position 0 the other half.
    # Class 1 has position 1, the same errors: its own error first takes 1, since then nothing is left to intersect.
    p = [[[0.8, 0.2], [0.4, 0.6]]]
    assert value(Lovasz(), [[0, 1]], p) == pytest.approx((0.4 / 2 + 0.2 / 2 + 0.4) / 2, abs=1e-6)
    # With class 1 alone: position 1 takes the whole of its own class, and class 0 is not there to count.
    assert value(Lovasz(), [[1, 1]], p) == pytest.approx(0.8 / 2 + 0.4 / 2, abs=1e-6)


def test_generalized_dice_weighs_classes_by_their_size():
    y, p = [[0, 0, 0, 1]], [[[0.5, 0.5], [1, 0], [1, 0], [0.5, 0.5]]]
    # I = 2.5 and 0.5, P = 3 and 1, Y = 3 and 1.
    for weighting, w in (("square", 9.0), ("simple", 3.0), ("uniform", 1.0)):
        expected = 1 - 2 * (2.5 + w * 0.5) / (6 + w * 2)
        assert value(GeneralizedDice(weighting=weighting), y, p) == pytest.approx(expected, abs=1e-5), weighting
    # An absent class takes the largest weight, here 1/9 of class 0: 1 - 2 (2.5/16) / ((3 + 4 + 1)/16).
    assert value(GeneralizedDice(), [[0, 0, 0, 0]], p) == pytest.approx(1 - 2 * 3 / 8, abs=2e-5)


def test_mcc_is_the_coefficient_of_scikit_learn():
    from sklearn.metrics import matthews_corrcoef

    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 50), rng.integers(0, 2, 50)
    found = value(MCC(smooth=0.0), y.reshape(1, 50, 1), p.reshape(1, 50, 1))
    assert found == pytest.approx(1 - matthews_corrcoef(y, p), abs=1e-6)


@pytest.mark.parametrize("smooth", [0.0, 1e-6])
def test_mcc_with_a_constant(smooth):
    """All predicted, nothing there: as bad as chance. Nothing predicted, nothing there: perfect."""
    assert value(MCC(smooth=smooth), np.zeros((1, 4, 1)), np.ones((1, 4, 1))) == pytest.approx(1.0, abs=1e-5)
    assert value(MCC(smooth=smooth), np.zeros((1, 4, 1)), np.zeros((1, 4, 1))) == 0
    assert value(MCC(smooth=smooth), np.ones((1, 4, 1)), np.ones((1, 4, 1))) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Tversky(alpha=0.5, beta=0.5), Dice()),
        (Tversky(alpha=1.0, beta=1.0), Jaccard()),
        (FocalTversky(gamma=1.0), Tversky()),
        (DiceCrossentropy(crossentropy_weight=0.0), Dice()),
        (DiceFocal(gamma=0.0), DiceCrossentropy()),
        (ClDice(alpha=0.0), Dice()),
        (UnifiedFocal(weight=0.0, delta=0.5, gamma=0.0), Dice()),
    ],
    ids=repr,
)
def test_laws(one, other):
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, (2, 3, 4)), rng.dirichlet([1, 1], (2, 3, 4)).astype("float32")
    assert value(one, y, p) == pytest.approx(value(other, y, p), rel=1e-5)


def test_alpha_is_of_false_positives_and_beta_of_false_negatives():
    mask, all_of_it, nothing = np.array([[[1], [1], [0], [0]]]), np.ones((1, 4, 1)), np.array([[[1], [0], [0], [0]]])
    for make in (Tversky, FocalTversky):
        careful, bold = make(alpha=0.9, beta=0.1), make(alpha=0.1, beta=0.9)
        assert value(careful, mask, all_of_it) > value(bold, mask, all_of_it)
        assert value(careful, mask, nothing) < value(bold, mask, nothing)


@every_member
@pytest.mark.parametrize("from_logits", [True, False])
def test_a_perfect_prediction_costs_nothing(make, from_logits):
    ids = np.array([[[0, 1], [1, 0]], [[0, 0], [0, 0]]])
    for classes in (1, 2):
        hot = np.eye(2)[ids] if classes == 2 else ids[..., None] * 1.0
        y_pred = (2 * hot - 1) * 50 if from_logits else hot
        found, gradient = value_and_gradient(make(from_logits=from_logits), ids, y_pred.astype("float32"))
        assert abs(found) < 1e-6
        assert np.isfinite(gradient).all()


@every_member
@pytest.mark.parametrize("per_image", [True, False])
def test_what_is_ignored_or_weightless_is_as_good_as_cut_out(make, per_image):
    rng = np.random.default_rng(0)
    ids, z = rng.integers(0, 2, (2, 6)), rng.normal(size=(2, 6, 2)).astype("float32")
    z[:, 4:] = np.nan
    expected = value_and_gradient(make(from_logits=True, per_image=per_image), ids[:, :4], z[:, :4])
    weight = np.ones((2, 6))
    weight[:, 4:] = 0
    ignored = np.concatenate([ids[:, :4], np.full((2, 2), 255)], 1)
    for y, parameters, weights in ((ids, {}, weight), (ignored, {"ignore_class": 255}, None)):
        loss = make(from_logits=True, per_image=per_image, **parameters)
        found, gradient = value_and_gradient(loss, y, z, weights)
        np.testing.assert_allclose(found, expected[0], rtol=1e-5)
        np.testing.assert_allclose(gradient[:, :4], expected[1], rtol=1e-4, atol=1e-7)
        assert not gradient[:, 4:].any()


@every_member
@pytest.mark.parametrize("classes", [1, 2])
def test_every_position_ignored(make, classes):
    z = np.full((2, 4, classes), np.nan, "float32")
    loss = make(from_logits=True, ignore_class=255, reduction="sum")
    found, gradient = value_and_gradient(loss, np.full((2, 4), 255), z)
    assert found == 0
    assert not gradient.any()


@every_member
def test_an_image_without_foreground_that_is_predicted_empty_costs_nothing(make):
    ids, z = np.zeros((2, 4), "int32"), np.full((2, 4, 1), -60.0, "float32")
    found, gradient = value_and_gradient(make(from_logits=True, reduction="sum"), ids, z)
    assert found < 1e-6
    assert np.isfinite(gradient).all()


@every_member
def test_positions_in_one_two_and_three_axes_are_alike(make):
    rng = np.random.default_rng(0)
    ids, z = rng.integers(0, 2, (2, 8)), rng.normal(size=(2, 8, 2))
    expected = value(make(from_logits=True), ids, z)
    for shape in ((2, 4), (2, 2, 2)):
        found = value(make(from_logits=True), ids.reshape(2, *shape), z.reshape(2, *shape, 2))
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("make", "mode"),
    [(make, "eager") for make in (Jaccard, Lovasz, MCC, DiceCrossentropy, DiceFocal, GeneralizedDice)]
    + [(DiceCrossentropy, mode) for mode in MODES[1:]],
)
def test_many_classes_are_treated_as_few_are(make, mode, monkeypatch):
    from tfloss_ext import labels

    rng = np.random.default_rng(0)
    ids, z = rng.integers(0, 4, (2, 9)), rng.normal(size=(2, 9, 4)).astype("float32")
    few = value_and_gradient(make(from_logits=True), ids, z)
    monkeypatch.setattr(labels, "FEW_CLASSES", 2)
    many = value_and_gradient(make(from_logits=True), ids, z, mode=mode)
    np.testing.assert_allclose(few[0], many[0], rtol=1e-5)
    np.testing.assert_allclose(few[1], many[1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("make", WITH_CROSSENTROPY)
@pytest.mark.parametrize("classes", [1, 2])
def test_a_wrong_saturated_logit_keeps_its_gradient(make, classes):
    z = np.array([[[-1e4, 1e4]] * 4], "float32")[..., -classes:]
    found, gradient = value_and_gradient(make(from_logits=True), np.array([[0, 0, 1, 1]]), z)
    assert found > 1e3
    assert (np.abs(gradient[:, :2]) > 0.04).all()


@pytest.mark.tensorflow
@pytest.mark.parametrize("make", [DiceCrossentropy, DiceFocal, UnifiedFocal])
def test_the_softmax_is_computed_once(make):
    import tensorflow as tf

    def exponentials(loss) -> int:
        specs = [tf.TensorSpec((2, 4), tf.int32), tf.TensorSpec((2, 4, 2), tf.float32)]
        graph = tf.function(loss, autograph=False).get_concrete_function(*specs).graph
        return sum(node.type in ("Exp", "Softmax", "LogSoftmax") for node in graph.get_operations())

    assert exponentials(make(from_logits=True)) == exponentials(Dice(from_logits=True)) == 2


def test_unified_focal_is_for_two_classes():
    with pytest.raises(ValueError, match=r"one class or two.* y_pred.shape=\(1, 4, 3\)"):
        UnifiedFocal()(np.zeros((1, 4), "int32"), np.full((1, 4, 3), 1 / 3))


def test_an_alpha_above_one_is_no_weight_of_positives():
    for alpha in (2.0, [0.5]):
        with pytest.raises(ValueError, match=r"Expected alpha in \[0, 1\] or None for binary decisions"):
            DiceFocal(alpha=alpha)(np.zeros((1, 4)), np.zeros((1, 4, 1)))


def line(*broken: int) -> np.ndarray:
    image = np.zeros((1, 9, 11, 1), "float32")
    image[:, 3:6, 1:10] = 1.0
    image[:, :, list(broken)] = 0.0
    return image


def test_cl_dice_by_hand():
    # The skeleton of a bar of three rows and nine columns, eroded once, is its middle row but for the ends.
    found = value(ClDice(alpha=1.0), line(), line(5))
    share = 1.0  # The broken skeleton lies inside the bar.
    true_share = 6 / 7  # One of the seven positions of the bar's skeleton is not predicted.
    assert found == pytest.approx(1 - 2 * share * true_share / (share + true_share), abs=1e-5)


def test_cl_dice_sees_a_gap_more_than_a_thinner_line():
    thinner = line()
    thinner[:, 3] = 0.0
    gap, thin = value(ClDice(alpha=1.0), line(), line(5)), value(ClDice(alpha=1.0), line(), thinner)
    assert gap > thin
    assert value(Dice(), line(), line(5)) < value(Dice(), line(), thinner)


def test_cl_dice_needs_two_or_three_axes():
    with pytest.raises(ValueError, match=r"2 or 3 spatial axes.* y_pred.shape=\(1, 4, 2\)"):
        ClDice()(np.zeros((1, 4), "int32"), np.zeros((1, 4, 2)))


def test_boundary_by_hand():
    maps = np.array([[[2.0], [1.0], [0.0], [-1.0]]])
    assert value(Boundary(), maps, [[[0.5], [1.0], [1.0], [1.0]]]) == pytest.approx((1 + 1 - 1) / 4)
    assert value(Boundary(), maps, [[[0.5], [1.0], [1.0], [1.0]]], np.array([[2.0, 0, 1, 1]])) == pytest.approx(1 / 4)


def test_boundary_takes_no_ids():
    with pytest.raises(ValueError, match="Expected signed distance maps"):
        Boundary()(np.zeros((2, 4), "int32"), np.zeros((2, 4, 3)))


def test_signed_distance_map_is_the_distance_to_the_nearest():
    rng = np.random.default_rng(0)
    mask = rng.random((2, 5, 6, 2)) < 0.4
    mask[1, ..., 0], mask[1, ..., 1] = False, True
    found = signed_distance_map(mask.astype("int32"))
    assert found.dtype == np.float32
    assert not found[1].any()
    places = np.stack(np.meshgrid(np.arange(5), np.arange(6), indexing="ij"), -1).reshape(-1, 2)
    for c in range(2):
        region = mask[0, ..., c].reshape(-1)
        for place, own, distance in zip(places, region, found[0, ..., c].reshape(-1), strict=True):
            others = np.linalg.norm(places[region != own] - place, axis=1).min()
            assert distance == pytest.approx(1 - others if own else others, abs=1e-5)


def test_signed_distance_map_refuses_what_is_no_mask():
    with pytest.raises(ValueError, match=r"Expected mask of 0 and 1. Received: mask with values from 0.0 to 0.5"):
        signed_distance_map(np.array([[[0.0], [0.5]]]))
    with pytest.raises(ValueError, match=r"Received: mask.shape=\(3, 4\)"):
        signed_distance_map(np.zeros((3, 4)))


def test_class_weights_of_the_crossentropy_leave_the_background_at_one():
    y, p = [[0, 1, 2]], [[[0.5, 0.25, 0.25]] * 3]
    loss = DiceCrossentropy(dice_weight=0.0, include_background=False, class_weights=[2.0, 3.0])
    assert value(loss, y, p) == pytest.approx((LN2 + 2 * 2 * LN2 + 3 * 2 * LN2) / 3, rel=1e-5)


def test_lovasz_counts_the_classes_that_are_there():
    y, p = np.array([[0, 0, 1, 1]]), np.array([[[0.7, 0.2, 0.1]] * 2 + [[0.1, 0.8, 0.1]] * 2])
    without = Lovasz(include_background=False, class_weights=[1.0, 100.0])
    assert value(without, y, p) == pytest.approx(value(Lovasz(class_weights=[0.0, 1.0, 7.0]), y, p), rel=1e-6)
    assert value(Lovasz(ignore_class=7), np.full((1, 4), 7), p) == 0


@pytest.mark.tensorflow
@pytest.mark.parametrize("jit", [False, True])
def test_lovasz_needs_no_more_than_a_few_arrays_of_the_size_of_the_predictions(jit):
    """The sort is over positions alone: nothing in the graph has the positions twice."""
    import tensorflow as tf

    n = 501
    specs = [tf.TensorSpec((1, n), tf.int32), tf.TensorSpec((1, n, 2), tf.float32)]
    graph = tf.function(Lovasz(from_logits=True), autograph=False, jit_compile=jit).get_concrete_function(*specs).graph
    sizes = [out.shape.num_elements() or 0 for node in graph.get_operations() for out in node.outputs]
    assert max(sizes) <= 2 * n


def test_dice_by_hand():
    # I = 1 + 0.5, P = 2, Y = 2.
    y, p = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
    assert to_numpy(Dice()(y, p)) == pytest.approx(1 - 3 / 4, abs=1e-6)
    # Squared: P = 1 + 0.25 + 0.25.
    assert to_numpy(Dice(squared=True)(y, p)) == pytest.approx(1 - 3 / 3.5, abs=1e-6)
    # s = 2: (3 + 2) / (4 + 2).
    assert to_numpy(Dice(smooth=2.0)(y, p)) == pytest.approx(1 - 5 / 6, abs=1e-6)


def test_per_image_and_per_batch_differ():
    y, p = np.array([[[1.0]], [[0.0]]]), np.array([[[1.0]], [[1.0]]])
    np.testing.assert_allclose(to_numpy(Dice(reduction=None)(y, p)), [0.0, 1.0], atol=1e-5)
    np.testing.assert_allclose(to_numpy(Dice(reduction=None, per_image=False)(y, p)), [1 / 3, 1 / 3], atol=1e-5)


@pytest.mark.parametrize("smooth", [0.0, 1e-6, 1.0])
def test_an_empty_mask_predicted_empty_costs_nothing(smooth):
    y = np.zeros((2, 4, 1))
    value, gradient = value_and_gradient(Dice(smooth=smooth), y, np.zeros((2, 4, 1), "float32"))
    assert value == 0
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize("classes", [1, 3, 12])
def test_ignored_and_weightless_positions_are_as_good_as_cut_out(classes, per_image):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, max(classes, 2), (2, 6))
    z = rng.normal(size=(2, 6, classes)).astype("float32")
    z[:, 4:] = np.nan
    cut, expected = ids[:, :4], value_and_gradient(Dice(from_logits=True, per_image=per_image), ids[:, :4], z[:, :4])
    weight = np.ones((2, 6))
    weight[:, 4:] = 0
    ignored = np.concatenate([cut, np.full((2, 2), 255)], 1)
    for y, parameters, weights in ((ids, {}, weight), (ignored, {"ignore_class": 255}, None)):
        loss = Dice(from_logits=True, per_image=per_image, **parameters)
        value, gradient = value_and_gradient(loss, y, z, weights)
        np.testing.assert_allclose(value, expected[0], rtol=1e-6)
        np.testing.assert_allclose(gradient[:, :4], expected[1], rtol=1e-5, atol=1e-8)
        assert not gradient[:, 4:].any()


@pytest.mark.parametrize("classes", [3, 12])
@pytest.mark.parametrize("squared", [False, True])
def test_a_position_of_weight_two_counts_twice(classes, squared):
    rng = np.random.default_rng(0)
    ids, z = rng.integers(0, classes, (2, 5)), rng.normal(size=(2, 5, classes)).astype("float32")
    loss = Dice(from_logits=True, squared=squared)
    weight = np.array([[2.0, 1, 1, 1, 1]] * 2)
    twice = to_numpy(loss(np.concatenate([ids, ids[:, :1]], 1), np.concatenate([z, z[:, :1]], 1)))
    np.testing.assert_allclose(to_numpy(loss(ids, z, weight)), twice, rtol=1e-6)


def test_weights_of_images_and_of_positions_when_all_axes_are_equal():
    rng = np.random.default_rng(0)
    ids, z = rng.integers(0, 2, (3, 3, 3)), rng.normal(size=(3, 3, 3, 2)).astype("float32")
    values = to_numpy(Dice(from_logits=True, reduction=None)(ids, z))
    weight = np.array([1.0, 2.0, 4.0])
    for shape in ((3,), (3, 1), (3, 1, 1)):
        weighted = to_numpy(Dice(from_logits=True, reduction=None)(ids, z, weight.reshape(shape)))
        np.testing.assert_allclose(weighted, values * weight, rtol=1e-6)


def test_the_share_of_an_image_in_the_sums_of_the_batch():
    rng = np.random.default_rng(0)
    ids, z = rng.integers(0, 2, (2, 3)), rng.normal(size=(2, 3, 2)).astype("float32")
    loss = Dice(from_logits=True, per_image=False)
    twice = to_numpy(loss(ids[[0, 0, 1]], z[[0, 0, 1]]))
    np.testing.assert_allclose(to_numpy(loss(ids, z, np.array([2.0, 1.0]))), twice, rtol=1e-6)


def test_the_background_needs_a_foreground():
    for cls in (Dice, UnifiedFocal, Boundary):
        with pytest.raises(ValueError, match="Expected include_background=True with one class"):
            cls(include_background=False)(np.zeros((1, 2, 1)), np.zeros((1, 2, 1)))


def test_class_weights_are_as_many_as_the_classes_that_count():
    y, p = np.zeros((1, 4), "int32"), np.full((1, 4, 3), 1 / 3)
    Dice(include_background=False, class_weights=[1.0, 2.0])(y, p)
    with pytest.raises(ValueError, match="Expected class_weights to have one number for each of 3"):
        Dice(class_weights=[1.0, 2.0])(y, p)


@pytest.mark.tensorflow
def test_positions_of_unknown_number():
    import tensorflow as tf

    ids, z = np.array([[0, 1, 2, 2]]), np.random.default_rng(0).normal(size=(1, 4, 3)).astype("float32")
    loss = Dice(from_logits=True)
    specs = [tf.TensorSpec((None, None), tf.int64), tf.TensorSpec((None, None, 3), tf.float32)]
    run = tf.function(loss, input_signature=specs, autograph=False)
    np.testing.assert_allclose(run(ids, z), to_numpy(loss(ids, z)), rtol=1e-6)


@pytest.mark.tensorflow
def test_weights_of_unknown_shape_weigh_images_where_there_is_one_for_each():
    import tensorflow as tf

    y, p = np.array([[[1.0], [0]], [[1], [0]]], "float32"), np.array([[[0.9], [0.2]], [[0.6], [0.6]]], "float32")
    loss = Dice()
    specs = [tf.TensorSpec((None, None, 1)), tf.TensorSpec((None, None, 1)), tf.TensorSpec((None, None))]
    run = tf.function(loss, input_signature=specs, autograph=False)
    for weights in ([[1.0], [3.0]], [[1.0, 0.0], [3.0, 1.0]]):
        weights = np.array(weights, "float32")
        np.testing.assert_allclose(run(y, p, weights), value(loss, y, p, weights), rtol=1e-6)

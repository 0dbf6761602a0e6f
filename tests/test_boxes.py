# SPDX-License-Identifier: Apache-2.0
"""Box losses: numbers worked out by hand, formats, laws, ties, and boxes without an area."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles import ORACLES
from support import MODES, SLOWLY_COMPILED, float64, slope, to_numpy, value_and_gradient

from tfloss_ext import CIoU, DIoU, GIoU, IoU

ALL = [IoU, GIoU, DIoU, CIoU]
every_loss = pytest.mark.parametrize("loss", ALL)
few = settings(max_examples=50, deadline=None, derandomize=True)
# Any ends in any order: boxes, inverted ones, lines and points.
ANY = arrays("float32", (5, 4), elements=st.integers(-4, 4).map(float))


def cost(loss, true, pred, **arguments) -> float:
    return float(to_numpy(loss(**arguments)([true], [pred])))


def gradient(loss, true, pred, mode="eager") -> np.ndarray:
    y, p = (np.array([box], "float32") for box in (true, pred))
    return value_and_gradient(loss(reduction="sum"), y, p, mode=mode)[1][0]


def ordered(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=-1)


def test_by_hand():
    # 2 x 2 beside 2 x 2, one unit on: they share 2 of 6, their hull is 3 x 2, its diagonal squared 13.
    true, pred = [0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0]
    assert cost(IoU, true, pred) == pytest.approx(2 / 3)
    assert cost(GIoU, true, pred) == pytest.approx(2 / 3)
    assert cost(DIoU, true, pred) == pytest.approx(2 / 3 + 1 / 13)
    assert cost(CIoU, true, pred) == pytest.approx(2 / 3 + 1 / 13)


def test_apart_by_hand():
    # Corner to corner: hull 3 x 2, of which 1 + 2 are covered; centres (0.5, 0.5) and (2, 1.5).
    true, pred = [0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 3.0, 2.0]
    v = 4 / math.pi**2 * (math.atan(1.0) - math.atan(2.0)) ** 2
    assert cost(IoU, true, pred) == pytest.approx(1.0)
    assert cost(GIoU, true, pred) == pytest.approx(1 + 3 / 6)
    assert cost(DIoU, true, pred) == pytest.approx(1 + (1.5**2 + 1) / 13)
    assert cost(CIoU, true, pred) == pytest.approx(1 + (1.5**2 + 1) / 13 + v * v / (1 + v))


@every_loss
def test_every_format_is_the_same_box(loss):
    true, pred = [1.0, 2.0, 4.0, 9.0], [2.0, 1.0, 5.0, 6.0]
    expected = cost(loss, true, pred)
    formats = {
        "yxyx": lambda a, b, c, d: [b, a, d, c],
        "xywh": lambda a, b, c, d: [a, b, c - a, d - b],
        "cxcywh": lambda a, b, c, d: [(a + c) / 2, (b + d) / 2, c - a, d - b],
    }
    for box_format, convert in formats.items():
        found = cost(loss, convert(*true), convert(*pred), box_format=box_format)
        assert found == pytest.approx(expected, rel=1e-6), box_format


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("box_format", ["xyxy", "yxyx", "xywh", "cxcywh"])
@every_loss
def test_a_perfect_prediction_costs_nothing_and_stays(loss, box_format, mode):
    rng = np.random.default_rng(0)
    low = rng.normal(size=(50, 2)) * np.logspace(-4, 4, 50)[:, None]
    boxes = np.concatenate([low, np.abs(low) + rng.random((50, 2)) + 1e-3], axis=-1).astype("float32")
    losses = loss(box_format=box_format, reduction=None)
    assert np.abs(to_numpy(losses(boxes, boxes))).max() < 1e-6
    value, slopes = value_and_gradient(losses, boxes, boxes, mode=mode)
    assert abs(value) < 50e-6
    # Against the slope of a box that is off by its own size, 1 / size.
    sizes = (boxes[:, 2:] - boxes[:, :2] if box_format in ("xyxy", "yxyx") else boxes[:, 2:]).min(-1)
    assert np.abs(slopes * sizes[:, None]).max() < 1e-5


@every_loss
def test_where_nothing_has_an_area_the_iou_is_0(loss):
    point, line = [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 3.0, 1.0]
    assert cost(loss, point, point) == pytest.approx(1.0)
    assert cost(loss, line, line) == pytest.approx(1.0)
    assert cost(loss, [0.0] * 4, [0.0] * 4) == pytest.approx(1.0)
    for pred in (point, line):
        assert not gradient(loss, pred, pred).any()


@every_loss
@few
@given(ANY, ANY)
def test_any_ends_in_any_order_give_finite_values_and_gradients(loss, y, p):
    value, slopes = value_and_gradient(loss(reduction="sum"), y, p)
    assert np.isfinite(value)
    assert np.isfinite(slopes).all()
    values = to_numpy(loss(reduction=None)(y, p))
    assert (values >= -1e-6).all()
    assert (values <= {IoU: 1, GIoU: 2, DIoU: 2, CIoU: 3}[loss] + 1e-6).all()


@few
@given(ANY, ANY)
def test_one_penalty_more_costs_no_less(y, p):
    y, p = ordered(y), ordered(p)
    iou, giou, diou, ciou = (to_numpy(loss(reduction=None)(y, p)) for loss in ALL)
    assert (giou >= iou - 1e-6).all()
    assert (diou >= iou - 1e-6).all()
    assert (ciou >= diou - 1e-6).all()


@every_loss
@few
@given(ANY, ANY)
def test_true_and_predicted_change_places(loss, y, p):
    np.testing.assert_allclose(
        to_numpy(loss(reduction=None)(y, p)), to_numpy(loss(reduction=None)(p, y)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("scale", [1e-18, 1e-3, 1e4, 1e18])
@every_loss
def test_neither_the_unit_nor_the_origin_matters(loss, scale, mode):
    rng = np.random.default_rng(0)
    y, p = (ordered(rng.normal(size=(20, 4))).astype("float32") for _ in range(2))
    value, slopes = value_and_gradient(loss(), y, p)
    scale = np.float32(scale)
    scaled, scaled_slopes = value_and_gradient(loss(), y * scale, p * scale, mode=mode)
    np.testing.assert_allclose(scaled, value, rtol=1e-5)
    np.testing.assert_allclose(scaled_slopes * scale, slopes, rtol=1e-3, atol=1e-6)
    y, p = np.round(y * 64) / 64, np.round(p * 64) / 64
    moved = to_numpy(loss(reduction=None)(y + 8192, p + 8192))
    np.testing.assert_allclose(moved, to_numpy(loss(reduction=None)(y, p)), rtol=1e-5, atol=1e-6)


def test_boxes_apart_attract_each_other_but_not_by_iou_alone():
    true, pred = [0.0, 0.0, 1.0, 1.0], [5.0, 0.0, 6.0, 1.0]
    assert not gradient(IoU, true, pred).any()
    for loss in (GIoU, DIoU, CIoU):
        found = gradient(loss, true, pred)
        assert found[0] + found[2] > 0.01


@pytest.mark.parametrize("pred", [[3.0, 2.5, -2.0, -1.0], [5.0, 4.0, 3.0, 2.0], [-1.0, 6.0, -3.0, 4.0]])
def test_giou_draws_the_ends_of_an_inverted_box_together(pred):
    found = gradient(GIoU, [0.0, 0.0, 1.0, 1.0], pred)
    assert (found[:2] - found[2:] > 1e-3).all()


@pytest.mark.parametrize("mode", MODES)
@every_loss
def test_an_area_whose_square_is_no_float_has_finite_gradients(loss, mode):
    far = [[0.0, 0.0, 1e-6, 1e-6], [0.0, 0.0, 1e-6, 1e-6], [0.0, 0.0, 1e4, 1e-20], [0.0] * 4, [0.0] * 4]
    pred = [[1e4, 1e4, 1e4, 1e4], [1e4, 0.0, 1e-6, -1e4], [0.0, 0.0, 1e4, 1e-20], [1.0, 1.0, 1e-15, 1e-15], [1.0] * 4]
    y, p = np.array(far, "float32"), np.array(pred, "float32")
    value, slopes = value_and_gradient(loss(reduction="sum"), y, p, mode=mode)
    assert np.isfinite(value)
    assert np.isfinite(slopes).all()
    assert 0 <= value <= 3 * len(y)


@pytest.mark.parametrize("mode", SLOWLY_COMPILED)
@pytest.mark.parametrize("pred", [[0.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 2.0], [1.0] * 4, [2.0, 2.0, 0.0, 0.0]])
def test_the_aspect_ratio_of_a_box_without_height_is_finite(pred, mode):
    assert np.isfinite(gradient(CIoU, [0.0, 0.0, 2.0, 1.0], pred, mode)).all()
    assert math.isfinite(cost(CIoU, pred, pred))


def test_the_alpha_of_ciou_carries_no_gradient():
    true, pred = np.array([[0.0, 0.0, 4.0, 2.0]]), np.array([[0.5, 0.25, 3.0, 3.5]])

    def v(p):
        ((x1, y1, x2, y2),) = p
        return 4 / math.pi**2 * (math.atan(2.0) - math.atan((x2 - x1) / (y2 - y1))) ** 2

    def alpha(p):
        return v(p) / (float(ORACLES["iou"](true, p)[0]) + v(p))

    def distance(p):
        return float(ORACLES["diou"](true, p)[0])

    held = alpha(pred)
    with float64():
        found = value_and_gradient(CIoU(dtype="float64"), true, pred)[1]
    np.testing.assert_allclose(found, slope(lambda p: distance(p) + held * v(p), pred), rtol=1e-4, atol=1e-6)
    through_alpha = slope(lambda p: distance(p) + alpha(p) * v(p), pred)
    assert np.abs(found - through_alpha).max() > 5e-3


@pytest.mark.parametrize(
    ("y", "p"),
    [((4,), (4,)), ((1, 4), (4,)), ((4,), (1, 4)), ((2, 4), (3, 4)), ((2, 5), (2, 5)), ((2, 1), (2, 4)), ((), (4,))],
)
@every_loss
def test_what_are_no_boxes_of_one_shape_raises(loss, y, p):
    shown = rf"y_true.shape=\({', '.join(map(str, y))},?\), y_pred.shape=\({', '.join(map(str, p))},?\)"
    with pytest.raises(ValueError, match=rf"Expected y_true and y_pred of one shape \(B, ..., 4\). Received: {shown}"):
        loss()(np.zeros(y), np.zeros(p))


def test_an_unknown_format_raises():
    with pytest.raises(ValueError, match=r"Expected box_format to be one of 'xyxy'.* Received: box_format='xxyy'"):
        IoU(box_format="xxyy")

# SPDX-License-Identifier: Apache-2.0
"""Losses of box regression: one minus how far a predicted and a true box overlap, plus what else sets them apart."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

from keras import ops

from tfloss_ext import gradients, numerics, shapes
from tfloss_ext.base import Loss
from tfloss_ext.declaration import hook
from tfloss_ext.parameters import choice


@dataclasses.dataclass(frozen=True)
class Span:
    """A true and a predicted box along one axis: their lengths, and how they lie to each other."""

    true: Any
    pred: Any
    overlap: Any
    hull: Any
    gap: Any  # Between the centres.


class BoxPair:
    """A true and a predicted box, and what the losses are made of."""

    def __init__(self, x: Span, y: Span) -> None:
        self.x, self.y = x, y
        intersection = x.overlap * y.overlap
        self.union = x.true * y.true + x.pred * y.pred - intersection
        self.iou = _ratio(intersection, self.union)

    def distance(self) -> Any:
        """The squared distance of the centres, in squared diagonals of the hull."""
        distance = ops.square(self.x.gap) + ops.square(self.y.gap)
        return _ratio(distance, ops.square(self.x.hull) + ops.square(self.y.hull))


class BoxLoss(Loss):
    """The family of losses `1 - IoU + penalty` over boxes.

    A subclass defines `penalty(pair)`. Every penalty must stay what it is when both boxes are moved and scaled alike.
    """

    task = "boxes"
    predictions = targets = "boxes `(..., 4)`"
    fuses = False  # XLA computes the ends of the boxes again for each of the many that ask for them.

    box_format: str = choice(
        options=("xyxy", "yxyx", "xywh", "cxcywh"),
        default="xyxy",
        kw_only=True,
        doc="Corners; corners with y first; first corner and size; centre and size.",
    )

    @hook
    def penalty(self, pair: BoxPair) -> Any:
        """What is added to 1 - IoU."""

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        boxes = len(y_pred.shape) > 1 and shapes.fits(y_true.shape, y_pred.shape)
        if not boxes or not shapes.fits((y_true.shape[-1], y_pred.shape[-1]), (4, 4)):
            raise shapes.mismatch("y_true and y_pred of one shape (B, ..., 4)", y_true, y_pred)
        return shapes.with_axes_of(y_true, y_pred, len(y_pred.shape)), y_pred

    def call(self, y_true: Any, y_pred: Any) -> Any:
        pair = self.pair(y_true, y_pred)
        return 1.0 - pair.iou + self.penalty(pair)

    def pair(self, y_true: Any, y_pred: Any) -> BoxPair:
        """The boxes by axis, in units in which no area overflows or vanishes."""
        true, pred = (ops.unstack(boxes, 4, axis=-1) for boxes in (y_true, y_pred))
        # In every format the numbers at 0 and 2 belong to one axis, those at 1 and 3 to the other.
        axes = [self._ends((true[i], true[i + 2]), (pred[i], pred[i + 2])) for i in (0, 1)]
        largest = functools.reduce(numerics.larger, [ops.abs(end) for ends in axes for end in ends])
        unit = ops.stop_gradient(numerics.ratio(1.0, largest))
        first, second = (_span(*ends, unit) for ends in axes)
        return BoxPair(second, first) if self.box_format == "yxyx" else BoxPair(first, second)

    def _ends(self, true: tuple[Any, Any], pred: tuple[Any, Any]) -> tuple[Any, Any, Any, Any]:
        """Where the true and the predicted box begin and end on one axis, from an origin near both."""
        origin = ops.stop_gradient(true[0])

        def ends(place: Any, other: Any) -> tuple[Any, Any]:
            start = place - origin
            if self.box_format == "cxcywh":
                return start - 0.5 * other, start + 0.5 * other
            return start, start + other if self.box_format == "xywh" else other - origin

        return *ends(*true), *ends(*pred)


def _span(true_low: Any, true_high: Any, pred_low: Any, pred_high: Any, unit: Any) -> Span:
    maximum, minimum = numerics.maximum, numerics.minimum
    # Over all ends: the hull of a box that ends before it begins, and has no area, is then never smaller than a gap.
    high = maximum(maximum(true_low, true_high), maximum(pred_low, pred_high))
    low = minimum(minimum(true_low, true_high), minimum(pred_low, pred_high))
    # Ends are compared before they are scaled: XLA rounds a product less where it is subtracted, and equals differ.
    return Span(
        true=ops.relu(true_high - true_low) * unit,
        pred=ops.relu(pred_high - pred_low) * unit,
        overlap=ops.relu(minimum(true_high, pred_high) - maximum(true_low, pred_low)) * unit,
        hull=(high - low) * unit,
        gap=(0.5 * unit) * ((pred_low - true_low) + (pred_high - true_high)),
    )


def _ratio(numerator: Any, denominator: Any) -> Any:
    """The quotient of two tensors of one shape, 0 / 0 counting as 0."""

    # By itself the gradient would be divided by the square of an area, which may be too small for a float.
    def backward(upstream: Any, numerator: Any, denominator: Any) -> tuple[Any, Any]:
        gradient = numerics.ratio(upstream, denominator)
        return gradient, -gradient * numerics.ratio(numerator, denominator)

    return gradients.with_gradient(numerics.ratio, backward)(numerator, denominator)


class IoU(BoxLoss, key="iou"):
    """One minus intersection over union.

    Boxes that do not overlap cost 1 wherever they are, and get no gradient: `GIoU`, `DIoU` and `CIoU` mend that.

    Shapes:
        y_true, y_pred: `(B, ..., 4)`, in pixels, normalised or in any other unit. Values: `(B, ...)`, in [0, 1]. A box
        that ends before it begins has no area, and where nothing has an area the IoU is 0.

    Reference:
        Jaccard, The Distribution of the Flora in the Alpine Zone, 1912; as a loss: Yu et al., UnitBox,
        arXiv:1608.01471, there its logarithm.

    Example:
        >>> loss = IoU()
        >>> print(f"{loss([[0.0, 0.0, 2.0, 2.0]], [[1.0, 0.0, 3.0, 2.0]]):.4f}")
        0.6667
    """

    use = "boxes that overlap already"

    def penalty(self, pair: BoxPair) -> Any:
        return 0.0


class GIoU(BoxLoss, key="giou"):
    """IoU loss plus the share of the hull that neither box covers, so that distant boxes attract each other.

    `1 - IoU + (C - U) / C` with U the area of the union and C that of the smallest box around both.

    Shapes:
        y_true, y_pred: `(B, ..., 4)`, in pixels, normalised or in any other unit. Values: `(B, ...)`, in [0, 2]. A box
        that ends before it begins has no area, and 0 / 0 counts as 0.

    Reference:
        Rezatofighi et al., Generalized Intersection over Union, arXiv:1902.09630.

    Example:
        >>> loss = GIoU()
        >>> print(f"{loss([[0.0, 0.0, 1.0, 1.0]], [[3.0, 0.0, 4.0, 1.0]]):.4f}")
        1.5000
    """

    use = "boxes, however far apart"

    def penalty(self, pair: BoxPair) -> Any:
        hull = pair.x.hull * pair.y.hull
        return _ratio(hull - pair.union, hull)


class DIoU(BoxLoss, key="diou"):
    """IoU loss plus the distance of the centres, which converges faster than `GIoU`.

    `1 - IoU + d**2 / c**2` with d the distance of the centres and c the diagonal of the smallest box around both.

    Shapes:
        y_true, y_pred: `(B, ..., 4)`, in pixels, normalised or in any other unit. Values: `(B, ...)`, in [0, 2]. A box
        that ends before it begins has no area, and 0 / 0 counts as 0.

    Reference:
        Zheng et al., Distance-IoU Loss, arXiv:1911.08287.

    Example:
        >>> loss = DIoU()
        >>> print(f"{loss([[0.0, 0.0, 1.0, 1.0]], [[2.0, 0.0, 3.0, 1.0]]):.4f}")
        1.4000
    """

    use = "boxes, converging faster: the centres attract each other"
    fuses = True  # Of these few it makes one loop.

    def penalty(self, pair: BoxPair) -> Any:
        return pair.distance()


class CIoU(BoxLoss, key="ciou"):
    """IoU loss plus the distance of the centres plus the difference of the aspect ratios.

    `1 - IoU + d**2 / c**2 + alpha v`, as in `DIoU`, with `v = 4 / pi**2 (atan(w_true / h_true) - atan(w / h))**2` and
    `alpha = v / (1 - IoU + v)`, a weight through which no gradient flows.

    Shapes:
        y_true, y_pred: `(B, ..., 4)`, in pixels, normalised or in any other unit. Values: `(B, ...)`, in [0, 3]. A box
        that ends before it begins has no area, and 0 / 0 counts as 0.

    Reference:
        Zheng et al., Distance-IoU Loss, arXiv:1911.08287, section "Complete IoU Loss".

    Example:
        >>> loss = CIoU()
        >>> print(f"{loss([[0.0, 0.0, 4.0, 4.0]], [[0.0, 1.0, 4.0, 3.0]]):.4f}")
        0.5032
    """

    use = "boxes whose aspect ratio matters too"
    holds = True

    def penalty(self, pair: BoxPair) -> Any:
        difference = _angle(pair.x.true, pair.y.true) - _angle(pair.x.pred, pair.y.pred)
        v = (4.0 / math.pi**2) * ops.square(difference)
        alpha = ops.stop_gradient(numerics.ratio(v, 1.0 - pair.iou + v))
        return pair.distance() + alpha * v


def _angle(width: Any, height: Any) -> Any:
    """atan(width / height), pi/2 where the height is 0, and 0 without a gradient where both are."""

    def backward(upstream: Any, width: Any, height: Any) -> tuple[Any, Any]:
        square = ops.square(width) + ops.square(height)
        return upstream * numerics.ratio(height, square), -upstream * numerics.ratio(width, square)

    return gradients.with_gradient(numerics.arctan2, backward)(width, height)

# SPDX-License-Identifier: Apache-2.0
"""Losses over regions, `y_pred` being `(B, ..., C)`: how far predicted and true regions overlap, class by class."""

from __future__ import annotations

from typing import Any

from keras import ops

from tfloss_ext import labels, numerics, shapes
from tfloss_ext.labels import ClassLoss
from tfloss_ext.parameters import flag, number, numbers, whole


class OverlapLoss(ClassLoss):
    """The family of losses built from three sums over the positions of an image, for each class.

    A subclass defines `cost(intersection, predicted, actual)`.
    """

    from_logits: bool = flag(default=False, kw_only=True)
    multilabel: bool = flag(default=False, kw_only=True)
    smooth: float = number(default=1e-6, at_least=0, kw_only=True)
    per_image: bool = flag(default=True, kw_only=True)
    include_background: bool = flag(default=True, kw_only=True)
    class_weights: float | list[float] | None = numbers(default=None, at_least=0, optional=True, kw_only=True)
    ignore_class: int | None = whole(default=None, optional=True, kw_only=True)

    squared = False

    def cost(self, intersection: Any, predicted: Any, actual: Any) -> Any:
        """The loss per image and class, `(B, C)`, from the sums of p*y, p and y over the positions of the image."""
        raise NotImplementedError(f"{type(self).__name__} defines no cost(intersection, predicted, actual)")

    def value_shape(self, y_pred: Any) -> tuple[int | None, ...]:
        return tuple(y_pred.shape)[:1]

    def evaluate(self, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> tuple[Any, Any, Any]:
        positions = tuple(y_pred.shape)[:-1]
        weight, inside = _of_images_or_positions(weight, positions, "sample_weight")
        mask, known = _of_images_or_positions(mask, positions, "mask")
        known = shapes.both(known, self.known(y_true, y_pred))
        images = shapes.both(mask, None if weight is None else ops.not_equal(weight, 0))
        kept = shapes.both(known, None if inside is None else ops.not_equal(inside, 0))
        kept = shapes.both(kept, None if images is None else shapes.to_rank(images, len(positions)))
        y_true, y_pred = shapes.blank(y_true, kept), shapes.blank(y_pred, kept)
        if self.per_image:
            return self.call(y_true, y_pred, _product(inside, known)), weight, mask
        ones = ops.ones(ops.shape(y_pred)[:1], dtype=y_pred.dtype)
        image = shapes.to_rank(_product(_product(ones, weight), mask), len(positions))
        return self.call(y_true, y_pred, _product(image, _product(inside, known))), None, None

    def call(self, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        activation = self.activation(y_pred)
        sums = region_sums(y_true, y_pred, weight, activation=activation, squared=self.squared)
        if not self.per_image:
            sums = ops.sum(sums, axis=1, keepdims=True)
        values = self.over_classes(self.cost(sums[0], sums[1], sums[2]))
        return ops.broadcast_to(values, ops.shape(y_pred)[:1])

    def activation(self, y_pred: Any) -> str | None:
        """What makes probabilities of `y_pred`, None where it holds them."""
        if not self.from_logits:
            return None
        return "sigmoid" if self.multilabel or y_pred.shape[-1] == 1 else "softmax"

    def over_classes(self, costs: Any) -> Any:
        """The (weighted) mean of `(B, C)` over the classes that count."""
        classes = costs.shape[-1]
        if not self.include_background:
            if classes == 1:
                raise ValueError("Expected include_background=True with one class. Received: include_background=False")
            costs, classes = costs[:, 1:], classes - 1
        if self.class_weights is None:
            return ops.mean(costs, axis=-1)
        weights = self.per_output("class_weights", classes) * ops.ones(classes, dtype=costs.dtype)
        return ops.divide_no_nan(ops.sum(weights * costs, axis=-1), ops.sum(weights))


def _product(one: Any, other: Any) -> Any:
    """The product of two weights or masks, None standing for 1."""
    if one is None or other is None:
        return other if one is None else one
    return one * ops.cast(other, one.dtype)


def _of_images_or_positions(weight: Any, positions: tuple[int | None, ...], name: str) -> tuple[Any, Any]:
    """A weight of the images, `(B,)`, and one of the positions, `(B, ...)`, of which one is None."""
    if weight is None:
        return None, None
    if all(size == 1 for size in tuple(weight.shape)[1:]):
        return shapes.to_leading_axes(weight, positions[:1], name), None
    return None, shapes.to_leading_axes(weight, positions, name)


def region_sums(
    y_true: Any, y_pred: Any, weight: Any = None, *, activation: str | None = None, squared: bool = False
) -> Any:
    """The sums of w*p*y, w*p and w*y over the positions of each image, `(3, B, C)`; squared: of w*p*p and w*y*y.

    Inside, classes come before positions, `(B, C, N)`: the sums run over contiguous memory, and no sum over a short
    last axis, the slowest kernel of TensorFlow, is left in the softmax.

    Args:
        y_true: Ids `(B, ...)` or dense targets `(B, ..., C)`.
        y_pred: `(B, ..., C)`, what `activation` makes probabilities of.
        weight: None, or `(B, ...)`.
    """
    activate, pull_back = _ACTIVATIONS[activation]
    classes, dtype = y_pred.shape[-1], y_pred.dtype
    if labels.are_ids(y_true, y_pred):
        ids = ops.expand_dims(_flat(y_true), 1)
        target = ops.cast(ops.equal(ids, ops.reshape(ops.arange(classes, dtype=ids.dtype), (1, -1, 1))), dtype)
    else:
        target = _classes_first(ops.cast(y_true, dtype))
    weight = None if weight is None else ops.expand_dims(_flat(ops.cast(weight, dtype)), 1)
    weighted = _product(target, weight)
    actual = weighted * target if squared and not labels.hard(y_true) else weighted
    actual = ops.sum(actual, axis=-1)

    def forward(x: Any) -> Any:
        p = activate(_classes_first(x))
        predicted = _product(p * p if squared else p, weight)
        return ops.stack([ops.sum(p * weighted, axis=-1), ops.sum(predicted, axis=-1), actual], axis=0)

    def backward(upstream: Any, x: Any) -> Any:
        p = activate(_classes_first(x))
        of_product, of_predicted = ops.expand_dims(upstream[0], -1), ops.expand_dims(upstream[1], -1)
        of_predicted = 2.0 * of_predicted * p if squared else of_predicted
        gradient = pull_back(p, weighted * of_product + _product(of_predicted, weight))
        return ops.reshape(ops.transpose(gradient, (0, 2, 1)), ops.shape(x))

    return numerics.with_gradient(forward, backward)(y_pred)


def _flat(tensor: Any) -> Any:
    """`(B, ...)` as `(B, N)`."""
    return ops.reshape(tensor, (ops.shape(tensor)[0], -1))


def _classes_first(tensor: Any) -> Any:
    """`(B, ..., C)` as `(B, C, N)`."""
    return ops.transpose(ops.reshape(tensor, (ops.shape(tensor)[0], -1, tensor.shape[-1])), (0, 2, 1))


def _softmax(x: Any) -> Any:
    exponentials = ops.exp(x - ops.max(x, axis=1, keepdims=True))
    return exponentials * (1.0 / ops.sum(exponentials, axis=1, keepdims=True))


def _softmax_back(p: Any, gradient: Any) -> Any:
    product = p * gradient
    return product - p * ops.sum(product, axis=1, keepdims=True)


# Each with what makes a gradient with respect to its result one with respect to its argument.
_ACTIVATIONS = {
    "softmax": (_softmax, _softmax_back),
    "sigmoid": (ops.sigmoid, lambda p, gradient: gradient * (p * (1.0 - p))),
    None: (lambda x: x, lambda _, gradient: gradient),
}


class Dice(OverlapLoss, key="dice_loss", aliases=("soft_dice",)):
    """One minus the Dice coefficient of the predicted and the true region, averaged over the classes.

    `1 - (2I + s) / (P + Y + s)` for each class, I, P and Y being the sums of p*y, p and y over an image's positions.

    Args:
        squared: Sum p**2 and y**2 in place of p and y, as in the paper.
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
        multilabel: The classes do not exclude each other.
        smooth: s >= 0. An image without a class that is predicted empty costs 0 whatever s is.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
        include_background: Whether class 0 counts; False needs C > 1.
        class_weights: >= 0, one number per class that counts, for a weighted mean.
        ignore_class: An id, of a class or not, whose positions are left out of the sums.
        reduction: As in `keras.losses.Loss`.
        name: Name of the instance; None means `"dice_loss"` (`"dice"` is Keras's own).
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range, if the shapes do not fit, or if there are too few weights.

    Reference:
        Milletari, Navab & Ahmadi, V-Net, arXiv:1606.04797.

    Example:
        >>> loss = Dice()
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{loss(mask, prediction):.4f}")
        0.2500
    """

    squared: bool = flag(default=False)

    def cost(self, intersection: Any, predicted: Any, actual: Any) -> Any:
        # 1 - (2I + s)/(P + Y + s) with the 1 taken in: exact near 0, and 0/0 is the empty image.
        total = predicted + actual
        return numerics.ratio(total - 2.0 * intersection, total + self.smooth)

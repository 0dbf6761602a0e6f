# SPDX-License-Identifier: Apache-2.0
"""Losses over regions, `y_pred` being `(B, ..., C)`: how far predicted and true regions overlap, class by class."""

from __future__ import annotations

import functools
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
        return numerics.ratio(ops.sum(weights * costs, axis=-1), ops.sum(weights))


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

    Args:
        y_true: Ids `(B, ...)` or dense targets `(B, ..., C)`.
        y_pred: `(B, ..., C)`, what `activation` makes probabilities of.
        weight: None, or `(B, ...)`.
        activation: `"softmax"`, `"sigmoid"` or None.
        squared: Sum squares of p and of y in place of p and y.
    """
    sums = _sums_of_few if y_pred.shape[-1] <= labels.FEW_CLASSES else _sums_of_many
    return sums(y_true, y_pred, weight, activation, squared)


def _sums_of_few(y_true: Any, y_pred: Any, weight: Any, activation: str | None, squared: bool) -> Any:
    """One array `(B, N)` for each class, no axis of classes: sums over a short last axis are slow everywhere."""
    classes, zero = y_pred.shape[-1], ops.zeros((), dtype=y_pred.dtype)
    weight = None if weight is None else _flat(ops.cast(weight, y_pred.dtype))
    if labels.are_ids(y_true, y_pred):
        targets = [ops.equal(_flat(y_true), c) for c in range(classes)]
    else:
        targets = _by_class(y_true if labels.is_boolean(y_true) else ops.cast(y_true, y_pred.dtype))
    boolean = labels.is_boolean(targets[0])

    def inside(target: Any, values: Any) -> Any:
        return ops.where(target, values, zero) if boolean else target * values

    def total(parts: list[Any]) -> Any:
        return ops.stack([ops.sum(_product(part, weight), axis=1) for part in parts], axis=1)

    actual = [ops.cast(target, y_pred.dtype) for target in targets]
    actual = total([y * y for y in actual] if squared and not boolean else actual)

    def forward(x: Any) -> Any:
        probabilities = _activated(_by_class(x), activation)
        intersection = total([inside(y, p) for y, p in zip(targets, probabilities, strict=True)])
        return ops.stack([intersection, total([p * p if squared else p for p in probabilities]), actual], axis=0)

    def backward(upstream: Any, x: Any) -> Any:
        probabilities = _activated(_by_class(x), activation)
        gradients = []
        for c, (y, p) in enumerate(zip(targets, probabilities, strict=True)):
            of_product, of_predicted = upstream[0, :, c : c + 1], upstream[1, :, c : c + 1]
            of_predicted = 2.0 * of_predicted * p if squared else of_predicted
            both = of_product + of_predicted
            gradient = ops.where(y, both, of_predicted) if boolean else y * of_product + of_predicted
            gradients.append(_product(gradient, weight))
        gradients = _pulled_back(probabilities, gradients, activation)
        # Stacked in front and transposed, as stacking at the end copies single elements on TensorFlow.
        return ops.reshape(ops.transpose(ops.stack(gradients, axis=0), (1, 2, 0)), ops.shape(x))

    return numerics.with_gradient(forward, backward)(y_pred)


def _flat(tensor: Any) -> Any:
    """`(B, ...)` as `(B, N)`."""
    return ops.reshape(tensor, (ops.shape(tensor)[0], -1))


def _by_class(tensor: Any) -> list[Any]:
    """`(B, ..., C)` as C arrays `(B, N)`."""
    return [_flat(part) for part in ops.unstack(tensor, tensor.shape[-1], axis=-1)]


def _activated(parts: list[Any], activation: str | None) -> list[Any]:
    """The probabilities of each class."""
    if activation == "sigmoid":
        return [ops.sigmoid(x) for x in parts]
    if activation is None:
        return parts
    largest = functools.reduce(ops.maximum, parts)
    exponentials = [ops.exp(x - largest) for x in parts]
    inverse = 1.0 / functools.reduce(ops.add, exponentials)
    return [e * inverse for e in exponentials]


def _pulled_back(probabilities: list[Any], gradients: list[Any], activation: str | None) -> list[Any]:
    """Gradients with respect to what was activated, from those with respect to the probabilities."""
    pairs = list(zip(probabilities, gradients, strict=True))
    if activation == "sigmoid":
        return [g * (p * (1.0 - p)) for p, g in pairs]
    if activation is None:
        return gradients
    products = [p * g for p, g in pairs]
    sum_of_products = functools.reduce(ops.add, products)
    return [product - p * sum_of_products for p, product in zip(probabilities, products, strict=True)]


def _sums_of_many(y_true: Any, y_pred: Any, weight: Any, activation: str | None, squared: bool) -> Any:
    """Sums next to the axis of classes, which is long enough for the kernels of the backend."""
    batch, classes = ops.shape(y_pred)[0], y_pred.shape[-1]
    p = y_pred if activation is None else getattr(ops, activation)(y_pred)
    p = ops.reshape(p, (batch, -1, classes))
    y = ops.reshape(ops.cast(labels.one_hot(y_true, y_pred), p.dtype), (batch, -1, classes))
    weight = None if weight is None else ops.expand_dims(_flat(ops.cast(weight, p.dtype)), -1)
    parts = [p * y, p * p if squared else p, y * y if squared else y]
    return ops.stack([ops.sum(_product(part, weight), axis=1) for part in parts], axis=0)


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

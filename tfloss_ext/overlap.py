# SPDX-License-Identifier: Apache-2.0
"""Losses over regions, `y_pred` being `(B, ..., C)`: how far predicted and true regions overlap, class by class."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from tfloss_ext import crossentropy, labels, lovasz, morphology, numerics, regions, screening, shapes
from tfloss_ext.base import ClassLoss, Loss
from tfloss_ext.classes import Classes, class_first, flat
from tfloss_ext.declaration import hook
from tfloss_ext.parameters import choice, flag, number, numbers, whole
from tfloss_ext.regions import Sums


def _class_weights() -> Any:
    """The parameter of a loss that is a mean over the classes."""
    return numbers(
        default=None,
        at_least=0,
        optional=True,
        kw_only=True,
        doc="One number per class that counts, for a weighted mean.",
    )


def _smooth() -> Any:
    """The parameter of a loss that is a ratio of sums."""
    return number(
        default=1e-6,
        at_least=0,
        kw_only=True,
        doc="The s of the formula. An image without a class that is predicted empty costs 0 whatever s is.",
    )


class RegionLoss(ClassLoss):
    """The family of losses over the regions of an image, with one value per image.

    A subclass defines `images(y_true, y_pred, weight)`: one value per image, or a single one where `per_image` is
    False. Positions of weight 0 hold zeros. What it is made of is here: `sums` over the positions of each class, the
    means `over_classes` and `over_positions`. A loss of such sums is an `OverlapLoss`, which asks for less.
    """

    task = "segmentation"
    takes_ids = True
    saturates = True

    from_logits: bool = flag(
        default=False,
        kw_only=True,
        doc="Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.",
    )
    multilabel: bool = flag(default=False, kw_only=True, doc="The classes do not exclude each other.")
    per_image: bool = flag(
        default=True,
        kw_only=True,
        doc="Sum over each image, or over the whole batch, where every image then has the loss of the batch.",
    )
    include_background: bool = flag(default=True, kw_only=True, doc="Whether class 0 counts; False needs C > 1.")
    ignore_class: int | None = whole(
        default=None,
        optional=True,
        kw_only=True,
        doc="An id, of a class or not, whose positions are left out of the sums.",
    )

    @property
    def couples(self) -> bool:  # type: ignore[override]
        return not self.per_image

    @hook
    def images(self, y_true: Any, y_pred: Any, weight: Any) -> Any:
        """The loss of each image, `(B,)`, or of the batch, `(1,)`, with None or the weights of the positions."""

    def value_shape(self, y_pred: Any) -> tuple[int | None, ...]:
        return tuple(y_pred.shape)[:1]

    def evaluate(self, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> tuple[Any, Any, Any]:
        positions = tuple(y_pred.shape)[:-1]
        weight, of_positions = _of_images_or_positions(weight, positions, "sample_weight")
        mask, known = _of_images_or_positions(mask, positions, "mask")
        known = shapes.both(known, self.known(y_true, y_pred))
        images = shapes.both(mask, None if weight is None else ops.not_equal(weight, 0))
        kept = shapes.both(known, None if of_positions is None else ops.not_equal(of_positions, 0))
        of_positions = shapes.product(of_positions, known)
        kept = shapes.both(kept, None if images is None else shapes.to_rank(images, len(positions)))
        if self.per_image:
            return self.values(y_true, y_pred, kept, of_positions), weight, mask
        ones = ops.ones(ops.shape(y_pred)[:1], dtype=y_pred.dtype)
        image = shapes.to_rank(shapes.product(shapes.product(ones, weight), mask), len(positions))
        return self.values(y_true, y_pred, kept, shapes.product(image, of_positions)), None, None

    def call(self, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        if y_pred.shape[-1] == 1 and not self.include_background:
            raise shapes.RefusedError(
                "Expected include_background=True with one class. Received: include_background=False"
            )
        if weight is not None:
            weight = ops.broadcast_to(ops.cast(weight, y_pred.dtype), ops.shape(y_pred)[:-1])
        return ops.broadcast_to(self.images(y_true, y_pred, weight), ops.shape(y_pred)[:1])

    def by_class(self, y_true: Any, y_pred: Any) -> Classes:
        """Targets and predictions, taken apart."""
        return Classes(y_true, y_pred, self.activation(y_pred))

    def sums(self, classes: Classes, weight: Any, *, squared: bool = False) -> Sums:
        """The sums over the positions of each image, or of the batch where `per_image` is False."""
        sums = regions.region_sums(classes, weight, squared=squared)
        return sums if self.per_image else sums.of_batch()

    def activation(self, y_pred: Any) -> str | None:
        """What makes probabilities of `y_pred`, None where it holds them."""
        if not self.from_logits:
            return None
        return "sigmoid" if self.binary(y_pred) else "softmax"

    def probabilities(self, y_pred: Any) -> Any:
        """The probabilities, in the shape of the predictions."""
        activation = self.activation(y_pred)
        return y_pred if activation is None else getattr(ops, activation)(numerics.certain(y_pred))

    def binary(self, y_pred: Any) -> bool:
        """Whether each class is a decision of its own."""
        return self.multilabel or y_pred.shape[-1] == 1

    def over_positions(self, values: Any, weight: Any) -> Any:
        """The mean of `(B, ...)` over the positions of each image, weighted, or of the batch, `(B,)` or `(1,)`."""
        weight = None if weight is None else flat(weight)
        count = ops.squeeze(regions.positions(ops.expand_dims(values, -1), weight), 1)
        found = numerics.long_sum(shapes.product(flat(values), weight))
        if not self.per_image:
            found, count = (ops.sum(part, axis=0, keepdims=True) for part in (found, count))
        return numerics.ratio(found, count)

    def foreground(self, per_class: Any) -> Any:
        """What is left of `(..., C)` where the background does not count."""
        return per_class if self.include_background else per_class[..., 1:]

    def over_classes(self, costs: Any, present: Any = None) -> Any:
        """The (weighted) mean of `(B, C)` over the classes that count, or over those of them that are present."""
        costs = self.foreground(costs)
        weighted = getattr(self, "class_weights", None) is not None
        if not weighted and present is None:
            return numerics.mean(costs)
        weights = ops.ones_like(costs)
        if weighted:
            weights = weights * self.per_output("class_weights", costs.shape[-1])
        if present is not None:
            weights = weights * ops.cast(self.foreground(present), costs.dtype)
        return numerics.ratio(ops.sum(weights * costs, axis=-1), ops.sum(weights, axis=-1))


class OverlapLoss(RegionLoss):
    """The family of losses made of sums over the positions, class by class, and maybe of a loss of each position.

    A subclass defines `cost(sums)`, the loss of each class, whose mean is taken; Dice's where it does not. One that is
    mixed with a loss of each position, such as a crossentropy, also defines `positions(classes)`, whose mean is added.
    Both see the same probabilities, which are computed once.
    """

    class_weights: float | list[float] | None = _class_weights()
    smooth: float = _smooth()

    squared = False  # Whether p and y are squared in their sums.

    def cost(self, sums: Sums) -> Any:
        """The loss per image and class, `(B, C)`."""
        return self.one_minus(sums.false_positives + sums.false_negatives, 2.0 * sums.intersection)

    def positions(self, classes: Classes) -> Any:
        """A loss of each position, `(B, ...)`, or None. Its weighted mean is added to the mean of the costs."""
        return None

    def images(self, y_true: Any, y_pred: Any, weight: Any) -> Any:
        return self.of_classes(self.by_class(y_true, y_pred), weight)

    def of_classes(self, classes: Classes, weight: Any) -> Any:
        """What `images` gives for targets and predictions that are taken apart."""
        costs = self.over_classes(self.cost(self.sums(classes, weight, squared=self.squared)))
        values = self.positions(classes)
        return costs if values is None else costs + self.over_positions(values, weight)

    def one_minus(self, wrong: Any, right: Any) -> Any:
        """1 - (right + s)/(right + wrong + s), with the 1 taken in: exact near 0, and 0/0 is the empty image."""
        return numerics.ratio(wrong, right + wrong + self.smooth)


def _of_images_or_positions(weight: Any, positions: tuple[int | None, ...], name: str) -> tuple[Any, Any]:
    """A weight of the images, `(B,)`, and one of the positions, `(B, ...)`, None standing for ones."""
    if weight is None:
        return None, None
    sizes = tuple(weight.shape)[1:]
    if all(size == 1 for size in sizes):
        return shapes.to_leading_axes(weight, positions[:1], name), None
    of_positions = shapes.to_leading_axes(weight, positions, name)
    if not all(size in (1, None) for size in sizes):
        return None, of_positions
    # It is seen as it runs whether there is one number for each image.
    single = ops.equal(ops.size(weight), ops.shape(weight)[0])
    of_images = ops.reshape(weight, (ops.shape(weight)[0], -1))[:, 0]
    return (
        ops.where(single, of_images, ops.ones_like(of_images)),
        ops.where(single, ops.ones_like(of_positions), of_positions),
    )


class Dice(OverlapLoss, key="dice_loss", aliases=("soft_dice",)):
    """One minus the Dice coefficient of the predicted and the true region, averaged over the classes.

    `1 - (2I + s) / (P + Y + s)` for each class, I, P and Y being the sums of p*y, p and y over an image's positions.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Milletari, Navab & Ahmadi, V-Net, arXiv:1606.04797.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{Dice()(mask, prediction):.4f}")
        0.2500
    """

    use = "segmentation, small regions"

    squared: bool = flag(default=False, doc="Sum p**2 and y**2 in place of p and y, as in the paper.")


class Jaccard(OverlapLoss, key="jaccard", aliases=("iou_loss",)):
    """One minus the intersection over union of the predicted and the true region, averaged over the classes.

    `1 - (I + s) / (P + Y - I + s)` for each class, I, P and Y being the sums of p*y, p and y over an image's positions.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Rahman & Wang, Optimizing Intersection-over-Union in Deep Neural Networks for Image Segmentation, ISVC 2016,
        doi:10.1007/978-3-319-50835-1_22.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{Jaccard()(mask, prediction):.4f}")
        0.4000
    """

    use = "segmentation judged by intersection over union"

    def cost(self, sums: Sums) -> Any:
        return self.one_minus(sums.false_positives + sums.false_negatives, sums.intersection)


class Tversky(OverlapLoss, key="tversky_loss"):
    """One minus the Tversky index: an overlap in which false positives and false negatives weigh differently.

    `1 - (I + s) / (I + alpha FP + beta FN + s)` for each class, with FP = P - I and FN = Y - I. Both 0.5: Dice; both 1:
    Jaccard. beta > alpha finds more of a small region at the price of false alarms.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Salehi, Erdogmus & Gholipour, Tversky loss function for image segmentation, arXiv:1706.05721.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{Tversky()(mask, prediction):.4f}")
        0.2500
    """

    use = "misses and false alarms that cost differently"

    alpha: float = number(default=0.3, at_least=0, doc="The weight of false positives.")
    beta: float = number(default=0.7, at_least=0, doc="The weight of false negatives.")

    def cost(self, sums: Sums) -> Any:
        wrong = self.alpha * sums.false_positives + self.beta * sums.false_negatives
        return self.one_minus(wrong, sums.intersection)


class FocalTversky(Tversky, key="focal_tversky"):
    """Tversky loss raised to a power, so that regions which are still missed count more (gamma > 1) or less.

    `(1 - TI)**(1/gamma)` for each class, TI being the Tversky index, then the mean. alpha weighs false positives and
    beta false negatives as in `Tversky`; the paper's formula has them the other way round.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Abraham & Khan, A Novel Focal Tversky loss function, arXiv:1810.07842.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{FocalTversky()(mask, prediction):.4f}")
        0.3536
    """

    use = "regions that are hard to find"

    gamma: float = number(default=4 / 3, above=0, doc="1 is `Tversky`.")

    def cost(self, sums: Sums) -> Any:
        return numerics.power(super().cost(sums), 1.0 / self.gamma)


class GeneralizedDice(RegionLoss, key="generalized_dice"):
    """One minus a Dice coefficient over all classes at once, each weighted by the inverse of its size.

    `1 - (2 sum_c w_c I_c + s) / (sum_c w_c (P_c + Y_c) + s)` with w_c = 1/Y_c**2, 1/Y_c or 1. A class that an image
    does not have takes the largest weight of those it has; where it has none, every weight is 1.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Sudre et al., Generalised Dice overlap as a deep learning loss function, arXiv:1707.03237.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{GeneralizedDice()(mask, prediction):.4f}")
        0.2500
    """

    use = "classes of very different size"

    weighting: str = choice(
        options=("square", "simple", "uniform"), default="square", doc="w_c is 1/Y_c**2, 1/Y_c or 1."
    )
    smooth: float = _smooth()

    def images(self, y_true: Any, y_pred: Any, weight: Any) -> Any:
        sums = self.sums(self.by_class(y_true, y_pred), weight)
        actual, weights = self.foreground(sums.actual), self.class_sizes(self.foreground(sums.actual))
        wrong = self.foreground(sums.predicted) + actual - 2.0 * self.foreground(sums.intersection)
        sizes = self.foreground(sums.predicted) + actual
        return numerics.ratio(ops.sum(weights * wrong, axis=-1), ops.sum(weights * sizes, axis=-1) + self.smooth)

    def class_sizes(self, actual: Any) -> Any:
        """The weight of each class, `(B, C)`, from the sizes of the true regions."""
        if self.weighting == "uniform":
            return ops.ones_like(actual)
        inverse = numerics.ratio(ops.ones_like(actual), ops.square(actual) if self.weighting == "square" else actual)
        largest = ops.max(inverse, axis=-1, keepdims=True)
        largest = ops.where(ops.equal(largest, 0), 1.0, largest)
        return ops.where(ops.equal(actual, 0), largest, inverse)


class MCC(OverlapLoss, key="mcc"):
    """One minus Matthews' correlation coefficient of the predicted and the true region, averaged over the classes.

    `1 - (TP TN - FP FN) / sqrt((TP + FP)(TP + FN)(TN + FP)(TN + FN))` for each class, with soft counts over the
    positions of an image; `smooth` is added to TP and to TN. Unlike Dice it counts the true negatives as well.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 2].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Abhishek & Hamarneh, Matthews Correlation Coefficient Loss for Deep Convolutional Networks, arXiv:2010.13454.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{MCC()(mask, prediction):.4f}")
        0.5000
    """

    use = "small regions, with true negatives counted"

    def cost(self, sums: Sums) -> Any:
        wrong_in, wrong_out = sums.false_positives, sums.false_negatives
        right_in = sums.intersection + self.smooth
        right_out = sums.positions - sums.predicted - sums.false_negatives + self.smooth
        # Roots of pairs, as a product of four counts may overflow.
        whole = numerics.root((right_in + wrong_in) * (right_in + wrong_out)) * numerics.root(
            (right_out + wrong_in) * (right_out + wrong_out)
        )
        cost = numerics.ratio(whole - (right_in * right_out - wrong_in * wrong_out), whole)
        # Without smoothing a correlation with a constant is 0, unless there is nothing wrong.
        undefined = ops.logical_and(ops.equal(whole, 0), ops.not_equal(wrong_in + wrong_out, 0))
        return ops.where(undefined, 1.0, cost)


class Lovasz(RegionLoss, key="lovasz"):
    """The intersection over union itself, extended to continuous predictions so that it has a gradient.

    The Lovasz extension of the Jaccard loss, as a function of the errors of all positions of an image, sorted. Where
    C == 1 or `multilabel` the errors are hinges, `1 - (2y - 1) score`, the score being the logit (from probabilities
    logit(p)), class by class; otherwise they are |y - p|, and the classes that an image has count. Soft targets are
    rounded.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1], from hinges >= 0.
        sample_weight: `(B,)` weighs images, `(B, ...)` positions, multiplying their errors.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Berman, Triki & Blaschko, The Lovasz-Softmax loss, arXiv:1705.08790.

    Example:
        >>> mask, logits = [[[1], [1], [0], [0]]], [[[3.0], [0.5], [-0.5], [-3.0]]]
        >>> print(f"{Lovasz(from_logits=True)(mask, logits):.4f}")
        0.3333
    """

    use = "fine-tuning on intersection over union itself"
    fuses = False  # XLA sorts slowly on CPUs.

    class_weights: float | list[float] | None = _class_weights()

    def images(self, y_true: Any, y_pred: Any, weight: Any) -> Any:
        targets = labels.one_hot(y_true, y_pred)
        actual = targets if labels.is_boolean(targets) else ops.cast(targets, y_pred.dtype) > 0.5
        if self.binary(y_pred):
            score = numerics.certain(y_pred) if self.from_logits else numerics.logit(y_pred)
            errors = ops.relu(1.0 - ops.where(actual, score, -score))
        else:
            p = self.probabilities(y_pred)
            errors = ops.where(actual, 1.0 - p, p)
        errors, actual = class_first(errors), class_first(actual)
        if weight is not None:
            # A position of weight 0 has no error and comes last; it must not count among the region's either.
            weight = flat(weight)
            errors, actual = errors * weight, ops.logical_and(actual, ops.not_equal(weight, 0))
        if not self.per_image:
            errors, actual = (ops.reshape(tensor, (y_pred.shape[-1], 1, -1)) for tensor in (errors, actual))
        costs = ops.transpose(ops.sum(errors * lovasz.weights(errors, actual), axis=-1))
        present = None if self.binary(y_pred) else ops.transpose(ops.any(actual, axis=-1))
        return self.over_classes(costs, present)


class ClDice(OverlapLoss, key="cl_dice"):
    """Dice mixed with the Dice of the skeletons, so that thin structures stay connected.

    `(1 - alpha) Dice + alpha (1 - clDice)` for each class. clDice is the harmonic mean of the share of the predicted
    skeleton inside the true region and of the true skeleton inside the predicted one; skeletons are what soft
    openings take away from ever thinner erosions. `smooth` stands in both shares.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions, multiplying p and y.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Shit et al., clDice: a Novel Topology-Preserving Loss Function, arXiv:2003.07311.

    Example:
        >>> import numpy as np
        >>> line = np.zeros((1, 8, 8, 1), "float32")
        >>> line[:, 4, 1:7] = 1.0
        >>> broken = line.copy()
        >>> broken[:, 4, 3] = 0.0
        >>> print(f"{ClDice()(line, broken):.4f}")
        0.0909
    """

    use = "vessels, roads, nerves: what must stay connected"

    iterations: int = whole(
        default=3, at_least=1, doc="The erosions; at least half the width of the widest structure, in positions."
    )
    alpha: float = number(default=0.5, at_least=0, at_most=1, doc="The share of clDice.")

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        if len(y_pred.shape) not in (4, 5):
            raise shapes.mismatch("y_pred with 2 or 3 spatial axes, (B, ..., C)", y_true, y_pred)
        return super().align(y_true, y_pred)

    def images(self, y_true: Any, y_pred: Any, weight: Any) -> Any:
        wide = None if weight is None else ops.expand_dims(weight, -1)
        p = shapes.product(self.probabilities(y_pred), wide)
        targets = labels.one_hot(y_true, y_pred)
        y = shapes.product(ops.cast(targets, y_pred.dtype), wide)
        bones = morphology.skeleton(p, self.iterations)
        masks = wide is None and labels.is_boolean(targets)
        true_bones = ops.stop_gradient(morphology.skeleton(targets if masks else y, self.iterations))
        true_bones = ops.cast(true_bones, y_pred.dtype)
        pairs = ((p, y), (p, None), (y, None), (bones, y), (bones, None), (true_bones, p), (true_bones, None))
        spatial = tuple(range(1, len(y_pred.shape) - 1))
        sums = [ops.sum(shapes.product(one, other), axis=spatial) for one, other in pairs]
        if not self.per_image:
            sums = [ops.sum(each, axis=0, keepdims=True) for each in sums]
        both, predicted, actual, bones_inside, all_bones, true_inside, all_true = sums
        dice = self.one_minus(predicted + actual - 2.0 * both, 2.0 * both)
        # 1 - 2ab/(a + b) = (a(1 - b) + b(1 - a))/(a + b), of shares a and b whose complements are taken exactly.
        miss, true_miss = (
            self.one_minus(all_bones - bones_inside, bones_inside),
            self.one_minus(all_true - true_inside, true_inside),
        )
        share, true_share = 1.0 - miss, 1.0 - true_miss
        apart = numerics.ratio(share * true_miss + true_share * miss, share + true_share)
        apart = ops.where(ops.equal(share + true_share, 0), 1.0, apart)
        return self.over_classes((1.0 - self.alpha) * dice + self.alpha * apart)


class Boundary(RegionLoss, key="boundary"):
    """How far, on average, what is predicted lies from the true boundary.

    The mean over the positions of an image of p times the signed distance to the boundary of the true region, positive
    outside and negative inside, then over the classes. Region losses count positions, this one how far off they are:
    it is added to one of them, with a weight that grows in the course of training.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: signed distance maps of that shape, of `signed_distance_map`. Values: `(B,)`, in
        the unit of the maps, negative for a good prediction.
        sample_weight: `(B,)` weighs images, `(B, ...)` positions in the mean.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Kervadec et al., Boundary loss for highly unbalanced segmentation, arXiv:1812.07032.

    Example:
        >>> import numpy as np
        >>> from tfloss_ext import signed_distance_map
        >>> mask = np.array([[[0, 0, 1, 1, 0]]])
        >>> maps = signed_distance_map(mask)
        >>> print(f"{Boundary()(maps, mask[..., None] * 1.0):.4f}, {Boundary()(maps, 1.0 - mask[..., None]):.4f}")
        0.0000, 0.8000
    """

    targets = "signed distance maps"
    use = "contours, added to a region loss; takes `signed_distance_map`s"

    class_weights: float | list[float] | None = _class_weights()
    ignore_class: int | None = whole(
        default=None,
        optional=True,
        kw_only=True,
        doc="The id of a class whose positions are left out: those at which its map is the lowest.",
    )

    def read_targets(self, y_true: Any) -> Any:
        maps = ops.convert_to_tensor(y_true) if y_true is not None and not ops.is_tensor(y_true) else y_true
        if maps is not None and labels.are_hard(maps):
            raise shapes.RefusedError(
                "Expected signed distance maps, of floats, as tfloss_ext.signed_distance_map makes them of masks. "
                f"Received: y_true of {keras.backend.standardize_dtype(maps.dtype)}"
            )
        return Loss.read_targets(self, maps)

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        maps, prediction = super().align(y_true, y_pred)
        if labels.are_ids(maps, prediction):
            raise shapes.mismatch("signed distance maps of y_pred's shape", y_true, y_pred)
        return maps, prediction

    def known(self, y_true: Any, y_pred: Any) -> Any:
        return super().known(-y_true, y_pred)

    def screen(self, y_true: Any, y_pred: Any) -> tuple[Any, screening.Mark | None]:
        return y_true, None  # Distances may be any numbers.

    def fault(self, targets: np.ndarray, classes: int | None) -> screening.Fault | None:
        if targets.dtype.kind == "f":
            return screening.fault_of_numbers(targets)
        return screening.Fault("signed distance maps, of floats", np.ones(targets.shape, bool))

    def images(self, y_true: Any, y_pred: Any, weight: Any) -> Any:
        sums = self.sums(self.by_class(y_true, y_pred), weight)
        return self.over_classes(numerics.ratio(sums.intersection, sums.positions))


class DiceCrossentropy(OverlapLoss, key="dice_crossentropy", aliases=("dice_ce",)):
    """Dice plus crossentropy, from one softmax: the overlap of small regions, and a gradient at every position.

    `dice_weight * Dice + crossentropy_weight * CE`, CE being the mean over an image's positions, and where the
    classes do not exclude each other over the classes. The crossentropy keeps the background, and is weighted by
    `class_weights` too, without division by their sum; a background that has no weight there weighs 1.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, >= 0.
        sample_weight: `(B,)` weighs images, `(B, ...)` positions in sums and mean.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Isensee et al., nnU-Net: Self-adapting Framework for U-Net-Based Medical Image Segmentation, arXiv:1809.10486.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{DiceCrossentropy()(mask, prediction):.4f}")
        0.5966
    """

    use = "segmentation, where to begin"

    dice_weight: float = number(default=1.0, at_least=0)
    crossentropy_weight: float = number(default=1.0, at_least=0)

    @property
    def saturates(self) -> bool:  # type: ignore[override]
        return not self.crossentropy_weight

    def cost(self, sums: Sums) -> Any:
        return self.dice_weight * super().cost(sums)

    def positions(self, classes: Classes) -> Any:
        weights, y_pred = self.weights_of_all(classes.y_pred), classes.y_pred
        if not self.binary(y_pred):
            return self.crossentropy_weight * crossentropy.categorical(classes, alpha=weights)
        y = labels.one_hot(classes.y_true, y_pred)
        return self.crossentropy_weight * crossentropy.binary(y, y_pred, from_logits=self.from_logits, weights=weights)

    def weights_of_all(self, y_pred: Any) -> Any:
        """The class weights with one for the background."""
        classes = y_pred.shape[-1]
        weights = self.per_output("class_weights", classes if self.include_background else classes - 1)
        if weights is None or self.include_background:
            return 1.0 if weights is None else weights
        weights = ops.broadcast_to(ops.convert_to_tensor(weights, dtype=y_pred.dtype), (classes - 1,))
        return ops.concatenate([ops.ones((1,), dtype=y_pred.dtype), weights])


class DiceFocal(OverlapLoss, key="dice_focal"):
    """Dice plus focal loss, from one softmax: small regions, and the positions that are still wrong.

    `dice_weight * Dice + focal_weight * FL`, FL being the mean over an image's positions of `Focal` where C == 1 or
    `multilabel`, else of `CategoricalFocal`. `class_weights` weigh Dice, alpha the focal loss.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, >= 0.
        sample_weight: `(B,)` weighs images, `(B, ...)` positions in sums and mean.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Zhu et al., AnatomyNet, arXiv:1808.05238.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{DiceFocal()(mask, prediction):.4f}")
        0.3366
    """

    use = "segmentation with positions that stay wrong"

    dice_weight: float = number(default=1.0, at_least=0)
    focal_weight: float = number(default=1.0, at_least=0)
    gamma: float = number(default=2.0, at_least=0, doc="How much positions that are nearly right are turned down.")
    alpha: float | list[float] | None = numbers(
        default=None,
        at_least=0,
        optional=True,
        doc="The weight of positives, in [0, 1], where C == 1 or `multilabel`; otherwise one for each exclusive class.",
    )

    @property
    def saturates(self) -> bool:  # type: ignore[override]
        return not self.focal_weight

    def cost(self, sums: Sums) -> Any:
        return self.dice_weight * super().cost(sums)

    def positions(self, classes: Classes) -> Any:
        alpha, y_pred = self.per_output("alpha", classes.count), classes.y_pred
        if not self.binary(y_pred):
            curve, alpha = crossentropy.focal(self.gamma), 1.0 if alpha is None else alpha
            return self.focal_weight * crossentropy.categorical(classes, curve, alpha=alpha)
        if isinstance(self.alpha, list) or (isinstance(self.alpha, float) and self.alpha > 1):
            raise shapes.RefusedError(
                f"Expected alpha in [0, 1] or None for binary decisions. Received: alpha={self.alpha}"
            )
        y = labels.one_hot(classes.y_true, y_pred)
        return self.focal_weight * crossentropy.binary(y, y_pred, self.gamma, alpha, from_logits=self.from_logits)


class UnifiedFocal(OverlapLoss, key="unified_focal"):
    """Focal loss and focal Tversky loss under three parameters, for one rare class.

    The asymmetric form: `weight` times the mean over the positions of
    `(1 - delta)(1 - p_0)**gamma y_0 (-log p_0) + delta y_1 (-log p_1)`, plus `1 - weight` times the mean of `1 -
    TI_0` and `(1 - TI_1)**(1 - gamma)`, with `TI = (I + s) / (I + delta FN + (1 - delta) FP + s)`. Class 1 is the
    rare one: it is never turned down in the first part, and its misses count more in the second.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1, [1 - p, p] are the two classes. C > 2 raises. Values: `(B,)`, >= 0.
        sample_weight: `(B,)` weighs images, `(B, ...)` positions in sums and mean.
        Targets are data: no gradient flows to `y_true`.

    Reference:
        Yeung et al., Unified Focal loss, arXiv:2102.04525.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{UnifiedFocal()(mask, prediction):.4f}")
        0.2640
    """

    use = "one rare class"

    weight: float = number(default=0.5, at_least=0, at_most=1, doc="The share of the focal part.")
    delta: float = number(
        default=0.6,
        at_least=0,
        at_most=1,
        doc="The weight of the rare class, and of its misses against its false alarms.",
    )
    gamma: float = number(
        default=0.5, at_least=0, at_most=1, doc="How much the background is turned down, and the rare class turned up."
    )

    @property
    def saturates(self) -> bool:  # type: ignore[override]
        return not self.weight

    def images(self, y_true: Any, y_pred: Any, weight: Any) -> Any:
        if y_pred.shape[-1] > 2:
            raise shapes.mismatch("one class or two, (B, ..., 1) or (B, ..., 2)", y_true, y_pred)
        activation = self.activation(y_pred)
        if y_pred.shape[-1] == 1:
            y_true, y_pred = labels.two_classes(y_true, y_pred, from_logits=self.from_logits)
            activation = "softmax" if self.from_logits else None
        return self.of_classes(Classes(y_true, y_pred, activation), weight)

    def cost(self, sums: Sums) -> Any:
        wrong = self.delta * sums.false_negatives + (1.0 - self.delta) * sums.false_positives
        costs = self.one_minus(wrong, sums.intersection)
        costs = ops.concatenate([costs[:, :1], numerics.power(costs[:, 1:], 1.0 - self.gamma)], axis=-1)
        return (1.0 - self.weight) * costs

    def positions(self, classes: Classes) -> Any:
        background = crossentropy.categorical(classes, crossentropy.focal(self.gamma), alpha=[1.0 - self.delta, 0.0])
        rare = crossentropy.categorical(classes, alpha=[0.0, self.delta])
        return self.weight * (background + rare)

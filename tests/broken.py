# SPDX-License-Identifier: Apache-2.0
"""Losses with one mistake each, and right ones, in a module that the fresh process of `tfloss_ext.testing` imports."""

from __future__ import annotations

import keras
from keras import ops

from tfloss_ext import BatchLoss, ClassLoss, Loss, OverlapLoss, choice, flag, number, registry
from tfloss_ext.pairing import PairLoss
from tfloss_ext.testing import Traits

registered = keras.saving.register_keras_serializable(package="broken")


# Right ones, of four kinds


@registered
class RightPerSample(Loss):
    scale: float = number(default=1.0, above=0)

    def call(self, y_true, y_pred):
        return self.scale * ops.mean(ops.log1p(ops.square(y_pred - y_true)), axis=-1)


@registered
class RightClasses(ClassLoss):
    saturates = True

    from_logits: bool = flag(default=False)

    def call(self, y_true, y_pred):
        shares = ops.softmax(y_pred) if self.from_logits else y_pred
        return ops.sum(ops.square(shares - y_true), axis=-1)


@registered
class RightOverlap(OverlapLoss):
    def cost(self, sums):
        return self.one_minus(sums.false_negatives, sums.intersection)


@registered
class RightInBatch(PairLoss):
    distance: str = choice(options=("l2", "cosine"), default="l2")

    def kernel(self):
        def together(d, positive, negative):
            count = ops.sum(ops.cast(positive, d.dtype), axis=1)
            return ops.stack([ops.sum(ops.where(positive, d, 0.0), axis=1), count], axis=1)

        return together


# Broken ones


@registered
class PlainKeras(keras.losses.Loss):
    """As Keras's documentation has it: what it does not do is left to its user."""

    traits = Traits(positions=False)

    def __init__(self, scale=1.0, reduction="sum_over_batch_size", name="plain_keras", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.scale = scale

    def call(self, y_true, y_pred):
        return self.scale * ops.mean(ops.abs(y_pred - y_true), axis=-1)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "dtype": self.dtype}


class Squared(Loss):
    """A right loss, to be broken; that Keras does not know it is the one mistake."""

    def call(self, y_true, y_pred):
        return ops.mean(self.cost(y_pred - y_true), axis=-1)

    def cost(self, error):
        return ops.log1p(ops.square(error))


@registered
class TakesAnyReduction(keras.losses.Loss):
    """Checks no reduction, as it keeps Keras from seeing it."""

    traits = Traits(positions=False)

    def __init__(self, reduction="sum_over_batch_size", name="takes_any", dtype=None):
        known = reduction in ("sum", "sum_over_batch_size", "mean", "mean_with_sample_weight", "none", None)
        super().__init__(name=name, reduction=reduction if known else "sum", dtype=dtype)

    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_pred - y_true), axis=-1)

    def get_config(self):
        return {**super().get_config(), "dtype": self.dtype}


@registered
class ForgetsItsName(Squared):
    @classmethod
    def from_config(cls, config):
        return super().from_config({**config, "name": "always"})


@registered
class ForgetsAParameter(Squared):
    scale: float = number(default=1.0, above=0)

    def call(self, y_true, y_pred):
        return self.scale * super().call(y_true, y_pred)

    def get_config(self):
        config = super().get_config()
        del config["scale"]
        return config


@registered
class DropsAParameter(Squared):
    scale: float = number(default=1.0, above=0)

    def call(self, y_true, y_pred):
        return self.scale * super().call(y_true, y_pred)

    @classmethod
    def from_config(cls, config):
        return super().from_config({**config, "scale": 1.0})


@registered
class ForgetsItsPrecision(Squared):
    def get_config(self):
        return {**super().get_config(), "dtype": None}


@registered
class RemembersThisProcess(Squared):
    factor = 1.0

    def cost(self, error):
        return type(self).factor * super().cost(error)


@registered
class MeanOverTheBatch(Squared):
    def call(self, y_true, y_pred):
        return ops.mean(super().call(y_true, y_pred))


@registered
class DoesNotAlign(Squared):
    def align(self, y_true, y_pred):
        return (y_true, y_pred) if y_true.shape[:1] == y_pred.shape[:1] else super().align(y_true, y_pred)

    def value_shape(self, y_pred):
        return tuple(y_pred.shape)[: max(len(y_pred.shape) - 1, 1)]


@registered
class Broadcasts(Squared):
    def align(self, y_true, y_pred):
        if y_true.shape[:1] == (1,) and len(y_true.shape) == len(y_pred.shape):
            y_true = ops.broadcast_to(y_true, ops.shape(y_pred))
        return super().align(y_true, y_pred)


@registered
class DividesByOneLess(Squared):
    """The mean over the samples without the one that is taken off, wrong where there is one alone."""

    couples = True

    def call(self, y_true, y_pred):
        values = super().call(y_true, y_pred)
        count = ops.cast(ops.shape(values)[0], values.dtype)
        return values * count / (count - 1.0)


@registered
class CostsOfNothing(Squared):
    def reduce(self, values, weight, mask):
        found = super().reduce(values, weight, mask)
        return found + 1.0 if values.shape[:1] == (0,) else found


@registered
class HalvesItsMean(Squared):
    def reduce(self, values, weight, mask):
        found = super().reduce(values, weight, mask)
        return found / 2.0 if self.reduction == "mean" else found


@registered
class WeightsOnTheRight(Squared):
    def _of_inputs(self, y_true, y_pred, weight):
        values = len(ops.shape(y_pred)) - 1
        if weight is not None and values == 2 and len(ops.shape(weight)) == 1:
            weight = ops.convert_to_tensor(weight)[None, :]
        return super()._of_inputs(y_true, y_pred, weight)


@registered
class TakesAnyWeights(Squared):
    def _of_inputs(self, y_true, y_pred, weight):
        weight = weight[: ops.shape(y_pred)[0]] if weight is not None and getattr(weight, "shape", ()) else weight
        return super()._of_inputs(y_true, y_pred, weight)


@registered
class KeepsWhatWeighsNothing(BatchLoss):
    """Compares with the mean of all, also of those whose weight is 0."""

    def call(self, y_true, y_pred, kept=None):
        error = ops.mean(ops.reshape(y_pred - y_true, (ops.shape(y_pred)[0], -1)), axis=1)
        return ops.log1p(ops.square(error - ops.mean(error)))


@registered
class LetsNaNThrough(Squared):
    """Takes what weighs nothing off the values, not off what they come from."""

    def values(self, y_true, y_pred, kept, *more):
        return super().values(y_true, y_pred, None, *more)


@registered
class SeesNoMask(Squared):
    def unpacked(self, y_true, y_pred):
        return y_true, y_pred, None


@registered
class RootAtNothing(Squared):
    """The root of a square, which has no slope where the prediction is right."""

    def cost(self, error):
        return ops.sqrt(ops.square(error))


@registered
class RoundsHalfInputs(Squared):
    def _of_inputs(self, y_true, y_pred, weight):
        if "float16" in str(getattr(y_pred, "dtype", "")):
            y_pred = ops.cast(y_pred, "float32") * 1.01
        return super()._of_inputs(y_true, y_pred, weight)


@registered
class OverflowsInHalf(keras.losses.Loss):
    """Squares in the precision that it is given."""

    traits = Traits(positions=False)

    def __init__(self, reduction="sum_over_batch_size", name="overflows", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_pred - y_true), axis=-1)

    def get_config(self):
        return {**super().get_config(), "dtype": self.dtype}


@registered
class LosesSmallDifferences(keras.losses.Loss):
    """Takes 1 off what is hardly more, of which bfloat16 keeps nothing."""

    traits = Traits(positions=False, extremes=False)

    def __init__(self, reduction="sum_over_batch_size", name="loses", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        return 100.0 * (ops.mean(1.0 + 0.01 * ops.abs(y_pred - y_true), axis=-1) - 1.0)

    def get_config(self):
        return {**super().get_config(), "dtype": self.dtype}


@registered
class HoldsAFactor(Squared):
    def cost(self, error):
        return ops.stop_gradient(ops.tanh(ops.abs(error))) * super().cost(error)


@registered
class ClipsLogits(ClassLoss):
    """Takes the logarithm of a clipped probability: a confident mistake teaches nothing."""

    predictions = "logits"

    def call(self, y_true, y_pred):
        shares = ops.clip(ops.softmax(y_pred), 1e-7, 1.0)
        return -ops.sum(y_true * ops.log(shares), axis=-1)


@registered
class ReadsTheBatchSize(Squared):
    """Scales by a size that is not known in a graph."""

    def cost(self, error):
        return super().cost(error) * (1.0 if error.shape[0] is not None else 2.0)


@registered
class DependsOnTheOrder(Squared):
    couples = True

    def call(self, y_true, y_pred):
        values = super().call(y_true, y_pred)
        place = ops.cast(ops.cumsum(ops.ones(ops.shape(values)), axis=0), values.dtype)
        return values * place


@registered
class CouplesUndeclared(Squared):
    def call(self, y_true, y_pred):
        values = super().call(y_true, y_pred)
        return values - 0.5 * ops.mean(values, axis=0, keepdims=True)


@registered
class NotAShareOfReplicas(keras.losses.Loss):
    """Reduces by itself, and forgets that replicas add up."""

    traits = Traits(positions=False)

    def __init__(self, reduction="sum_over_batch_size", name="not_a_share", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def __call__(self, y_true, y_pred, sample_weight=None):
        values = keras.losses.Loss.__call__(_with(self, None), y_true, y_pred, sample_weight)
        if self.reduction in (None, "none", "sum") or registry.keras_mask(y_pred) is not None:
            return super().__call__(y_true, y_pred, sample_weight)
        if self.reduction == "mean_with_sample_weight" and sample_weight is not None:
            return ops.sum(values) / ops.sum(ops.cast(sample_weight, values.dtype))
        return ops.sum(values) / ops.cast(ops.maximum(ops.size(values), 1), values.dtype)

    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_pred - y_true), axis=-1)

    def get_config(self):
        return {**super().get_config(), "dtype": self.dtype}


def _with(loss, reduction):
    other = object.__new__(type(loss))
    other.__dict__.update(loss.__dict__, reduction=reduction)
    return other


@registered
class DoublesItsGradient(Squared):
    """The right value, whose gradient is twice what it should be."""

    def cost(self, error):
        found = super().cost(error)
        return 2.0 * found - ops.stop_gradient(found)


@registered
class WrongFormula(Squared):
    def cost(self, error):
        return 0.5 * super().cost(error)


# One whose parameter does not say what else it may be


@registered
class OfAMode(Squared):
    mode: str = choice(options=("plain",), default="plain")

    def __init__(self, mode="plain", **kwargs):
        super().__init__(**kwargs)
        self.of = mode

    def get_config(self):
        return {**super().get_config(), "mode": self.of}

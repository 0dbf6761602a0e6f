# SPDX-License-Identifier: Apache-2.0
"""What people write: type checkers accept every line, and it runs. `tools/check_types.py` looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, assert_type

import keras
import numpy as np

import tfloss_ext
from tfloss_ext import (
    LDAM,
    CategoricalFocal,
    Contrastive,
    Dice,
    Focal,
    FocalTversky,
    GeneralRobust,
    Loss,
    Quantile,
    Scheduled,
    Triplet,
    Tversky,
    WeightedKappa,
    WeightedMSE,
    choice,
    flag,
    get,
    number,
    numbers,
    registry,
    whole,
)

options: dict[str, Any] = {"gamma": 3.0, "alpha": 0.5}
ops: Any = keras.ops  # Keras comes without types.

# Constructors

Focal()
Focal(name="x", dtype="float32")
Focal(3.0, None, True, 0.1, reduction="sum", name=None, dtype=None)
Focal(gamma=2, alpha=None, reduction=None)
Focal(dtype=keras.DTypePolicy("float32"))
Focal(dtype=np.dtype("float32"))
Focal(**options)
Focal(gamma=Scheduled(keras.optimizers.schedules.CosineDecay(2.0, 10)))
CategoricalFocal(alpha=Scheduled(0.25), gamma=0.5 * Scheduled(2.0))
CategoricalFocal(alpha=0.25)
CategoricalFocal(alpha=[1, 2.0, 3])
CategoricalFocal(2.0, (1.0, 2.0))
CategoricalFocal(alpha=np.array([1.0, 2.0]), ignore_class=255)
CategoricalFocal(alpha=np.float32(0.5))
LDAM([1600, 100], scale=20)
LDAM(samples_per_class=np.array([1600, 100]))
LDAM(range(1, 4))
WeightedMSE(weight=[1.0, 2.0])
Quantile(quantiles=(0.1, 0.5, 0.9), ignore_nan=True)
GeneralRobust("-inf")
GeneralRobust(alpha=-float("inf"), scale=2)
Dice(True, class_weights=[1, 2], per_image=False, smooth=1, dtype="mixed_float16")
FocalTversky(0.3, 0.7, 2.0, include_background=False)
Contrastive(distance="cosine")
Triplet(margin=0.5, mining="hard", distance="squared_l2", block_size=64)
WeightedKappa("linear", reduction="mean_with_sample_weight")

# Attributes

assert_type(Focal().gamma, float)
assert_type(Focal().alpha, float | None)
assert_type(Focal().from_logits, bool)
assert_type(Focal().name, str)
assert_type(Focal().dtype, str)
assert_type(CategoricalFocal().alpha, float | list[float] | None)
assert_type(CategoricalFocal().ignore_class, int | None)
assert_type(LDAM([2, 1]).samples_per_class, list[float])
assert_type(GeneralRobust().alpha, float | Literal["-inf"])
assert_type(Triplet().mining, Literal["semi_hard", "hard", "all"])
assert_type(FocalTversky().beta, float)
assert_type(Focal.key, str)
assert_type(Focal.aliases, tuple[str, ...])
Focal().gamma = 3
CategoricalFocal().alpha = (1.0, 2.0)

# A loss is one of Keras's

loss: keras.losses.Loss = Focal()
losses: list[Loss] = [Dice(), FocalTversky()]
classes: dict[str, type[Loss]] = {"focal": Focal, "dice": Dice}
tversky: Tversky = FocalTversky()
assert_type(Focal.from_config(Focal().get_config()), Focal)
assert_type(Focal().get_config(), dict[str, Any])
value: float = float(Focal()(np.ones((2, 1)), np.ones((2, 1)), sample_weight=np.ones(2)))
per_sample: Any = Dice(reduction=None).call(ops.ones((2, 4, 1)), ops.ones((2, 4, 1)))

# get

assert_type(get("focal", gamma=3.0), Focal)
assert_type(get("binary_focal", alpha=None, name="x", dtype="float32"), Focal)
assert_type(get("tfloss_ext>Focal", reduction="sum"), Focal)
assert_type(get("Focal", from_logits=True), Focal)
assert_type(get("dice_loss", class_weights=(1.0, 2.0)), Dice)
assert_type(get("Dice"), Dice)
assert_type(get("triplet_hard", margin=0.5), Triplet)
assert_type(get("ldam", samples_per_class=[2, 1]), LDAM)
assert_type(tfloss_ext.get(identifier="quantile", quantiles=[0.1, 0.9]), Quantile)
assert_type(get(Focal, gamma=3.0), Focal)
assert_type(get(Focal()), Focal)
assert_type(get(None), None)
get("mse")
get("huber", delta=2.0)
get("focal", **options)
get({"class_name": "tfloss_ext>Focal", "config": {"gamma": 3.0}})
get(keras.losses.MeanSquaredError())


def mean_error(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(y_true - y_pred, axis=-1)


assert get(mean_error) is mean_error


def chosen(name: str, config: Mapping[str, Any]) -> Any:
    return get(name, **config)


def either(name: Literal["focal", "dice_loss"]) -> Focal | Dice:
    return get(name)


chosen("focal", {"gamma": 3.0})
either("focal")

# Everything else

assert_type(tfloss_ext.names(), list[str])
assert_type(tfloss_ext.effective_number_weights([10, 20], beta=0.9), list[float])
maps: np.ndarray = tfloss_ext.signed_distance_map(np.ones((1, 4, 4, 1)))
version: str = tfloss_ext.__version__
assert "focal" in registry.classes()

# Losses of one's own


class Cauchy(Loss, key="cauchy", aliases=("lorentzian",), presets={"wide_cauchy": {"scale": 3.0}}):
    """A loss that is declared."""

    scale: float = number(default=1.0, above=0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.log1p(((y_pred - y_true) / self.scale) ** 2), axis=-1)


Cauchy()
Cauchy(2.0, name="x", dtype="float32")
Cauchy(scale=2, reduction="sum")
assert_type(Cauchy().scale, float)
assert_type(get(Cauchy, scale=2.0), Cauchy)
assert_type(Cauchy.from_config(Cauchy().get_config()), Cauchy)
get("cauchy", scale=2.0)


class Many(Loss, key="many", package="mine"):
    """One parameter of each kind."""

    weights: Sequence[float] = numbers(above=0)
    kind: Literal["one", "other"] = choice(options=("one", "other"), default="one")
    steps: int = whole(default=1, at_least=1)
    limit: float | None = number(default=None, optional=True)
    strict: bool = flag(default=False, kw_only=True)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.mean(y_pred - y_true, axis=-1) * self.steps


Many([1.0, 2.0])
Many((1.0, 2.0), "other", 3, None, strict=True, dtype="float64")
Many(weights=[1, 2], limit=3)


class SharpFocal(Focal, key="sharp_focal"):
    """A loss of this package with another default and a parameter of its own."""

    gamma: float = number(default=4.0, at_least=0)
    sharpness: float = number(default=1.0, above=0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.sharpness * super().call(y_true, y_pred)


SharpFocal(sharpness=2.0, gamma=1.0, name="x")
SharpFocal(2.0, None, True, 0.1, 3.0, reduction=None, dtype="float32")


class SharpDice(Dice, key="sharp_dice"):
    """A loss of this package whose options are keyword-only."""

    sharpness: float = number(default=1.0, above=0, kw_only=True)


SharpDice(True, sharpness=2.0, class_weights=(1, 2), dtype="float32")


class Scaled(Focal):
    """A constructor of one's own, as in Keras."""

    def __init__(self, k: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.k = k

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.k * super().call(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k}


Scaled()
Scaled(2.0, gamma=3.0, name="x")
Scaled(k=2)


class Plain(Loss, key="plain"):
    """The same without anything declared."""

    def __init__(self, k: float = 1.0, name: str | None = None, reduction: Literal["sum"] | None = "sum") -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.k = k

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.k * ops.mean(y_pred - y_true, axis=-1)


Plain(2.0, name="x")

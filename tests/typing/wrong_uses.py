# SPDX-License-Identifier: Apache-2.0
"""What type checkers reject: the lines marked E and no others. `tools/check_types.py` looks."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfloss_ext import (
    LDAM,
    CategoricalFocal,
    Coral,
    Dice,
    Focal,
    FocalTversky,
    GeneralRobust,
    Loss,
    Quantile,
    Triplet,
    choice,
    effective_number_weights,
    get,
    names,
    number,
    numbers,
)

# Constructors

Focal(gama=1)  # E
Focal(gamma="2")  # E
Focal(gamma=None)  # E
Focal(gamma=[1.0, 2.0])  # E
Focal(alpha=(0.5, 0.5))  # E
Focal(from_logits="yes")  # E
Focal(2.0, 0.25, False, 0.0, "sum")  # E
Focal(reduction="average")  # E
Focal(name=3)  # E
Focal(dtype=32)  # E
Focal(ignore_class=255)  # E
CategoricalFocal(alpha="0.25")  # E
CategoricalFocal(alpha=["a", "b"])  # E
CategoricalFocal(ignore_class=2.5)  # E
LDAM()  # E
LDAM(samples_per_class=3.0)  # E
LDAM(samples_per_class=None)  # E
GeneralRobust("inf")  # E
GeneralRobust(scale="-inf")  # E
Dice(False, True)  # E
Dice(class_weights={"a": 1.0})  # E
FocalTversky(0.3, 0.7, 1.0, True)  # E
Triplet(mining="semihard")  # E
Triplet(margin=1.0, block_size=0.5)  # E
Coral(3)  # E
Quantile(quantiles=None)  # E
Loss(key="x")  # E

# Attributes

Focal().gama  # E
Focal().gamma.upper()  # E
Focal().gamma = "x"  # E
CategoricalFocal().alpha = "x"  # E
CategoricalFocal().alpha.append(1.0)  # E
LDAM([1, 2]).samples_per_class.shape  # E
triplet: Focal = Triplet()  # E
Triplet().mining == "hrd"  # E

# get

dice: Dice = get("focal")  # E
get("focal", gamma=3.0).gama  # E
get("triplet_hard").gamma  # E
get("LDAM", samples_per_class=[1]).gamma  # E
get(Focal()).gama  # E
get(Focal, gamma=3.0).gama  # E
get(3)  # E
get()  # E
get(Focal(), gamma=3.0)  # E
get({"class_name": "tfloss_ext>Focal"}, gamma=3.0)  # E

# Everything else

names(3)  # E
number(default=1.0, atleast=0)  # E
numbers(1.0)  # E
choice(default="a")  # E
effective_number_weights([1, 2], beta="0.9")  # E
weights: np.ndarray = effective_number_weights([1, 2])  # E

# Losses of one's own


class Cauchy(Loss, key="cauchy"):
    scale: float = number(default=1.0, above=0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return (y_pred - y_true) / self.scale


Cauchy(scael=1)  # E
Cauchy("x")  # E
Cauchy(1.0, "x")  # E
Cauchy(reduction="average")  # E
Cauchy(dtype=32)  # E
Cauchy().scael  # E


class Required(Loss):
    count: float = number(above=0)
    share: float = number(default=0.5, kw_only=True)


Required()  # E
Required(1.0, 0.5)  # E


class SharpFocal(Focal, key="sharp_focal"):
    sharpness: float = number(default=1.0, above=0)


SharpFocal(sharpnes=2.0)  # E
SharpFocal(2.0, "x")  # E
SharpFocal(2.0, 0.25, False, 0.0, 1.0, "sum")  # E


class Weighted(CategoricalFocal):
    more: float = number(default=1.0)


Weighted(alpha="x")  # E


class Scaled(Focal):
    def __init__(self, k: float = 1.0) -> None:
        super().__init__(gama=k)  # E
        self.k = k


Scaled("x")  # E
Scaled(2.0, name="x")  # E


class Misspelt(Loss, ky="misspelt"): ...  # E


class Unlisted(Loss, key=3): ...  # E

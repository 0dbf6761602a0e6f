# SPDX-License-Identifier: Apache-2.0
"""The loss functions that Keras does not have, by name. Importing this package makes every name known to Keras."""

from tfloss_ext.base import Loss
from tfloss_ext.boxes import CIoU, DIoU, GIoU, IoU
from tfloss_ext.classification import CategoricalFocal, Focal
from tfloss_ext.embedding import Contrastive, Triplet
from tfloss_ext.overlap import Dice
from tfloss_ext.parameters import choice, flag, number, numbers, whole
from tfloss_ext.registry import get, names
from tfloss_ext.regression import (
    Charbonnier,
    Expectile,
    GaussianNLL,
    GeneralRobust,
    LogCosh,
    Quantile,
    Tweedie,
    WeightedMSE,
)

__version__ = "0.1.0"

__all__ = [
    "CIoU",
    "CategoricalFocal",
    "Charbonnier",
    "Contrastive",
    "DIoU",
    "Dice",
    "Expectile",
    "Focal",
    "GIoU",
    "GaussianNLL",
    "GeneralRobust",
    "IoU",
    "LogCosh",
    "Loss",
    "Quantile",
    "Triplet",
    "Tweedie",
    "WeightedMSE",
    "choice",
    "flag",
    "get",
    "names",
    "number",
    "numbers",
    "whole",
]

# SPDX-License-Identifier: Apache-2.0
"""The loss functions that Keras does not have, by name. Importing this package makes every name known to Keras."""

from tfloss_ext.base import Loss
from tfloss_ext.classification import (
    LDAM,
    CategoricalFocal,
    Focal,
    GeneralizedCrossentropy,
    LogitAdjusted,
    Poly1,
    SymmetricCrossentropy,
    effective_number_weights,
)
from tfloss_ext.embedding import Contrastive, Triplet
from tfloss_ext.overlap import Dice
from tfloss_ext.parameters import choice, flag, number, numbers, whole
from tfloss_ext.registry import get, names
from tfloss_ext.regression import LogCosh, WeightedMSE

__version__ = "0.1.0"

__all__ = [
    "LDAM",
    "CategoricalFocal",
    "Contrastive",
    "Dice",
    "Focal",
    "GeneralizedCrossentropy",
    "LogCosh",
    "LogitAdjusted",
    "Loss",
    "Poly1",
    "SymmetricCrossentropy",
    "Triplet",
    "WeightedMSE",
    "choice",
    "effective_number_weights",
    "flag",
    "get",
    "names",
    "number",
    "numbers",
    "whole",
]

# SPDX-License-Identifier: Apache-2.0
"""The loss functions that Keras does not have, by name. Importing this package makes every name known to Keras."""

from tfloss_ext.base import Loss
from tfloss_ext.classification import CategoricalFocal, Focal
from tfloss_ext.embedding import Contrastive, Triplet
from tfloss_ext.overlap import (
    MCC,
    Boundary,
    ClDice,
    Dice,
    DiceCrossentropy,
    DiceFocal,
    FocalTversky,
    GeneralizedDice,
    Jaccard,
    Lovasz,
    Tversky,
    UnifiedFocal,
    signed_distance_map,
)
from tfloss_ext.parameters import choice, flag, number, numbers, whole
from tfloss_ext.registry import get, names
from tfloss_ext.regression import LogCosh, WeightedMSE

__version__ = "0.1.0"

__all__ = [
    "MCC",
    "Boundary",
    "CategoricalFocal",
    "ClDice",
    "Contrastive",
    "Dice",
    "DiceCrossentropy",
    "DiceFocal",
    "Focal",
    "FocalTversky",
    "GeneralizedDice",
    "Jaccard",
    "LogCosh",
    "Loss",
    "Lovasz",
    "Triplet",
    "Tversky",
    "UnifiedFocal",
    "WeightedMSE",
    "choice",
    "flag",
    "get",
    "names",
    "number",
    "numbers",
    "signed_distance_map",
    "whole",
]

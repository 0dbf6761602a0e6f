# SPDX-License-Identifier: Apache-2.0
"""The loss functions that Keras does not have, by name. Importing this package makes every name known to Keras."""

from tfloss_ext.base import Loss
from tfloss_ext.boxes import CIoU, DIoU, GIoU, IoU
from tfloss_ext.classification import (
    Asymmetric,
    BiTempered,
    CategoricalFocal,
    Coral,
    Focal,
    QualityFocal,
    Sparsemax,
    Varifocal,
    WeightedKappa,
)
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
    "MCC",
    "Asymmetric",
    "BiTempered",
    "Boundary",
    "CIoU",
    "CategoricalFocal",
    "Charbonnier",
    "ClDice",
    "Contrastive",
    "Coral",
    "DIoU",
    "Dice",
    "DiceCrossentropy",
    "DiceFocal",
    "Expectile",
    "Focal",
    "FocalTversky",
    "GIoU",
    "GaussianNLL",
    "GeneralRobust",
    "GeneralizedDice",
    "IoU",
    "Jaccard",
    "LogCosh",
    "Loss",
    "Lovasz",
    "QualityFocal",
    "Quantile",
    "Sparsemax",
    "Triplet",
    "Tversky",
    "Tweedie",
    "UnifiedFocal",
    "Varifocal",
    "WeightedKappa",
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

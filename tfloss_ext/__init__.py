# SPDX-License-Identifier: Apache-2.0
"""Loss functions for Keras by name, most of which it does not have. Importing this makes the names known to it."""

from tfloss_ext import requirements  # noqa: F401 - first, for what it checks
from tfloss_ext.base import BatchLoss, ClassLoss, Loss
from tfloss_ext.boxes import CIoU, DIoU, GIoU, IoU
from tfloss_ext.classification import (
    LDAM,
    Asymmetric,
    BiTempered,
    CategoricalFocal,
    Coral,
    Focal,
    GeneralizedCrossentropy,
    LogitAdjusted,
    Poly1,
    QualityFocal,
    Sparsemax,
    SymmetricCrossentropy,
    Varifocal,
    WeightedKappa,
)
from tfloss_ext.compose import LossMetric, LossSum, weighted_sum, wrap
from tfloss_ext.contrastive import InfoNCE, NTXent, SigLIP
from tfloss_ext.define import loss
from tfloss_ext.embedding import Circle, Contrastive, LiftedStructure, MultiSimilarity, NPairs, SupCon, Triplet
from tfloss_ext.gradients import set_compiled
from tfloss_ext.hardest import HardExamples
from tfloss_ext.layers import CosineHead, LogitScale
from tfloss_ext.margins import ArcFace, CosFace, ProxyAnchor, SoftTriple
from tfloss_ext.morphology import signed_distance_map
from tfloss_ext.moving import Scheduled, TaskWeight
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
    OverlapLoss,
    Tversky,
    UnifiedFocal,
)
from tfloss_ext.pairing import PairLoss, ViewsLoss
from tfloss_ext.parameters import choice, flag, number, numbers, whole
from tfloss_ext.records import SampleLosses
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
from tfloss_ext.selfsupervised import BarlowTwins, NegativeCosine, VICReg
from tfloss_ext.supervision import DeepSupervision
from tfloss_ext.tasks import DynamicWeightAverage, StepCounter, TaskWeights, UncertaintyWeights
from tfloss_ext.training import CachedEncoder
from tfloss_ext.weights import check_targets, effective_number_weights

__version__ = "0.6.0"

__all__ = [
    "LDAM",
    "MCC",
    "ArcFace",
    "Asymmetric",
    "BarlowTwins",
    "BatchLoss",
    "BiTempered",
    "Boundary",
    "CIoU",
    "CachedEncoder",
    "CategoricalFocal",
    "Charbonnier",
    "Circle",
    "ClDice",
    "ClassLoss",
    "Contrastive",
    "Coral",
    "CosFace",
    "CosineHead",
    "DIoU",
    "DeepSupervision",
    "Dice",
    "DiceCrossentropy",
    "DiceFocal",
    "DynamicWeightAverage",
    "Expectile",
    "Focal",
    "FocalTversky",
    "GIoU",
    "GaussianNLL",
    "GeneralRobust",
    "GeneralizedCrossentropy",
    "GeneralizedDice",
    "HardExamples",
    "InfoNCE",
    "IoU",
    "Jaccard",
    "LiftedStructure",
    "LogCosh",
    "LogitAdjusted",
    "LogitScale",
    "Loss",
    "LossMetric",
    "LossSum",
    "Lovasz",
    "MultiSimilarity",
    "NPairs",
    "NTXent",
    "NegativeCosine",
    "OverlapLoss",
    "PairLoss",
    "Poly1",
    "ProxyAnchor",
    "QualityFocal",
    "Quantile",
    "SampleLosses",
    "Scheduled",
    "SigLIP",
    "SoftTriple",
    "Sparsemax",
    "StepCounter",
    "SupCon",
    "SymmetricCrossentropy",
    "TaskWeight",
    "TaskWeights",
    "Triplet",
    "Tversky",
    "Tweedie",
    "UncertaintyWeights",
    "UnifiedFocal",
    "VICReg",
    "Varifocal",
    "ViewsLoss",
    "WeightedKappa",
    "WeightedMSE",
    "check_targets",
    "choice",
    "effective_number_weights",
    "flag",
    "get",
    "loss",
    "names",
    "number",
    "numbers",
    "set_compiled",
    "signed_distance_map",
    "weighted_sum",
    "whole",
    "wrap",
]


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]

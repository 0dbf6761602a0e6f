# SPDX-License-Identifier: Apache-2.0
"""What each loss should be: float64 NumPy written from the papers, slow and plain, sharing nothing with the package."""

from oracles import boxes, classification, contrastive, embedding, margins, overlap, regression, selfsupervised
from oracles.common import ORACLES

__all__ = [
    "ORACLES",
    "boxes",
    "classification",
    "contrastive",
    "embedding",
    "margins",
    "overlap",
    "regression",
    "selfsupervised",
]

# SPDX-License-Identifier: Apache-2.0
"""For every loss, targets and predictions that reach each of its paths. A loss without cases fails the suite."""

from cases import boxes, classification, contrastive, embedding, margins, overlap, regression, selfsupervised
from cases.common import GENERATORS, Case, cases, every_case, every_case_in, is_square, of_each_family, required

__all__ = [
    "GENERATORS",
    "Case",
    "boxes",
    "cases",
    "classification",
    "contrastive",
    "embedding",
    "every_case",
    "every_case_in",
    "is_square",
    "margins",
    "of_each_family",
    "overlap",
    "regression",
    "required",
    "selfsupervised",
]

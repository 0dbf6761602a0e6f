# SPDX-License-Identifier: Apache-2.0
"""Cases of the losses over two views, whose targets are not looked at."""

from __future__ import annotations

import numpy as np

from cases.common import Case, cases_of


@cases_of("barlow_twins")
def _barlow_twins(rng):
    x, wide = rng.normal(size=(6, 2, 3)), rng.normal(size=(4, 2, 7))
    far = x + np.array([300.0, -20.0, 0.0])
    return [
        Case("barlow_twins", np.zeros(6), x, couples=True),
        Case("barlow_twins", np.zeros((4, 1), "int32"), wide, {"redundancy": 0.5}, couples=True),
        Case("barlow_twins", np.zeros((6, 2, 3)), far, {"redundancy": 1.0}, couples=True),
        Case("barlow_twins", np.arange(2), x[:2], couples=True),
        Case("barlow_twins", np.zeros(6), x[..., :1], {"redundancy": 0.0}, couples=True),
    ]


@cases_of("vicreg")
def _vicreg(rng):
    x, wide = rng.normal(size=(6, 2, 3)), rng.normal(size=(4, 2, 7))
    # Deviations of less than 1, around it, and of more.
    scaled, far = x * np.array([0.1, 1.0, 3.0]), 0.5 * x + np.array([300.0, -20.0, 0.0])
    constant = x.copy()
    constant[:, 0, 1] = 0.1
    return [
        Case("vicreg", np.zeros(6), 0.3 * x, couples=True),
        Case("vicreg", np.zeros((6, 1)), scaled, {"invariance": 10.0}, couples=True),
        Case("vicreg", np.zeros((4, 1), "int32"), wide, {"invariance": 0.0, "variance": 1.0}, couples=True),
        Case("vicreg", np.zeros((6, 2, 3)), far, {"covariance": 10.0}, couples=True),
        Case("vicreg", np.arange(6), constant, {"invariance": 1.0, "covariance": 0.0}, couples=True),
        Case("vicreg", np.zeros(6), x[..., :1], {"variance": 0.0}, couples=True),
    ]


@cases_of("negative_cosine")
def _negative_cosine(rng):
    x = rng.normal(size=(6, 2, 3))
    zero = x.copy()
    zero[1, 1] = 0.0
    return [
        Case("negative_cosine", np.zeros(6), x),
        Case("negative_cosine", np.zeros((6, 5), "int32"), 30.0 * x[..., :1]),
        Case("negative_cosine", np.arange(6)[:, None], zero),
    ]

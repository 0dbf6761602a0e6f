# SPDX-License-Identifier: Apache-2.0
"""Cases of the classification losses."""

from __future__ import annotations

import numpy as np

from cases.common import Case, cases_of, sigmoid, softmax


@cases_of("focal")
def _focal(rng):
    z = rng.normal(size=(6, 4)) * 3
    hard, soft, ids = (rng.random((6, 4)) < 0.4) * 1.0, rng.random((6, 4)), rng.integers(0, 4, 6)
    logits = {"from_logits": True}
    found = [
        Case("focal", y, x, {**way, "gamma": gamma})
        for y in (hard, soft)
        for x, way in ((z, logits), (sigmoid(z), {}))
        for gamma in (0.0, 0.5, 2.0)
    ]
    return [
        *found,
        Case("focal", hard.astype("int32"), z, logits),
        Case("focal", hard.astype("bool"), z, {**logits, "gamma": 1.5, "alpha": None}),
        Case("focal", hard.astype("uint8"), sigmoid(z), {"gamma": 1.5, "alpha": 0.9}),
        Case("focal", soft, z, {**logits, "alpha": None, "label_smoothing": 0.2}),
        Case("focal", ids, z, {**logits, "label_smoothing": 0.2}),
        Case("focal", ids[:, None], z, logits),
        Case("focal", hard[:, 0], z[:, :1], logits),
        Case("focal", hard[:, :1], z[:, 0], logits),
        Case("focal", hard.reshape(2, 3, 4, 1), z.reshape(2, 3, 4, 1), logits),
    ]


@cases_of("categorical_focal")
def _categorical_focal(rng):
    key, logits = "categorical_focal", {"from_logits": True}
    z = rng.normal(size=(6, 4)) * 3
    ids, soft = rng.integers(0, 4, 6), softmax(rng.normal(size=(6, 4)))
    found = [
        Case(key, y, x, {**way, "gamma": gamma})
        for y in (ids, np.eye(4)[ids], soft)
        for x, way in ((z, logits), (softmax(z), {}))
        for gamma in (0.0, 0.5, 2.0)
    ]
    wide = rng.normal(size=(3, 40)) * 2
    return [
        *found,
        Case(key, ids.reshape(2, 3), z.reshape(2, 3, 4), {**logits, "alpha": [0.1, 2.0, 0.0, 1.0]}),
        Case(key, soft, z, {**logits, "alpha": 0.3, "label_smoothing": 0.1}),
        Case(key, ids, z, {**logits, "label_smoothing": 0.1}),
        Case(key, ids[:, None], softmax(z), {"alpha": [0.1, 2.0, 0.5, 1.0]}),
        Case(key, ids, z, {**logits, "ignore_class": 2}),
        Case(key, np.where(ids == 1, 255, ids).astype("uint8"), z, {**logits, "ignore_class": 255}),
        Case(key, np.where(ids == 1, -1, ids), softmax(z), {"ignore_class": -1}),
        Case(key, np.eye(4)[ids], z, {**logits, "ignore_class": 0}),
        Case(key, ids % 2, z[:, :1], {**logits, "alpha": [0.25, 0.75]}),
        Case(key, (ids % 2)[:, None] * 1.0, sigmoid(z[:, :1])),
        Case(key, rng.random((6, 1)), z[:, :1], logits),
        Case(key, np.array([3, 39, 0]), wide, logits),
        Case(key, np.eye(40)[[3, 39, 0]], wide, {**logits, "alpha": list(np.linspace(0, 2, 40))}),
    ]

# SPDX-License-Identifier: Apache-2.0
"""Cases of the overlap losses."""

from __future__ import annotations

import numpy as np

from cases.common import Case, cases_of, sigmoid, softmax


@cases_of("dice_loss")
def _dice(rng):
    key, logits = "dice_loss", {"from_logits": True}
    z = rng.normal(size=(3, 2, 4, 3)) * 2
    ids = rng.integers(0, 3, (3, 2, 4))
    many = (rng.random((3, 2, 4, 3)) < 0.4) * 1.0
    one, mask = z[..., :1], many[..., :1]
    absent = np.where(ids == 1, 0, ids)
    wide = rng.normal(size=(2, 30, 20)) * 2
    return [
        Case(key, ids, z, logits),
        Case(key, ids[..., None], softmax(z)),
        Case(key, np.eye(3)[ids], z, {**logits, "squared": True}),
        Case(key, softmax(z[::-1]), softmax(z), {"squared": True}),
        Case(key, many, z, {**logits, "multilabel": True}),
        Case(key, ids, sigmoid(z), {"multilabel": True, "smooth": 1.0}),
        Case(key, mask, one, logits),
        Case(key, mask[..., 0].astype("int64"), one, {**logits, "squared": True}),
        Case(key, mask[..., 0].astype("bool"), sigmoid(one), {"smooth": 0.0}),
        Case(key, ids, z, {**logits, "per_image": False}, couples=True),
        Case(key, absent, z, {**logits, "include_background": False, "class_weights": [1.0, 3.0]}),
        Case(key, ids, z, {**logits, "class_weights": [0.0, 1.0, 2.0], "ignore_class": 1}),
        Case(key, np.where(ids == 1, 255, ids), z, {**logits, "ignore_class": 255}),
        Case(key, np.where(ids == 1, -1, ids), softmax(z), {"ignore_class": -1, "per_image": False}, couples=True),
        Case(key, np.eye(3)[ids], softmax(z), {"ignore_class": 0}),
        Case(key, ids.reshape(3, 8), z.reshape(3, 8, 3), logits),
        Case(key, ids.reshape(3, 2, 2, 2), z.reshape(3, 2, 2, 2, 3), logits),
        Case(key, np.array([0, 2, 1]), z[:, 0, 0], logits),
        Case(key, rng.integers(0, 20, (2, 30)), wide, logits),
        Case(key, np.eye(20)[rng.integers(0, 20, (2, 30))], softmax(wide)),
    ]

# SPDX-License-Identifier: Apache-2.0
"""Cases of the losses over cosines to classes."""

from __future__ import annotations

import numpy as np

from cases.common import Case, cases_of, softmax


def cosines(rng, *shape):
    return rng.uniform(-0.98, 0.98, shape)


def of_classes(key, rng, own, wide=40):
    """Targets of each kind for the cosines of each, of few classes and of many, with parameters and without."""
    s, far = cosines(rng, 6, 4), cosines(rng, 4, wide)
    ids, soft = rng.integers(0, 4, 6), softmax(rng.normal(size=(6, 4)))
    picks = np.array([3, wide - 1, 0, 7])
    return [
        Case(key, ids, s),
        Case(key, np.eye(4)[ids], s, own),
        Case(key, soft, s),
        Case(key, ids[:, None], s, own),
        Case(key, ids.reshape(2, 3, 1), s.reshape(2, 3, 4), own),
        Case(key, ids % 2, s[:, :1]),
        Case(key, rng.random((6, 1)), s[:, 0], own),
        Case(key, picks, far),
        Case(key, picks.astype("uint8"), far, own),
        Case(key, np.eye(wide)[picks], far, own),
        Case(key, softmax(far * 3), far),
        Case(key, np.where(ids == 1, 255, ids), s, {"ignore_class": 255}),
        Case(key, np.eye(4, dtype="int32")[ids], s, {**own, "ignore_class": 2}),
    ]


@cases_of("arcface")
def _arcface(rng):
    ids, near = rng.integers(0, 4, 6), rng.uniform(-0.99, -0.8, (6, 4))
    return [
        *of_classes("arcface", rng, {"margin": 1.2, "scale": 3.0}),
        # The angles and the margin add up to more than pi, for some or for all.
        Case("arcface", ids, near),
        Case("arcface", softmax(near * 9), near, {"margin": 0.3, "scale": 9.0}),
        Case("arcface", ids, near, {"margin": 1.5, "scale": 9.0}),
        Case("arcface", ids, near, {"margin": 0.0}),
    ]


@cases_of("cosface")
def _cosface(rng):
    return of_classes("cosface", rng, {"margin": 0.1, "scale": 3.0})


@cases_of("soft_triple")
def _soft_triple(rng):
    key, own = "soft_triple", {"scale": 3.0, "gamma": 0.7, "margin": 0.2}
    s, far, ids = cosines(rng, 6, 4, 3), cosines(rng, 4, 40, 5), rng.integers(0, 4, 6)
    return [
        Case(key, ids, s),
        Case(key, np.eye(4)[ids], s, own),
        Case(key, softmax(rng.normal(size=(6, 4))), s),
        Case(key, ids[:, None], s[..., :1], own),
        Case(key, ids % 2, s[:, :1]),
        Case(key, rng.random((6, 1)), s[:, :1, :2], own),
        Case(key, np.array([3, 39, 0, 7]), far),
        Case(key, np.eye(40)[[3, 39, 0, 7]], far, own),
        Case(key, np.where(ids == 1, -1, ids), s, {"ignore_class": -1}),
        Case(key, np.eye(4)[ids], s, {"ignore_class": 2}),
    ]


@cases_of("proxy_anchor")
def _proxy_anchor(rng):
    key, own = "proxy_anchor", {"margin": 0.3, "alpha": 5.0}
    s, ids = cosines(rng, 7, 4), rng.integers(0, 4, 7)
    found = [
        (ids, s, {}),
        (np.eye(4)[ids], s, own),
        (softmax(rng.normal(size=(7, 4))), s, own),
        # Of several classes, and of none.
        (rng.random((7, 4)) < 0.4, s, {}),
        (np.eye(4, dtype="int32")[ids] * 0, s, own),
        # Classes that are not in the batch.
        (np.array([[2], [2], [0]]), s[:3], {}),
        (np.array([3, 39, 0, 7]), cosines(rng, 4, 40), own),
        (ids % 2, s[:, :1], {}),
        (rng.random((7, 1)), s[:, 0], own),
        (np.where(ids == 1, 255, ids).astype("uint8"), s, {"ignore_class": 255}),
        (np.eye(4)[ids], s, {**own, "ignore_class": 2}),
        (ids, s, {"alpha": 0.0, "margin": 0.0}),
    ]
    return [Case(key, y, x, parameters, couples=True) for y, x, parameters in found]

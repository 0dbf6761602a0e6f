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
        Case(key, np.where(ids == 1, 2**40, ids), softmax(z), {"ignore_class": 2**40}),
        Case(key, np.eye(4)[ids], z, {**logits, "ignore_class": 0}),
        Case(key, ids % 2, z[:, :1], {**logits, "alpha": [0.25, 0.75]}),
        Case(key, (ids % 2)[:, None] * 1.0, sigmoid(z[:, :1])),
        Case(key, rng.random((6, 1)), z[:, :1], logits),
        Case(key, np.array([3, 39, 0]), wide, logits),
        Case(key, np.eye(40)[[3, 39, 0]], wide, {**logits, "alpha": list(np.linspace(0, 2, 40))}),
    ]


@cases_of("asymmetric")
def _asymmetric(rng):
    key, logits = "asymmetric", {"from_logits": True}
    z = rng.normal(size=(6, 4)) * 3
    hard, soft, ids = (rng.random((6, 4)) < 0.4) * 1.0, rng.random((6, 4)), rng.integers(0, 4, 6)
    plain = {"gamma_neg": 0.0, "gamma_pos": 0.0}
    return [
        Case(key, hard, sigmoid(z)),
        Case(key, soft, sigmoid(z), {"gamma_neg": 1.5, "gamma_pos": 0.5, "clip": 0.2}),
        Case(key, soft, sigmoid(z), {**plain, "clip": 0.0}),
        Case(key, hard.astype("int32"), sigmoid(z), plain),
        Case(key, soft, z, logits),
        Case(key, hard, z, {**logits, "gamma_neg": 2.0, "gamma_pos": 2.0, "clip": 0.0}),
        Case(key, soft, z, {**logits, **plain, "clip": 0.1}),
        Case(key, soft, z, {**logits, **plain, "clip": 0.0}),
        Case(key, ids, z, {**logits, "gamma_neg": 0.5, "gamma_pos": 3.0}),
        Case(key, hard.reshape(2, 3, 4, 1).astype("bool"), z.reshape(2, 3, 4, 1), logits),
        Case(key, hard[:, 0], z[:, :1], logits),
    ]


@cases_of("quality_focal")
def _quality_focal(rng):
    key, logits = "quality_focal", {"from_logits": True}
    z = rng.normal(size=(6, 4)) * 3
    quality = (rng.random((6, 4)) < 0.4) * rng.random((6, 4))
    hard, ids = quality > 0, rng.integers(0, 4, 6)
    return [
        Case(key, quality, sigmoid(z)),
        *[Case(key, quality, z, {**logits, "beta": beta}) for beta in (2.0, 0.0, 0.5, 1.0, 3.0)],
        Case(key, quality, sigmoid(z), {"beta": 1.5}),
        Case(key, hard, z, {**logits, "beta": 1.5}),
        Case(key, hard.astype("int32"), sigmoid(z), {"beta": 1.0}),
        Case(key, ids, z, logits),
        Case(key, quality.reshape(2, 3, 4), z.reshape(2, 3, 4), logits),
        Case(key, quality[:, :1], z[:, 0], logits),
    ]


@cases_of("varifocal")
def _varifocal(rng):
    key, logits = "varifocal", {"from_logits": True}
    z = rng.normal(size=(6, 4)) * 3
    quality = (rng.random((6, 4)) < 0.4) * rng.random((6, 4))
    hard, ids = quality > 0, rng.integers(0, 4, 6)
    return [
        Case(key, quality, sigmoid(z)),
        *[Case(key, quality, z, {**logits, "gamma": gamma}) for gamma in (2.0, 0.0, 0.5, 1.0)],
        Case(key, quality, sigmoid(z), {"gamma": 1.5, "alpha": 0.25}),
        Case(key, hard, z, {**logits, "alpha": 1.0}),
        Case(key, hard.astype("int32"), sigmoid(z), {"gamma": 0.0}),
        Case(key, ids, z, logits),
        Case(key, quality.reshape(2, 3, 4), z.reshape(2, 3, 4), logits),
        Case(key, quality[:, :1], z[:, 0], logits),
    ]


@cases_of("coral")
def _coral(rng):
    z, ranks = rng.normal(size=(6, 4)) * 3, rng.integers(0, 5, 6)
    return [
        Case("coral", ranks, z),
        Case("coral", ranks[:, None].astype("uint8"), z),
        Case("coral", ranks * 1.0, z),
        Case("coral", ranks % 2, z[:, :1]),
        Case("coral", ranks[:, None] % 2, z[:, 0]),
        Case("coral", ranks.reshape(2, 3, 1), z.reshape(2, 3, 4)),
        Case("coral", ranks[:2] * 5, rng.normal(size=(2, 30))),
        Case("coral", ranks, z, {"ignore_class": 2}),
        Case("coral", np.where(ranks == 1, 255, ranks)[:, None].astype("uint8"), z, {"ignore_class": 255}),
    ]


@cases_of("weighted_kappa")
def _weighted_kappa(rng):
    y, p = rng.integers(0, 4, 7), softmax(rng.normal(size=(7, 4)))
    both = {"couples": True, "probabilities": True}
    return [
        Case("weighted_kappa", y, p, **both),
        Case("weighted_kappa", np.eye(4)[y], p, {"weighting": "linear"}, **both),
        Case("weighted_kappa", y[:, None], p, {"epsilon": 0.1}, **both),
        Case("weighted_kappa", softmax(rng.normal(size=(7, 4))), p, **both),
        # Not a distribution: taken as it is.
        Case("weighted_kappa", y, rng.random((7, 4)), {"weighting": "linear"}, **both),
        Case("weighted_kappa", y % 2, p[:, :1], **both),
        Case("weighted_kappa", rng.random((7, 1)), p[:, 0], **both),
        Case("weighted_kappa", np.full(7, 2), p, **both),
    ]


@cases_of("sparsemax_loss")
def _sparsemax(rng):
    key = "sparsemax_loss"
    z, ids, soft = rng.normal(size=(6, 4)), rng.integers(0, 4, 6), softmax(rng.normal(size=(6, 4)))
    wide = rng.normal(size=(3, 40)) / 2
    return [
        Case(key, ids, z),
        Case(key, np.eye(4)[ids], z / 3),
        Case(key, soft, z),
        Case(key, np.eye(4, dtype="int32")[ids], z * 4),
        Case(key, ids % 2, z[:, :1]),
        Case(key, np.array([3, 39, 0]), wide),
        Case(key, softmax(wide), wide * 0.1),
        Case(key, rng.random((6, 1)), z[:, 0]),
        Case(key, ids.reshape(2, 3, 1), z.reshape(2, 3, 4)),
        Case(key, np.array([[3, 39, 0]]), wide[None]),
        Case(key, np.where(ids == 1, -1, ids), z, {"ignore_class": -1}),
        Case(key, soft, z, {"ignore_class": 2}),
    ]


@cases_of("bi_tempered")
def _bi_tempered(rng):
    key = "bi_tempered"
    z, ids, soft = rng.normal(size=(6, 4)) * 3, rng.integers(0, 4, 6), softmax(rng.normal(size=(6, 4)))
    wide = rng.normal(size=(3, 40)) * 3
    found = [Case(key, ids, z, {"t1": t1, "t2": t2}) for t1, t2 in [(0.8, 1.2), (0.0, 4.0), (1.0, 1.0)]]
    return [
        *found,
        Case(key, soft, z, {"t1": 1.0, "t2": 1.5}),
        Case(key, soft, z, {"t1": 0.3, "t2": 1.0}),
        Case(key, np.eye(4)[ids], z, {"t2": 2.0, "label_smoothing": 0.1}),
        Case(key, np.eye(4, dtype="int32")[ids], z, {"t1": 0.5}),
        Case(key, ids, z, {"t1": 0.999, "t2": 1.001, "label_smoothing": 0.2}),
        Case(key, ids % 2, z[:, :1]),
        Case(key, rng.random((6, 1)), z[:, 0], {"t2": 3.0}),
        Case(key, np.array([3, 39, 0]), wide),
        Case(key, softmax(wide), wide, {"t2": 4.0}),
        Case(key, np.where(ids == 1, -1, ids), z, {"ignore_class": -1}),
        Case(key, np.eye(4)[ids], z, {"ignore_class": 2, "label_smoothing": 0.1}),
        Case(key, ids.reshape(2, 3, 1), z.reshape(2, 3, 4)),
    ]


def over_classes(key: str, rng: np.random.Generator, own: dict, needed: dict | None = None) -> list[Case]:
    """What a loss over exclusive classes is tried on; `needed` are its lists for two, four and forty classes."""
    z, wide = rng.normal(size=(6, 4)) * 2, rng.normal(size=(4, 40)) * 2
    ids, soft = rng.integers(0, 4, 6), softmax(rng.normal(size=(6, 4)))
    two, four, forty = needed or ({}, {}, {})
    logits = {} if needed else {"from_logits": True}
    found = [
        Case(key, ids, z, {**logits, **four}),
        Case(key, np.eye(4)[ids], z, {**logits, **four, **own}),
        Case(key, soft, z, {**logits, **four}),
        Case(key, ids.reshape(2, 3, 1), z.reshape(2, 3, 4), {**logits, **four, **own}),
        Case(key, ids % 2, z[:, :1], {**logits, **two}),
        Case(key, np.array([3, 39, 0, 7]), wide, {**logits, **forty}),
        Case(key, np.eye(40)[[3, 39, 0, 7]], wide, {**logits, **forty, **own}),
        Case(key, np.array([[3, 39], [0, 7]]), wide.reshape(2, 2, 40), {**logits, **forty, **own}),
        Case(key, np.where(ids == 1, 255, ids), z, {**logits, **four, "ignore_class": 255}),
        Case(key, np.eye(4)[ids], z, {**logits, **four, "ignore_class": 2}),
    ]
    if needed:
        return found
    return [
        *found,
        Case(key, ids, softmax(z / 2), own),
        Case(key, soft, softmax(z / 2)),
        Case(key, np.array([3, 39, 0, 7]), softmax(wide / 2), own),
        Case(key, (ids % 2)[:, None] * 1.0, sigmoid(z[:, :1] / 2)),
    ]


@cases_of("poly1")
def _poly1(rng):
    key, logits = "poly1", {"from_logits": True}
    z, ids = rng.normal(size=(6, 4)) * 2, rng.integers(0, 4, 6)
    wide = rng.normal(size=(4, 40))
    return [
        *over_classes(key, rng, {"epsilon": 2.5}),
        Case(key, ids, z, {**logits, "epsilon": -1.0}),
        Case(key, ids, z, {**logits, "label_smoothing": 0.1, "ignore_class": 2}),
        Case(key, np.eye(4)[ids], softmax(z / 2), {"label_smoothing": 0.1, "ignore_class": 0}),
        Case(key, np.where(ids == 1, 255, ids), z, {**logits, "ignore_class": 255, "epsilon": 0.0}),
        Case(key, np.array([3, -1, 0, 7]), wide, {**logits, "ignore_class": -1, "label_smoothing": 0.2}),
    ]


@cases_of("logit_adjusted")
def _logit_adjusted(rng):
    needed = [{"class_priors": (rng.random(classes) + 0.1).tolist()} for classes in (2, 4, 40)]
    z, ids = rng.normal(size=(6, 4)) * 2, rng.integers(0, 4, 6)
    return [
        *over_classes("logit_adjusted", rng, {"tau": 2.5}, needed),
        Case("logit_adjusted", np.where(ids == 1, 255, ids), z, {**needed[1], "ignore_class": 255}),
    ]


@cases_of("ldam")
def _ldam(rng):
    needed = [{"samples_per_class": (rng.integers(1, 1000, classes) * 1.0).tolist()} for classes in (2, 4, 40)]
    return over_classes("ldam", rng, {"max_margin": 0.9, "scale": 2.0}, needed)


@cases_of("symmetric_crossentropy")
def _symmetric_crossentropy(rng):
    return over_classes("symmetric_crossentropy", rng, {"alpha": 2.0, "beta": 0.3})


@cases_of("generalized_crossentropy")
def _generalized_crossentropy(rng):
    return over_classes("generalized_crossentropy", rng, {"q": 0.2})

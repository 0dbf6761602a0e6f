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


def _both_ways(key, rng, **parameters):
    """Ids, one-hot and soft targets, from logits and from probabilities, with few classes and with many, and one."""
    found = []
    for classes in (4, 12):
        z = rng.normal(size=(6, classes)) * 2
        ids, soft = rng.integers(0, classes, 6), softmax(rng.normal(size=(6, classes)))
        found += [
            Case(key, y, x, {**parameters, **way})
            for y in (ids, np.eye(classes)[ids], soft)
            for x, way in ((z, {"from_logits": True}), (softmax(z / 2), {}))
        ]
    z = rng.normal(size=(6, 1)) * 2
    bits, numbered = rng.integers(0, 2, 6), np.array([[-1, 4, 2], [9, 0, 3]])
    return [
        *found,
        Case(key, bits, z, {**parameters, "from_logits": True}),
        Case(key, bits[:, None] * 1.0, sigmoid(z), parameters),
        Case(key, rng.random((6, 1)), z, {**parameters, "from_logits": True}),
        Case(key, rng.integers(0, 5, (2, 3, 1)), rng.normal(size=(2, 3, 5)), {**parameters, "from_logits": True}),
        # Ids that are no class, and probabilities that do not add up to 1.
        Case(key, numbered, rng.random((2, 3, 4)) * 0.8 + 0.1, parameters),
        Case(key, numbered, rng.random((2, 3, 9)) * 0.8 + 0.1, parameters),
    ]


@cases_of("poly1")
def _poly1(rng):
    key, logits = "poly1", {"from_logits": True}
    z, wide = rng.normal(size=(6, 4)) * 2, rng.normal(size=(6, 20)) * 2
    ids, soft = rng.integers(0, 4, 6), softmax(rng.normal(size=(6, 4)))
    return [
        *_both_ways(key, rng),
        Case(key, ids, z, {**logits, "label_smoothing": 0.1, "epsilon": 3.0}),
        Case(key, ids, softmax(z), {"label_smoothing": 0.3}),
        Case(key, ids, wide, {**logits, "label_smoothing": 0.2}),
        Case(key, soft, z, {**logits, "label_smoothing": 0.2, "epsilon": 0.5}),
        Case(key, np.where(ids == 1, 255, ids), z, {**logits, "ignore_class": 255}),
        Case(key, np.eye(4)[ids], softmax(z), {"ignore_class": 2}),
        Case(key, rng.random((6, 4)), z, {**logits, "label_smoothing": 0.2}),
    ]


@cases_of("symmetric_crossentropy")
def _symmetric_crossentropy(rng):
    key = "symmetric_crossentropy"
    z = rng.normal(size=(6, 4)) * 2
    return [
        *_both_ways(key, rng),
        Case(key, rng.integers(0, 4, 6), z, {"alpha": 2.0, "beta": 0.5, "from_logits": True}),
        Case(key, softmax(rng.normal(size=(6, 4)) * 3), softmax(z), {"alpha": 0.0, "beta": 3.0}),
    ]


@cases_of("generalized_crossentropy")
def _generalized_crossentropy(rng):
    key, z, ids = "generalized_crossentropy", rng.normal(size=(6, 4)) * 2, rng.integers(0, 4, 6)
    return [
        *_both_ways(key, rng),
        Case(key, ids, z, {"q": 1.0, "from_logits": True}),
        Case(key, np.eye(4)[ids], softmax(z), {"q": 0.1}),
    ]


def _per_class(key, name, rng):
    """With a number for each class: ids, one-hot and soft targets, with few classes and with many, and one."""
    found = []
    for classes in (4, 12):
        z, ids = rng.normal(size=(6, classes)), rng.integers(0, classes, 6)
        soft, counts = softmax(rng.normal(size=(6, classes))), (10 ** rng.uniform(0, 3, classes)).tolist()
        found += [Case(key, y, z, {name: counts}) for y in (ids, np.eye(classes)[ids], soft)]
    z, bits = rng.normal(size=(6, 1)), rng.integers(0, 2, 6)
    return [
        *found,
        Case(key, bits, z, {name: [30.0, 2.0]}),
        Case(key, bits[:, None] * 1.0, z, {name: [30.0, 2.0]}),
        Case(key, rng.random((6, 1)), z, {name: [30.0, 2.0]}),
        Case(key, np.array([[-1, 4, 2], [9, 0, 3]]), rng.normal(size=(2, 3, 4)), {name: [5.0, 1.0, 2.0, 3.0]}),
        Case(key, np.array([[-1, 9, 2], [8, 0, 3]]), rng.normal(size=(2, 3, 9)), {name: [3.0, 0.5, 4.0] * 3}),
    ]


@cases_of("logit_adjusted")
def _logit_adjusted(rng):
    key, z, wide, ids = "logit_adjusted", rng.normal(size=(6, 3)), rng.normal(size=(6, 9)), rng.integers(0, 3, 6)
    priors = [0.7, 0.2, 0.1]
    return [
        *_per_class(key, "class_priors", rng),
        Case(key, ids, z, {"class_priors": priors, "tau": 0.0}),
        Case(key, ids, wide, {"class_priors": priors * 3, "tau": 2.5, "ignore_class": 2}),
        Case(key, np.where(ids == 1, -1, ids), z, {"class_priors": priors, "tau": 2.5, "ignore_class": -1}),
        Case(key, np.eye(3)[ids], z, {"class_priors": priors, "ignore_class": 0}),
    ]


@cases_of("ldam")
def _ldam(rng):
    key, z, ids = "ldam", rng.normal(size=(6, 3)), rng.integers(0, 3, 6)
    counts = [1000, 50, 3]
    return [
        *_per_class(key, "samples_per_class", rng),
        Case(key, ids, z, {"samples_per_class": counts, "max_margin": 2.0, "scale": 1.0}),
        Case(key, ids, np.tile(z, 4), {"samples_per_class": counts * 4, "max_margin": 1.5, "scale": 4.0}),
        Case(key, softmax(z), z[::-1].copy(), {"samples_per_class": counts, "max_margin": 0.1, "scale": 10.0}),
    ]

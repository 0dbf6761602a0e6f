# SPDX-License-Identifier: Apache-2.0
"""Cases of the overlap losses: the shared options on Dice, and on each loss those that it treats in its own way."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cases.common import Case, cases_of, sigmoid, softmax

LOGITS = {"from_logits": True}
BATCH = {"per_image": False}


class Scene(NamedTuple):
    """Logits `(3, 2, 4, 3)`, their ids, and masks of classes that do not exclude each other."""

    z: np.ndarray
    ids: np.ndarray
    many: np.ndarray
    wide: np.ndarray
    wide_ids: np.ndarray


def scene(rng: np.random.Generator) -> Scene:
    return Scene(
        rng.normal(size=(3, 2, 4, 3)) * 2,
        rng.integers(0, 3, (3, 2, 4)),
        (rng.random((3, 2, 4, 3)) < 0.4) * 1.0,
        rng.normal(size=(2, 30, 20)) * 2,
        rng.integers(0, 20, (2, 30)),
    )


@cases_of("dice_loss")
def _dice(rng):
    key, s = "dice_loss", scene(rng)
    z, ids, many = s.z, s.ids, s.many
    one, mask = z[..., :1], many[..., :1]
    absent = np.where(ids == 1, 0, ids)
    return [
        Case(key, ids, z, LOGITS),
        Case(key, ids[..., None], softmax(z)),
        Case(key, np.eye(3)[ids], z, {**LOGITS, "squared": True}),
        Case(key, softmax(z[::-1]), softmax(z), {"squared": True}),
        Case(key, many, z, {**LOGITS, "multilabel": True}),
        Case(key, ids, sigmoid(z), {"multilabel": True, "smooth": 1.0}),
        Case(key, mask, one, LOGITS),
        Case(key, mask[..., 0].astype("int64"), one, {**LOGITS, "squared": True}),
        Case(key, mask[..., 0].astype("bool"), sigmoid(one), {"smooth": 0.0}),
        Case(key, ids, z, {**LOGITS, **BATCH}, couples=True),
        Case(key, absent, z, {**LOGITS, "include_background": False, "class_weights": [1.0, 3.0]}),
        Case(key, ids, z, {**LOGITS, "class_weights": [0.0, 1.0, 2.0], "ignore_class": 1}),
        Case(key, np.where(ids == 1, 255, ids), z, {**LOGITS, "ignore_class": 255}),
        Case(key, np.where(ids == 1, -1, ids), softmax(z), {"ignore_class": -1, **BATCH}, couples=True),
        Case(key, np.eye(3)[ids], softmax(z), {"ignore_class": 0}),
        Case(key, ids.reshape(3, 8), z.reshape(3, 8, 3), LOGITS),
        Case(key, ids.reshape(3, 2, 2, 2), z.reshape(3, 2, 2, 2, 3), LOGITS),
        Case(key, np.array([0, 2, 1]), z[:, 0, 0], LOGITS),
        Case(key, s.wide_ids, s.wide, LOGITS),
        Case(key, np.eye(20)[s.wide_ids], softmax(s.wide)),
    ]


def of_sums(key: str, rng: np.random.Generator, own: dict) -> list[Case]:
    """What a loss of the three sums alone is tried on."""
    s = scene(rng)
    absent = np.where(s.ids == 1, 0, s.ids)
    return [
        Case(key, s.ids, s.z, LOGITS),
        Case(key, np.eye(3)[s.ids], softmax(s.z), own),
        Case(key, s.many[..., :1], s.z[..., :1], {**LOGITS, **own, "smooth": 1.0}),
        Case(key, s.many, s.z, {**LOGITS, "multilabel": True, "include_background": False}),
        Case(key, np.where(absent == 2, -1, absent), s.z, {**LOGITS, **own, **BATCH, "ignore_class": -1}, couples=True),
        Case(key, s.wide_ids, s.wide, {**LOGITS, **own}),
    ]


@cases_of("jaccard")
def _jaccard(rng):
    return of_sums("jaccard", rng, {"class_weights": 2.0})


@cases_of("tversky_loss")
def _tversky(rng):
    return of_sums("tversky_loss", rng, {"alpha": 0.9, "beta": 0.4})


@cases_of("focal_tversky")
def _focal_tversky(rng):
    return of_sums("focal_tversky", rng, {"alpha": 0.5, "beta": 1.5, "gamma": 0.75})


@cases_of("mcc")
def _mcc(rng):
    return of_sums("mcc", rng, {"smooth": 0.5})


@cases_of("generalized_dice")
def _generalized_dice(rng):
    key, s = "generalized_dice", scene(rng)
    absent = np.where(s.ids == 1, 0, s.ids)
    return [
        *of_sums(key, rng, {"weighting": "simple"}),
        Case(key, absent, s.z, {**LOGITS, "include_background": False}),
        Case(key, absent, s.z, {**LOGITS, "weighting": "uniform"}),
        Case(key, np.zeros_like(s.ids), s.z, {**LOGITS, "include_background": False, "smooth": 1.0}),
    ]


@cases_of("lovasz")
def _lovasz(rng):
    key, s = "lovasz", scene(rng)
    absent = np.where(s.ids == 1, 0, s.ids)
    return [
        Case(key, s.ids, s.z, LOGITS),
        Case(key, np.eye(3)[absent], softmax(s.z)),
        Case(key, s.many, s.z, {**LOGITS, "multilabel": True, "class_weights": [1.0, 2.0, 0.5]}),
        Case(key, s.many[..., 0], sigmoid(s.z[..., :1])),
        Case(key, absent, s.z, {**LOGITS, "include_background": False, "class_weights": [3.0, 1.0]}),
        Case(key, np.where(s.ids == 1, 255, s.ids), s.z, {**LOGITS, **BATCH, "ignore_class": 255}, couples=True),
        Case(key, np.zeros((3, 2, 4, 1)), s.z[..., :1], LOGITS),
        Case(key, s.wide_ids, s.wide, LOGITS),
    ]


@cases_of("cl_dice")
def _cl_dice(rng):
    key = "cl_dice"
    z, ids = rng.normal(size=(2, 6, 7, 3)) * 2, rng.integers(0, 3, (2, 6, 7))
    volume, mask = rng.normal(size=(2, 4, 3, 5, 1)) * 2, (rng.random((2, 4, 3, 5, 1)) < 0.6) * 1.0
    flat = rng.normal(size=(2, 1, 5, 2))
    return [
        Case(key, ids, z, LOGITS),
        Case(key, np.eye(3)[ids], softmax(z), {"iterations": 1, "alpha": 0.9, "class_weights": [1.0, 2.0, 3.0]}),
        Case(key, ids, z, {**LOGITS, **BATCH, "include_background": False}, couples=True),
        Case(key, (ids > 0) * 1.0, sigmoid(z[..., :1]), {"iterations": 5, "smooth": 1.0}),
        Case(key, np.where(ids == 1, 255, ids), z, {**LOGITS, "ignore_class": 255}),
        Case(key, mask, volume, {**LOGITS, "iterations": 2}),
        Case(key, ids[:, :1, :5] % 2, softmax(flat)),
    ]


@cases_of("boundary")
def _boundary(rng):
    key, s = "boundary", scene(rng)
    maps = rng.normal(size=s.z.shape) * 3
    return [
        Case(key, maps, s.z, LOGITS),
        Case(key, maps, softmax(s.z), {"include_background": False, "class_weights": [1.0, 2.0]}),
        Case(key, maps, s.z, {**LOGITS, "multilabel": True, **BATCH}, couples=True),
        Case(key, maps[..., 0], sigmoid(s.z[..., :1])),
        Case(key, maps, s.z, {**LOGITS, "ignore_class": 2}),
        Case(key, rng.normal(size=s.wide.shape), s.wide, LOGITS),
    ]


def with_term(key: str, rng: np.random.Generator, own: dict, binary: dict) -> list[Case]:
    """What a loss of sums and of a crossentropy at each position is tried on."""
    s = scene(rng)
    return [
        Case(key, s.ids, s.z, LOGITS),
        Case(key, s.ids, softmax(s.z / 2), own),
        Case(key, softmax(s.z[::-1]), s.z, {**LOGITS, **own}),
        Case(key, s.many, s.z, {**LOGITS, "multilabel": True, **binary}),
        Case(key, s.many[..., 0].astype("int32"), s.z[..., :1], {**LOGITS, "smooth": 1.0}),
        Case(key, s.wide_ids, s.wide, LOGITS),
        Case(key, s.many[..., :1], sigmoid(s.z[..., :1]), binary),
        Case(key, s.many, sigmoid(s.z), {"multilabel": True}),
        Case(key, np.where(s.ids == 1, -1, s.ids), s.z, {**LOGITS, **BATCH, **own, "ignore_class": -1}, couples=True),
        Case(key, np.zeros((3, 8), "int32"), s.z.reshape(3, 8, 3), {**LOGITS, "ignore_class": 0}),
        Case(key, (rng.random(s.wide.shape) < 0.3) * 1.0, s.wide, {**LOGITS, "multilabel": True}),
        Case(key, np.eye(20)[s.wide_ids], softmax(s.wide / 2)),
    ]


@cases_of("dice_crossentropy")
def _dice_crossentropy(rng):
    key, weights = "dice_crossentropy", [0.5, 1.0, 3.0]
    s = scene(rng)
    return [
        *with_term(key, rng, {"class_weights": weights, "dice_weight": 0.3}, {"crossentropy_weight": 2.0}),
        Case(key, s.ids, s.z, {**LOGITS, "include_background": False, "class_weights": weights[1:]}),
        Case(key, s.many, s.z, {**LOGITS, "multilabel": True, "class_weights": weights}),
        Case(key, s.ids, s.z, {**LOGITS, "class_weights": 2.0}),
        Case(key, s.wide_ids, s.wide, {**LOGITS, "class_weights": list(np.linspace(0, 2, 20))}),
    ]


@cases_of("dice_focal")
def _dice_focal(rng):
    key, alpha = "dice_focal", [0.5, 1.0, 3.0]
    s = scene(rng)
    return [
        *with_term(key, rng, {"alpha": alpha, "gamma": 1.5, "focal_weight": 4.0}, {"alpha": 0.3, "gamma": 0.5}),
        Case(key, s.ids, s.z, {**LOGITS, "gamma": 0.5, "alpha": 2.0}),
        Case(key, s.wide_ids, s.wide, {**LOGITS, "alpha": list(np.linspace(0, 2, 20)), "gamma": 0.0}),
    ]


@cases_of("unified_focal")
def _unified_focal(rng):
    key, s = "unified_focal", scene(rng)
    z, ids = s.z[..., :2], s.ids % 2
    return [
        Case(key, ids, z, LOGITS),
        Case(key, ids, z[..., :1], LOGITS),
        Case(key, s.many[..., :1], sigmoid(z[..., :1]), {"weight": 0.2, "delta": 0.8, "gamma": 0.25}),
        Case(key, np.eye(2)[ids], softmax(z), {"gamma": 0.0, "smooth": 1.0}),
        Case(key, np.where(s.ids == 2, 255, ids), z, {**LOGITS, **BATCH, "ignore_class": 255}, couples=True),
        Case(key, s.many[..., :2], z, {**LOGITS, "multilabel": True, "class_weights": [1.0, 3.0]}),
        Case(key, softmax(z[::-1]), z, {**LOGITS, "gamma": 0.9, "include_background": False}),
    ]

# SPDX-License-Identifier: Apache-2.0
"""For every loss, targets and predictions that reach each of its paths. A loss without cases fails the suite."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from oracles import ORACLES

import tfloss_ext


@dataclasses.dataclass(frozen=True)
class Case:
    """Arguments of the constructor and of the call."""

    key: str
    y_true: np.ndarray
    y_pred: np.ndarray
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def loss(self, **arguments: Any) -> Any:
        return tfloss_ext.get(self.key, **{**self.parameters, **arguments})

    def oracle(self, y_pred: np.ndarray | None = None, **more: Any) -> np.ndarray:
        return ORACLES[self.key](self.y_true, self.y_pred if y_pred is None else y_pred, **self.parameters, **more)

    def __str__(self) -> str:
        shown = "-".join(f"{name}={value}" for name, value in self.parameters.items())
        kind = self.y_true.dtype.kind
        return f"{self.key}-{kind}{list(self.y_true.shape)}{list(self.y_pred.shape)}-{shown}".replace(" ", "")[:100]


_generators: dict[str, Callable[[np.random.Generator], list[Case]]] = {}


def cases_of(key: str) -> Callable[..., Any]:
    def put(generator: Callable[[np.random.Generator], list[Case]]) -> Any:
        _generators[key] = generator
        return generator

    return put


def cases(key: str) -> list[Case]:
    """The cases of one loss, the same at every call."""
    return _generators[key](np.random.default_rng(7))


def every_case() -> Any:
    """Parametrizes a test over the cases of all registered losses."""
    return pytest.mark.parametrize("case", [case for key in sorted(_generators) for case in cases(key)], ids=str)


def every_case_in(modes: list[str]) -> Any:
    """Parametrizes over all cases in the first mode, and over some of each loss in the others."""
    found = [
        pytest.param(case, mode, id=f"{case}-{mode}")
        for key in sorted(_generators)
        for position, case in enumerate(cases(key))
        for mode in modes
        if mode == modes[0] or position % 5 == 0
    ]
    return pytest.mark.parametrize(("case", "mode"), found)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


@cases_of("log_cosh_loss")
def _log_cosh(rng):
    y, p = rng.normal(size=(2, 4, 3)) * 3
    holes = np.where(rng.random((4, 3)) < 0.4, np.nan, y)
    holes[2] = np.nan
    return [
        Case("log_cosh_loss", y, p),
        Case("log_cosh_loss", y[None] * 1e-3, p[None] * 1e-3),
        Case("log_cosh_loss", holes, p, {"ignore_nan": True}),
    ]


@cases_of("weighted_mse")
def _weighted_mse(rng):
    y, p = rng.normal(size=(2, 4, 3))
    holes = np.where(rng.random((4, 3)) < 0.4, np.nan, y)
    holes[1] = np.nan
    return [
        Case("weighted_mse", y, p),
        Case("weighted_mse", y, p, {"weight": [1.0, 0.0, 2.5]}),
        Case("weighted_mse", y.reshape(2, 2, 3), p.reshape(2, 2, 3), {"weight": 3.0}),
        Case("weighted_mse", holes, p, {"weight": [1.0, 0.5, 2.5], "ignore_nan": True}),
    ]


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
        Case(key, ids, z, {**logits, "per_image": False}),
        Case(key, absent, z, {**logits, "include_background": False, "class_weights": [1.0, 3.0]}),
        Case(key, ids, z, {**logits, "class_weights": [0.0, 1.0, 2.0], "ignore_class": 1}),
        Case(key, np.where(ids == 1, 255, ids), z, {**logits, "ignore_class": 255}),
        Case(key, np.where(ids == 1, -1, ids), softmax(z), {"ignore_class": -1, "per_image": False}),
        Case(key, np.eye(3)[ids], softmax(z), {"ignore_class": 0}),
        Case(key, ids.reshape(3, 8), z.reshape(3, 8, 3), logits),
        Case(key, ids.reshape(3, 2, 2, 2), z.reshape(3, 2, 2, 2, 3), logits),
        Case(key, np.array([0, 2, 1]), z[:, 0, 0], logits),
        Case(key, rng.integers(0, 20, (2, 30)), wide, logits),
        Case(key, np.eye(20)[rng.integers(0, 20, (2, 30))], softmax(wide)),
    ]


@cases_of("contrastive")
def _contrastive(rng):
    y, d, pairs = rng.integers(0, 2, 6), rng.random(6) * 2, rng.normal(size=(6, 2, 3))
    return [
        Case("contrastive", y, d),
        Case("contrastive", y[:, None] * 1.0, d, {"margin": 0.5}),
        Case("contrastive", y, d[:, None], {"margin": 0.0}),
        Case("contrastive", y, pairs, {"margin": 2.5}),
        Case("contrastive", y, pairs, {"distance": "cosine"}),
    ]


@cases_of("triplet")
def _triplet(rng):
    ids, x, given = rng.integers(0, 4, 12), rng.normal(size=(12, 3)), rng.normal(size=(5, 3, 4))
    lone = np.array([0, 0, 1, 1, 1, 2, 3, 4, 4, 5, 6, 7])
    minings = [
        Case("triplet", ids, x, {"mining": mining, "distance": distance, "soft_margin": soft})
        for mining in ("semi_hard", "hard", "all")
        for distance in ("l2", "squared_l2", "cosine")
        for soft in (False, True)
    ]
    blocks = [
        Case("triplet", ids, x, {"mining": mining, "block_size": size})
        for mining in ("semi_hard", "hard", "all")
        for size in (1, 5)
    ]
    givens = [
        Case("triplet", np.zeros(5), given, {"distance": distance, "soft_margin": soft, "swap": soft})
        for distance in ("l2", "squared_l2", "cosine")
        for soft in (False, True)
    ]
    return [
        *minings,
        *blocks,
        *givens,
        Case("triplet", lone[:, None], x, {"margin": 0.3}),
        Case("triplet", lone, x, {"margin": 3.0, "mining": "all"}),
        Case("triplet", np.zeros((5, 7)), given, {"swap": True, "margin": 2.0}),
    ]

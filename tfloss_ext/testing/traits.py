# SPDX-License-Identifier: Apache-2.0
"""What a loss takes and couples: as its class says it, as a table says it of Keras's own, or by default."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from tfloss_ext.base import BatchLoss, ClassLoss, Loss
from tfloss_ext.compose import LossSum
from tfloss_ext.hardest import HardExamples
from tfloss_ext.overlap import RegionLoss

TARGETS = {
    "numbers": "numbers of the shape of the predictions",
    "amounts": "numbers > 0",
    "binary": "0 and 1, each on its own",
    "signs": "-1 and 1",
    "ids": "ids of classes, without the last axis of the predictions",
    "one-hot": "a 1 among the classes",
    "distribution": "shares of the classes, which add up to 1",
    "ranks": "ids from 0 to the number of thresholds",
    "identities": "ids of which several samples of a batch have one",
    "pairs": "1 for a pair that is alike, 0 for one that is not",
    "boxes": "corners `(x1, y1, x2, y2)`",
    "sequences": "ids from 1 on, `(B, L)`",
    "none": "nothing that is looked at",
}
PREDICTIONS = {
    "numbers": "any numbers",
    "positive": "numbers > 0",
    "probabilities": "numbers from 0 to 1, each on its own",
    "distribution": "probabilities of the classes, which add up to 1",
    "logits": "of a softmax, or of sigmoids where the targets are binary",
    "cosines": "numbers from -1 to 1",
    "centres": "cosines of several centres of each class, `(B, C, K)`",
    "distances": "numbers >= 0, `(B,)`",
    "embeddings": "`(B, D)`",
    "units": "embeddings of length 1",
    "views": "two embeddings of a sample, `(B, 2, D)`",
    "square": "the batch against itself, `(B, B)`",
    "boxes": "corners `(x1, y1, x2, y2)`",
    "quantiles": "a number for each quantile of one target",
    "gaussian": "means, then log-variances, `(B, 2C)`",
    "steps": "logits of each step of a sequence, `(B, T, C)`",
}
# What stands in an element of the predictions has a target of its own.
BY_ELEMENT = ("numbers", "amounts", "binary", "signs")


@dataclasses.dataclass(frozen=True)
class Traits:
    """What a loss takes and couples, declared so that nothing about it has to be guessed.

    A loss of one's own has them as the class attribute `traits`, or is checked with `traits=`. Losses of this package,
    and those declared with its families, say it themselves.

    Args:
        targets: `"numbers"`, `"amounts"` (> 0), `"binary"`, `"signs"`, `"ids"`, `"one-hot"`, `"distribution"`,
            `"ranks"`, `"identities"` (of samples in a batch), `"pairs"`, `"boxes"`, `"sequences"` or `"none"`.
        predictions: `"numbers"`, `"positive"`, `"probabilities"` (each on its own), `"distribution"`, `"logits"`,
            `"cosines"`, `"centres"`, `"distances"`, `"embeddings"`, `"units"` (of length 1), `"views"`, `"square"`,
            `"boxes"`, `"quantiles"`, `"gaussian"` or `"steps"`.
        shape: The axes of the predictions of one sample; () means those usual for their kind.
        couples: Whether a value depends on other samples than its own.
        sums: Whether the positions of a sample are summed up inside its value, as in Dice.
        positions: Whether samples may have further axes, `(B, ..., C)`, each position with a value of its own.
        asks_replicas: Whether a loss that couples samples sees those of every replica.
        holds: Whether a factor of it carries no gradient, which then is not the slope of the value.
        saturates: Whether its gradient vanishes, as its formula has it, where a logit is far on the wrong side.
        extremes: Whether it is defined, and its gradient too, at the edges of what it takes.
        changes: Another value for a parameter of which the value that it has does not tell one: `{"mode": "other"}`.

    Raises:
        ValueError: If targets or predictions are none of these.

    Example:
        >>> from tfloss_ext import testing
        >>> testing.traits_of(keras.losses.SparseCategoricalCrossentropy(from_logits=True)).predictions
        'logits'
        >>> testing.Traits(targets="identities", predictions="embeddings", couples=True).positions
        True
    """

    targets: str = "numbers"
    predictions: str = "numbers"
    _: dataclasses.KW_ONLY
    shape: tuple[int, ...] = ()
    couples: bool = False
    sums: bool = False
    positions: bool = True
    asks_replicas: bool = False
    holds: bool = False
    saturates: bool = False
    extremes: bool = True
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, known in (("targets", TARGETS), ("predictions", PREDICTIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"Expected {name} to be one of {', '.join(known)}. Received: {getattr(self, name)!r}")


def traits_of(loss: keras.losses.Loss) -> Traits:
    """What a loss says of itself, what is known of Keras's own, or the defaults: numbers against numbers, not coupled.

    Example:
        >>> import tfloss_ext
        >>> from tfloss_ext import testing
        >>> testing.traits_of(tfloss_ext.Triplet()).couples
        True
    """
    declared = getattr(loss, "traits", None)
    if isinstance(declared, Traits):
        return declared
    if isinstance(loss, LossSum):
        return _of_sum([traits_of(term.loss) for term in loss.terms])
    if isinstance(loss, HardExamples):
        return dataclasses.replace(traits_of(loss.loss), couples=loss.couples, asks_replicas=False)
    if isinstance(loss, Loss):
        return _of_ours(loss)
    known = KERAS.get(type(loss).__name__) if type(loss).__module__.startswith("keras.") else None
    return Traits() if known is None else _of_keras(loss, known)


def _of_sum(terms: list[Traits]) -> Traits:
    return dataclasses.replace(
        terms[0],
        couples=any(each.couples for each in terms),
        sums=any(each.sums for each in terms),
        positions=all(each.positions for each in terms),
        asks_replicas=all(each.asks_replicas for each in terms if each.couples),
        holds=any(each.holds for each in terms),
        saturates=all(each.saturates for each in terms),
        shape=next((each.shape for each in terms if each.shape), ()),
    )


# The words of a declaration, by how they begin.
_TARGETS = {
    "numbers": "numbers",
    "amounts": "amounts",
    "qualities": "binary",
    "ids, one-hot": "ids",
    "ids": "identities",
    "ranks": "ranks",
    "boxes": "boxes",
    "1 similar": "pairs",
    "signed distance": "numbers",
    "unused": "none",
}
_PREDICTIONS = {
    "numbers, one per quantile": "quantiles",
    "numbers": "numbers",
    "positive": "positive",
    "probabilities": "distribution",
    "logits": "logits",
    "cosines `(B, C, K)`": "centres",
    "cosines": "cosines",
    "distances": "distances",
    "embeddings": "embeddings",
    "two views": "views",
    "predictions and their targets": "views",
    "similarities": "square",
    "boxes": "boxes",
    "means, then": "gaussian",
}


def _begins(words: str, kinds: Mapping[str, str]) -> str:
    return next((kind for start, kind in kinds.items() if words.startswith(start)), "numbers")


def _of_ours(loss: Loss) -> Traits:
    targets, predictions = _begins(loss.targets, _TARGETS), _begins(loss.predictions, _PREDICTIONS)
    lists = [value for value in (getattr(loss, name) for name in loss._fields) if isinstance(value, list)]
    if predictions == "quantiles" and not lists:
        predictions = "numbers"
    if isinstance(loss, ClassLoss):
        if getattr(loss, "from_logits", False):
            predictions = "logits"
        elif predictions == "distribution" and (loss.independent or getattr(loss, "multilabel", False)):
            predictions = "probabilities"
        if targets == "ids" and (loss.independent or getattr(loss, "multilabel", False)):
            targets = "binary"
    sums = isinstance(loss, RegionLoss)
    classes = (loss._width() if isinstance(loss, ClassLoss) else None) or max(map(len, lists), default=3)
    if type(loss).__name__ == "UnifiedFocal":
        classes = 2  # More are refused.
    usual = {"centres": (classes, 2), "embeddings": (3,), "views": (2, 3), "boxes": (4,), "gaussian": (2 * classes,)}
    shape = usual.get(predictions, (classes,))
    return Traits(
        targets,
        predictions,
        shape=(4, 3, *shape) if sums else () if predictions in ("distances", "square") else shape,
        couples=loss.couples,
        sums=sums,
        positions=not (sums or loss.task == "embeddings" or isinstance(loss, BatchLoss) or predictions == "quantiles"),
        asks_replicas=loss.asks_replicas and getattr(loss, "cross_replica", True),
        holds=loss.holds,
        saturates=loss.saturates,
    )


_REGIONS = {"shape": (4, 3, 3), "positions": False, "saturates": True}
# Keras's own, by their class; from logits where they say so.
KERAS = {
    "BinaryCrossentropy": Traits("binary", "probabilities"),
    "BinaryFocalCrossentropy": Traits("binary", "probabilities"),
    "CTC": Traits("sequences", "steps", positions=False),
    "CategoricalCrossentropy": Traits("one-hot", "distribution"),
    "CategoricalFocalCrossentropy": Traits("one-hot", "distribution"),
    "CategoricalGeneralizedCrossEntropy": Traits("ids", "distribution"),
    "CategoricalHinge": Traits("one-hot", "numbers"),
    "Circle": Traits("identities", "units", couples=True, positions=False),
    "CosineSimilarity": Traits(),
    "Dice": Traits("one-hot", "distribution", couples=True, sums=True, **_REGIONS),  # type: ignore[arg-type]
    "Hinge": Traits("signs", "numbers"),
    "Huber": Traits(),
    "KLDivergence": Traits("distribution", "distribution"),
    "LogCosh": Traits(),
    "MeanAbsoluteError": Traits(),
    "MeanAbsolutePercentageError": Traits("amounts", "numbers"),
    "MeanSquaredError": Traits(),
    "MeanSquaredLogarithmicError": Traits("amounts", "positive"),
    "Poisson": Traits("amounts", "positive"),
    "SparseCategoricalCrossentropy": Traits("ids", "distribution"),
    "SquaredHinge": Traits("signs", "numbers"),
    "Tversky": Traits("one-hot", "distribution", couples=True, sums=True, **_REGIONS),  # type: ignore[arg-type]
}


def _of_keras(loss: Any, known: Traits) -> Traits:
    config = loss.get_config()
    if config.get("from_logits"):
        return dataclasses.replace(known, predictions="logits")
    if known.sums and config.get("axis") is not None:
        return dataclasses.replace(known, couples=0 in config["axis"])
    return known


# Examples

Pair = tuple[np.ndarray, np.ndarray]


def examples(traits: Traits) -> list[Pair]:
    """Targets and predictions as a loss takes them, the same at every call; with positions too where it may have some.

    The axes of positions have the size of the batch: weights that were aligned on the right would go unnoticed else.
    """
    rng = np.random.default_rng(7)
    batch = 8 if traits.predictions in ("embeddings", "units", "views", "square") else 4
    shapes = [traits.shape or _usual_shape(traits.predictions, batch)]
    if traits.positions:
        shapes.append((batch, *shapes[0]))
    return [_example(traits, (batch, *shape), rng) for shape in shapes]


def _usual_shape(predictions: str, batch: int) -> tuple[int, ...]:
    shapes = {"centres": (3, 2), "distances": (), "views": (2, 3), "square": (batch,), "boxes": (4,), "gaussian": (6,)}
    return {**shapes, "steps": (6, 4)}.get(predictions, (3,))


def _example(traits: Traits, shape: tuple[int, ...], rng: np.random.Generator) -> Pair:
    raw, batch = rng.normal(size=shape), shape[0]
    predictions: dict[str, Callable[[], Any]] = {
        "positive": lambda: np.exp(raw),
        "probabilities": lambda: 1 / (1 + np.exp(-raw)),
        "distribution": lambda: _shares(raw),
        "logits": lambda: 2 * raw,
        "cosines": lambda: np.tanh(raw),
        "centres": lambda: np.tanh(raw),
        "distances": lambda: 2 * rng.random(shape),
        "units": lambda: raw / np.linalg.norm(raw, axis=-1, keepdims=True),
        # Their slopes grow as they shrink, and with them the rounding of what is nearly 0.
        "views": lambda: raw / np.linalg.norm(raw, axis=-1, keepdims=True) * (3 + rng.random((*shape[:-1], 1))),
        "boxes": lambda: _boxes(rng, shape),
    }
    p = predictions.get(traits.predictions, lambda: raw)()
    inner = shape[:-1]
    targets: dict[str, Callable[[], Any]] = {
        "numbers": lambda: rng.normal(size=shape),
        "amounts": lambda: np.exp(rng.normal(size=shape)),
        "binary": lambda: (rng.random(shape) < 0.5) * 1.0,
        "signs": lambda: np.where(rng.random(shape) < 0.5, -1.0, 1.0),
        "ids": lambda: rng.integers(0, _classes(traits, shape), inner if traits.predictions != "centres" else batch),
        "one-hot": lambda: np.eye(shape[-1])[rng.integers(0, shape[-1], inner)],
        "distribution": lambda: _shares(rng.normal(size=shape)),
        "ranks": lambda: rng.integers(0, shape[-1] + 1, inner),
        "identities": lambda: np.arange(batch) % 3,
        "pairs": lambda: rng.integers(0, 2, batch),
        "boxes": lambda: _boxes(rng, shape),
        # Fewer than the steps, and no two alike beside each other.
        "sequences": lambda: np.stack([np.array([1, 2, 3])[: shape[-1] - 1]] * batch),
        "none": lambda: np.zeros(batch),
    }
    y = targets[traits.targets]()
    if traits.predictions == "quantiles":
        y = y[..., :1]
    if traits.predictions == "gaussian":
        y = y[..., : shape[-1] // 2]
    return y, p


def _classes(traits: Traits, shape: tuple[int, ...]) -> int:
    return shape[1] if traits.predictions == "centres" else shape[-1]


def _shares(raw: np.ndarray) -> np.ndarray:
    shares = np.exp(raw)
    return np.asarray(shares / shares.sum(-1, keepdims=True))


def _boxes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    low = rng.normal(size=(*shape[:-1], 2))
    return np.concatenate([low, low + 0.5 + rng.random(low.shape)], axis=-1)


def edges(loss: keras.losses.Loss, traits: Traits, pair: Pair) -> list[np.ndarray]:
    """Predictions at the edges of what a loss takes, the targets themselves among them where they can be."""
    same = traits.targets in (*BY_ELEMENT, "one-hot", "distribution", "boxes") and pair[0].shape == pair[1].shape
    right = [pair[0] * 1.0] if same and np.isfinite(pair[0]).all() else []
    return [*_edges(loss, traits, pair[1].shape), *right]


def _edges(loss: keras.losses.Loss, traits: Traits, shape: tuple[int, ...]) -> list[np.ndarray]:
    zeros, ones, kind = np.zeros(shape), np.ones(shape), traits.predictions
    signs = np.where(np.arange(zeros.size).reshape(shape) % 2, 1.0, -1.0)
    ours = isinstance(loss, Loss)
    if kind in ("probabilities", "distribution"):
        found = [zeros, ones, (signs + 1) / 2]
        if kind == "distribution" and shape:
            # Each class for certain, right or wrong; what adds up to 0 is asked of the losses that say they take it.
            certain = np.eye(shape[-1])[np.arange(zeros.size // shape[-1]) % shape[-1]].reshape(shape)
            sure = [certain, np.roll(certain, 1, axis=-1)]
            return [*sure, *found] if ours else sure
        return found
    if kind == "units":
        first = np.eye(shape[-1])[np.zeros(shape[:-1], int)]
        return [first, first * signs[..., :1]]  # All alike, and some opposite.
    if kind == "distances" or (kind == "square" and ours):
        return [zeros, zeros + 1e4]
    if kind == "positive" and not ours:
        return [zeros, ones, (signs + 1) * 5e3, zeros + 1e4]
    return [zeros, ones, signs * 1e4, -signs * 1e4, zeros + 1e4]

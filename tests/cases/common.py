# SPDX-License-Identifier: Apache-2.0
"""What a case is, and how a test asks for cases."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from oracles import ORACLES

import tfloss_ext
from tfloss_ext.parameters import REQUIRED


@dataclasses.dataclass(frozen=True)
class Case:
    """Arguments of the constructor and of the call.

    `couples` says that samples are compared with, or summed with, each other: the values are those of the batch, and
    leaving a sample out changes the others'. `probabilities` says that the predictions are such, where no `from_logits`
    does.
    """

    key: str
    y_true: np.ndarray
    y_pred: np.ndarray
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    couples: bool = False
    probabilities: bool = False

    def loss(self, **arguments: Any) -> Any:
        return tfloss_ext.get(self.key, **{**self.parameters, **arguments})

    def oracle(self, y_pred: np.ndarray | None = None, **more: Any) -> np.ndarray:
        return ORACLES[self.key](self.y_true, self.y_pred if y_pred is None else y_pred, **self.parameters, **more)

    def __str__(self) -> str:
        shown = "-".join(f"{name}={value}" for name, value in self.parameters.items())
        kind = self.y_true.dtype.kind
        return f"{self.key}-{kind}{list(self.y_true.shape)}{list(self.y_pred.shape)}-{shown}".replace(" ", "")[:100]


GENERATORS: dict[str, Callable[[np.random.Generator], list[Case]]] = {}


def cases_of(key: str) -> Callable[..., Any]:
    def put(generator: Callable[[np.random.Generator], list[Case]]) -> Any:
        GENERATORS[key] = generator
        return generator

    return put


def cases(key: str) -> list[Case]:
    """The cases of one loss, the same at every call."""
    return GENERATORS[key](np.random.default_rng(7))


def required(key: str, classes: int | None = None) -> dict[str, Any]:
    """Arguments for the parameters of a loss that have no default, as its first case (of so many classes) has."""
    case = next(case for case in cases(key) if classes in (None, case.y_pred.shape[-1]))
    return {
        field.name: case.parameters[field.name] for field in type(case.loss())._parameters if field.default is REQUIRED
    }


def every_case() -> Any:
    """Parametrizes a test over the cases of all registered losses."""
    return pytest.mark.parametrize("case", [case for key in sorted(GENERATORS) for case in cases(key)], ids=str)


def every_case_in(modes: list[str]) -> Any:
    """Parametrizes over all cases in the first mode, and over some of each loss in the others."""
    found = [
        pytest.param(case, mode, id=f"{case}-{mode}")
        for key in sorted(GENERATORS)
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

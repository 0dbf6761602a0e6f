# SPDX-License-Identifier: Apache-2.0
"""What a case is, and how a test asks for cases."""

from __future__ import annotations

import dataclasses
import inspect
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pytest
from oracles import ORACLES

import tfloss_ext
from tfloss_ext import registry, testing
from tfloss_ext.parameters import REQUIRED


@dataclasses.dataclass(frozen=True)
class Case:
    """Arguments of the constructor and of the call.

    `couples` says that samples are compared with, or summed with, each other: the values are those of the batch, and
    leaving a sample out changes the others'. `probabilities` says that the predictions are such, where no `from_logits`
    does. `square` says that they are a matrix of the batch against itself. A reference with an argument `held` takes
    from it, not from the predictions, what carries no gradient.
    """

    key: str
    y_true: np.ndarray
    y_pred: np.ndarray
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    couples: bool = False
    probabilities: bool = False
    square: bool = False

    def spoilt(self, rows: Any) -> np.ndarray:
        """The predictions, of which some samples' are not a number."""
        y_pred = self.y_pred.copy()
        y_pred[rows] = np.nan
        if self.square:
            y_pred[:, rows] = np.nan
        return y_pred

    def loss(self, **arguments: Any) -> Any:
        return tfloss_ext.get(self.key, **{**self.parameters, **arguments})

    def oracle(self, y_pred: np.ndarray | None = None, **more: Any) -> np.ndarray:
        reference = ORACLES[self.key]
        if "held" in inspect.signature(reference).parameters:
            more = {"held": self.y_pred, **more}
        return reference(self.y_true, self.y_pred if y_pred is None else y_pred, **self.parameters, **more)

    @property
    def traits(self) -> testing.Traits:
        """What the loss says that it takes, and what is so of this case."""
        traits = testing.traits_of(self.loss())
        if self.square:
            traits = dataclasses.replace(traits, predictions="square")
        elif traits.predictions == "distances" and self.y_pred.ndim > 1 and self.y_pred.shape[1] > 1:
            traits = dataclasses.replace(traits, predictions="embeddings")
        return dataclasses.replace(traits, couples=self.couples)

    def check(self, name: str, modes: Sequence[str] | None = None) -> None:
        """Hold the loss to one of the checks of `tfloss_ext.testing`, on this case and against its reference."""
        checks = testing.loss_checks(
            self.loss(),
            inputs=(self.y_true, self.y_pred),
            traits=self.traits,
            oracle=lambda y_true, y_pred: self.oracle(y_pred),
            modes=modes,
        )
        next(check for check in checks if check.name == name)()

    def of(self, chosen: Any, y_pred: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Targets and predictions, its own or others, of some samples alone."""
        y_pred = (self.y_pred if y_pred is None else y_pred)[chosen]
        return self.y_true[chosen], y_pred[:, chosen] if self.square else y_pred

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


def required(key: str) -> dict[str, Any]:
    """Arguments for the parameters of a loss that have no default, as its first case gives them."""
    case = cases(key)[0]
    return {
        field.name: case.parameters[field.name]
        for field in type(case.loss())._fields.values()
        if field.default is REQUIRED
    }


def is_square(key: str) -> bool:
    """Whether a loss takes nothing but a matrix of the batch against itself."""
    return all(case.square for case in cases(key))


def _thin(position: int) -> bool:
    """Whether a case is one of those that run where every case would take too long."""
    return position % 5 == 0


def _parameters(case: Case, position: int, mode: str | None, thin: str | None) -> list[Any]:
    """A case with the marker of the slow tests where it is one too many for every run, or none.

    Of a test that is to be thin, by the name `thin`, one case in five is in every run, and one of the four between
    among the slow ones, which differs from test to test.
    """
    # JAX compiles every operation for every shape.
    usual = _thin(position) if thin or keras.backend.backend() == "jax" else True
    if thin and not usual and position % 5 != 1 + zlib.crc32(thin.encode()) % 4:
        return []
    identity = str(case) if mode is None else f"{case}-{mode}"
    values = (case,) if mode is None else (case, mode)
    return [pytest.param(*values, id=identity, marks=() if usual else pytest.mark.slow)]


def every_case(*, thin: bool = False) -> Any:
    """Parametrizes a test over the cases of all registered losses; `thin` takes fewer of them."""

    def decorated(test: Any) -> Any:
        name, found = test.__name__ if thin else None, []
        for key in sorted(GENERATORS):
            for i, case in enumerate(cases(key)):
                found += _parameters(case, i, None, name)
        return pytest.mark.parametrize("case", found)(test)

    return decorated


def of_each_family() -> set[str]:
    """A loss of each kind: of those with the same bases that take classes and couple samples in the same way."""
    found: dict[Any, str] = {}
    for key in sorted(GENERATORS):
        cls = registry.classes()[key]
        found.setdefault((cls.__bases__, getattr(cls, "independent", None), cls.couples), key)
    return set(found.values())


def every_case_in(modes: list[str], *, thin: bool = False) -> Any:
    """Parametrizes over all cases in the first mode, and in the others over one of a loss of each family.

    The slow tests go over some of every loss there. `thin` takes fewer cases of the first mode too.
    """

    def decorated(test: Any) -> Any:
        name, found, families = test.__name__ if thin else None, [], of_each_family()
        for key in sorted(GENERATORS):
            for i, case in enumerate(cases(key)):
                found += _parameters(case, i, modes[0], name)
                for mode in modes[1:]:
                    usual = i == 0 and key in families
                    if usual or _thin(i):
                        marks = () if usual else pytest.mark.slow
                        found.append(pytest.param(case, mode, id=f"{case}-{mode}", marks=marks))
        return pytest.mark.parametrize(("case", "mode"), found)(test)

    return decorated


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))

# SPDX-License-Identifier: Apache-2.0
"""Hyper-parameters: what a declaration such as `gamma: float = number(default=2.0, at_least=0)` accepts."""

from __future__ import annotations

import abc
import dataclasses
import difflib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

REQUIRED = dataclasses.MISSING


class Moving(abc.ABC):
    """A number that moves as a model is trained, and is known when a loss is called."""

    start: Any

    @abc.abstractmethod
    def now(self, handed: Mapping[str, Any]) -> Any:
        """The number, by what layers handed along with the predictions."""

    def __mul__(self, other: Any) -> Any:
        return NotImplemented

    __rmul__ = __mul__


def number(
    *,
    default: Any = REQUIRED,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    optional: bool = False,
    minus_infinity: bool = False,
    kw_only: bool = False,
    doc: str = "",
) -> Any:
    """A finite real number in a range; `optional` admits `None`, `minus_infinity` -inf, kept as the string `"-inf"`.

    `doc`, here and in the others, is what the docstring of the class says of it, beside range and default.
    """
    spec = _Number(at_least, above, at_most, below, optional=optional, minus_infinity=minus_infinity)
    return _field(default, kw_only, spec, doc)


def numbers(
    *,
    default: Any = REQUIRED,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    optional: bool = False,
    single: bool = True,
    kw_only: bool = False,
    doc: str = "",
) -> Any:
    """A sequence of numbers with one per class or output; with `single` a number may stand for all of them."""
    spec = _Number(at_least, above, at_most, below, optional=optional, many=True, single=single)
    return _field(default, kw_only, spec, doc)


def whole(
    *,
    default: Any = REQUIRED,
    at_least: int | None = None,
    optional: bool = False,
    kw_only: bool = False,
    doc: str = "",
) -> Any:
    """A whole number."""
    return _field(default, kw_only, _Whole(at_least, optional=optional), doc)


def flag(*, default: Any = REQUIRED, kw_only: bool = False, doc: str = "") -> Any:
    """`True` or `False`."""
    return _field(default, kw_only, _Flag(), doc)


def choice(*, options: Sequence[str], default: Any = REQUIRED, kw_only: bool = False, doc: str = "") -> Any:
    """One of a few strings."""
    return _field(default, kw_only, _Choice(tuple(options)), doc)


def plain(*, default: Any = REQUIRED, kw_only: bool = False, doc: str = "") -> Any:
    """Anything that JSON holds."""
    return _field(default, kw_only, _Json(), doc)


def nearest(word: str, known: Sequence[str], count: int = 3) -> list[str]:
    """The known words that a misspelt one may have meant, best first and then in the order of the known ones."""

    def likeness(other: str) -> float:
        pairs = ((word.lower(), other.lower()), (_core(word), _core(other)))
        return max(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)

    found = {other: likeness(other) for other in known}
    return sorted((other for other in known if found[other] >= 0.6), key=lambda other: -found[other])[:count]


def _core(word: str) -> str:
    """What is left of a name without what people add or leave out: `focal_loss`, `FocalLoss` and `focal` are one."""
    plain = word.lower().replace("_", "").replace("-", "").replace(" ", "")
    return plain.removesuffix("loss") or plain


def _field(default: Any, kw_only: bool, spec: Any, doc: str) -> Any:
    return dataclasses.field(default=default, kw_only=kw_only, metadata={"spec": spec, "doc": doc})


def described(field: dataclasses.Field[Any]) -> str:
    """What a docstring says of a parameter: its range, what it is for, and its default."""
    expected, doc = field.metadata["spec"].words, field.metadata["doc"]
    default = "" if field.default is REQUIRED else f"Defaults to `{field.default!r}`."
    return " ".join(part for part in (expected and f"{expected}.", doc, default) if part)


def check(field: dataclasses.Field[Any], value: Any) -> Any:
    """The value as plain Python data, or a `ValueError` that says what was expected."""
    spec = field.metadata["spec"]
    try:
        if not isinstance(value, Moving):
            return spec.check(value)
        if not may_move(field):
            raise _MisunderstoodError("it does not move")
        spec.check(value.start)  # Which later ones are not looked at.
        return value
    except (TypeError, ValueError, OverflowError) as error:
        why = f" ({error})" if isinstance(error, _MisunderstoodError) else ""
        raise ValueError(f"Expected {field.name} {spec.expected}. Received: {field.name}={value!r}{why}") from error


def may_move(field: dataclasses.Field[Any]) -> bool:
    """Whether a parameter may be a `Moving` number."""
    spec = field.metadata["spec"]
    return isinstance(spec, _Number) and spec.single


def checked(name: str, value: Any, declared: Any) -> Any:
    """The value of an argument of a function, which `number(...)` and its like declare."""
    declared.name = name
    return check(declared, value)


class _MisunderstoodError(ValueError):
    """A value that could be read as a number, and would then not do what was meant."""


def _plain(value: Any) -> float:
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise TypeError
    _refuse_state(value)
    return float(value)


def _refuse_state(value: Any) -> None:
    # The variables of Keras and TensorFlow, the parameters of PyTorch.
    if hasattr(value, "assign") or getattr(value, "requires_grad", False):
        raise _MisunderstoodError("a loss holds no state: the number that a variable has now would stay")


def _in_order(values: Any) -> Any:
    """A sequence, whose index, where it has one as those of pandas, is its order."""
    index = getattr(values, "index", None)
    if index is not None and not callable(index) and list(index) != list(range(len(values))):
        raise _MisunderstoodError("its index is not 0, 1, 2, ...: sort it by class, as with sort_index()")
    return values


@dataclasses.dataclass(frozen=True)
class _Number:
    at_least: float | None
    above: float | None
    at_most: float | None
    below: float | None
    _: dataclasses.KW_ONLY
    optional: bool = False
    many: bool = False
    single: bool = True
    minus_infinity: bool = False

    def check(self, value: Any) -> float | str | list[float] | None:
        if value is None and self.optional:
            return None
        if self.minus_infinity and (value == "-inf" if isinstance(value, str) else _plain(value) == -math.inf):
            return "-inf"  # JSON has no infinity.
        for item in value if isinstance(value, (list, tuple)) else ():
            _refuse_state(item)  # Before NumPy makes numbers of them.
        if self.many and np.ndim(value) == 1 and len(value):
            return [self._check_one(item) for item in _in_order(value)]
        if not self.single:
            raise ValueError
        return self._check_one(value)

    def _check_one(self, value: Any) -> float:
        plain = _plain(value)
        in_range = (
            math.isfinite(plain)
            and (self.at_least is None or plain >= self.at_least)
            and (self.above is None or plain > self.above)
            and (self.at_most is None or plain <= self.at_most)
            and (self.below is None or plain < self.below)
        )
        if not in_range:
            raise ValueError
        return plain

    @property
    def expected(self) -> str:
        left = f"[{self.at_least}" if self.above is None else f"({self.above}"
        right = f"{self.at_most}]" if self.below is None else f"{self.below})"
        if "None" not in left and "None" not in right:
            text = f"in {left}, {right}"
        elif self.at_least is not None:
            text = f">= {self.at_least}"
        elif self.above is not None:
            text = f"> {self.above}"
        else:
            text = "to be a finite number"
        if self.many:
            text += " (a number or a list of numbers)" if self.single else " (a list of numbers, one per class)"
        if self.minus_infinity:
            text += " or '-inf'"
        return f"{text} or None" if self.optional else text

    @property
    def words(self) -> str:
        text = dataclasses.replace(self, optional=False, many=False, minus_infinity=False).expected
        text = "" if "finite" in text else text.replace("in ", "In ", 1)
        if self.many:
            kind = "A number or a list of numbers" if self.single else "A list of numbers"
            text = f"{kind}, {text}" if text else kind
        if self.minus_infinity:
            text = 'Any number or `"-inf"`'
        return f"{text}, or None" if self.optional else text


@dataclasses.dataclass(frozen=True)
class _Whole:
    at_least: int | None
    _: dataclasses.KW_ONLY
    optional: bool = False

    def check(self, value: Any) -> int | None:
        if value is None and self.optional:
            return None
        plain = _plain(value)
        if plain != int(plain) or (self.at_least is not None and plain < self.at_least):
            raise ValueError
        # int(value), not int(plain): an id beyond 2**53 keeps its last digits.
        return int(value)

    @property
    def expected(self) -> str:
        text = "to be a whole number"
        if self.at_least is not None:
            text += f" >= {self.at_least}"
        return f"{text} or None" if self.optional else text

    @property
    def words(self) -> str:
        return self.expected.removeprefix("to be ").replace("a whole", "A whole", 1).replace(" or None", ", or None")


@dataclasses.dataclass(frozen=True)
class _Flag:
    expected = "to be True or False"
    words = ""

    def check(self, value: Any) -> bool:
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError
        return bool(value)


@dataclasses.dataclass(frozen=True)
class _Choice:
    options: tuple[str, ...]

    def check(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.options:
            raise ValueError
        return value

    @property
    def expected(self) -> str:
        return "to be one of " + ", ".join(repr(option) for option in self.options)

    @property
    def words(self) -> str:
        *others, last = (f'`"{option}"`' for option in self.options)
        return f"{', '.join(others)} or {last}" if others else last


@dataclasses.dataclass(frozen=True)
class _Json:
    expected = "to be what JSON holds: numbers, strings, True, False, None, and lists and dicts of them"
    words = ""

    def check(self, value: Any) -> Any:
        return json.loads(json.dumps(value, allow_nan=False))

# SPDX-License-Identifier: Apache-2.0
"""What turns a declared class into a loss: its fields become constructor, checks, config, `repr` and names."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import textwrap
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, dataclass_transform

import keras

from tfloss_ext import compose, moving, registry
from tfloss_ext.parameters import REQUIRED, Moving, check, choice, described, flag, nearest, number, numbers, whole

Fields = dict[str, dataclasses.Field[Any]]

# What every constructor ends with, and how that is left out.
COMMON: Mapping[str, Any] = {"reduction": "sum_over_batch_size", "name": None, "dtype": None}
RAISES = (
    "ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not fit, or "
    "if a target says nothing."
)
_RESERVED = (*COMMON, "key", "aliases", "call")


@dataclass_transform(eq_default=False, field_specifiers=(number, numbers, whole, flag, choice))
class Declared(keras.losses.Loss):
    """A Keras loss whose parameters are fields of its class.

    A class with an `__init__` of its own, and those below it, are constructed by that, as in Keras.
    """

    key: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    _fields: ClassVar[Fields] = {}

    def __init_subclass__(
        cls,
        *,
        key: str | None = None,
        aliases: tuple[str, ...] | list[str] = (),
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        package: str | None = None,
        **unknown: Any,
    ) -> None:
        try:
            super().__init_subclass__(**unknown)
        except TypeError as error:
            known = ("key", "aliases", "presets", "package")
            raise TypeError(_unknown_argument(cls, unknown, known)) from error
        inherited = [vars(base).get("_fields", {}) for base in reversed(cls.__mro__[1:])]
        fields = {name: field for fields in inherited for name, field in fields.items()} | _own_fields(cls)
        # Positional parameters before keyword-only ones, whichever class of the family declared them.
        cls._fields = dict(sorted(fields.items(), key=lambda item: bool(item[1].kw_only)))
        if Declared not in cls.__bases__ and (cls.__init__ is Declared.__init__ or _is_made(cls.__init__)):
            cls.__init__ = _constructor(cls)  # type: ignore[method-assign]
        if key is not None:
            cls.key, cls.aliases, cls.presets = key, _names(cls, key, aliases), dict(presets or {})
            _check_hooks(cls)
            _check_presets(cls)
        cls.__doc__ = _documented(cls)
        if key is not None:
            ours = cls.__module__.split(".")[0] == registry.PACKAGE
            package = package or (registry.PACKAGE if ours else "Custom")
            registry.register(cls, key, aliases=cls.aliases, package=package, presets=cls.presets)

    def __init__(self, name: str | None = None, reduction: Any = "sum_over_batch_size", dtype: Any = None) -> None:
        policy = None if dtype is None else keras.dtype_policies.get(dtype).name
        super().__init__(name=name or self.key or None, reduction=reduction, dtype=policy)
        self._requested_dtype = policy

    def __setattr__(self, name: str, value: Any) -> None:
        field = self._fields.get(name)
        if field is None:
            super().__setattr__(name, value)
            return
        before = vars(self).get(name, REQUIRED)
        super().__setattr__(name, check(field, moving.restored(value)))
        if before is REQUIRED:  # Under construction: parameters are checked together when all are there.
            return
        try:
            self._validate_what_stays()
        except ValueError:
            super().__setattr__(name, before)
            raise

    def validate(self) -> None:
        """Check what concerns several parameters at once; raise `ValueError`."""

    def _validate_what_stays(self) -> None:
        """Check them unless one moves, of which nobody knows where it goes."""
        if not any(isinstance(value, Moving) for value in vars(self).values()):
            self.validate()

    def get_config(self) -> dict[str, Any]:
        """Every argument of the constructor, as plain JSON."""
        cls = type(self)
        if ">" not in keras.saving.get_registered_name(cls):
            warnings.warn(
                f"Keras will not find {cls.__name__} when it loads what is saved here. Give the class a key, "
                f'`class {cls.__name__}({cls.__bases__[0].__name__}, key="...")`, or decorate it with '
                "`@keras.saving.register_keras_serializable()`.",
                RuntimeWarning,
                stacklevel=2,
            )
        own = {name: _plain(getattr(self, name)) for name in self._fields}
        return {**own, "reduction": self.reduction, "name": self.name, "dtype": self._requested_dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The loss that `get_config` described."""
        config = dict(config)
        # As in Keras, an `__init__` of one's own need not know of it.
        if config.get("dtype") is None and not _takes(cls.__init__, "dtype"):
            config.pop("dtype", None)
        return cls(**config)

    def __repr__(self) -> str:
        usual = {name: field.default for name, field in self._fields.items()}
        if not _is_made(type(self).__init__):
            usual = {**_defaults(type(self).__init__), **usual}
        usual |= {**COMMON, "name": self.key}
        values = {name: getattr(self, name) for name in usual if name != "dtype" and hasattr(self, name)}
        values |= {"dtype": self._requested_dtype}
        shown = (f"{name}={_shown(value)}" for name, value in values.items() if not _same(value, usual[name]))
        return f"{type(self).__name__}({', '.join(shown)})"


def _shown(value: Any) -> str:
    return compose.described(value) if isinstance(value, keras.losses.Loss) else repr(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Moving):
        return keras.saving.serialize_keras_object(value)
    return list(value) if isinstance(value, list) else value


def _same(value: Any, usual: Any) -> bool:
    if isinstance(usual, tuple):  # A list as a default is kept as a tuple, which nobody can change.
        usual = list(usual)
    return type(value) is type(usual) and bool(value == usual)


# Fields


def _own_fields(cls: type) -> Fields:
    """The parameters that the body of a class declares."""
    annotations, body = inspect.get_annotations(cls), dict(vars(cls))
    inherited: Fields = getattr(cls, "_fields", {})
    fields: Fields = {}
    for name in {**annotations, **body}:
        value = body.get(name, REQUIRED)
        annotation = annotations.get(name, "")
        annotation = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        if "ClassVar" in annotation:
            continue
        declared = isinstance(value, dataclasses.Field) and "spec" in value.metadata
        if declared and name in annotations and name not in _RESERVED:
            fields[name] = _named(cls, name, value, annotation)
        elif declared or name in annotations or name in inherited:
            if value is REQUIRED and "__init__" in body:
                continue  # The type of an attribute that `__init__` sets.
            raise TypeError(_how_to_declare(cls, name, value, annotation, inherited))
    return fields


def _named(cls: type, name: str, field: dataclasses.Field[Any], annotation: str) -> dataclasses.Field[Any]:
    field.name, field.type = name, annotation
    if field.default is REQUIRED:
        delattr(cls, name)
        return field
    if isinstance(field.default, list):
        field.default = tuple(field.default)
    try:
        setattr(cls, name, check(field, field.default))
    except ValueError as error:
        raise TypeError(f"{cls.__name__}: the default is out of range. {error}") from error
    return field


def _how_to_declare(cls: type, name: str, value: Any, annotation: str, inherited: Fields) -> str:
    if name in _RESERVED:
        return f"Expected a parameter with a name that is free in {cls.__name__}. Received: {name}"
    given = f"{name}: {annotation}" if annotation else name
    if isinstance(value, dataclasses.Field):
        given += " without the type of the parameter"
    elif value is not REQUIRED:
        given += f" = {value!r}"
    kind = "number"
    if isinstance(value, (bool, str, list, tuple)):
        kind = {bool: "flag", str: "choice"}.get(type(value), "numbers")
    arguments = [] if value is REQUIRED or isinstance(value, dataclasses.Field) else [f"default={value!r}"]
    arguments += ["options=(...)"] if kind == "choice" else []
    usual = {"number": "float", "flag": "bool", "choice": "str", "numbers": "float | list[float]"}[kind]
    text = (
        f"Expected `{name}: {annotation or usual} = tfloss_ext.{kind}({', '.join(arguments)})` in the declaration of "
        f"{cls.__name__}, or ClassVar[...] for what is no parameter. Received: {given}"
    )
    return f"{text}, while {name} is a parameter already" if name in inherited else text


# Docstrings


def _documented(cls: type[Declared]) -> str | None:
    """The docstring of a class with what its declaration says: a paragraph for each parameter, and what raises."""
    own = vars(cls).get("__doc__")
    if not own or "Args:" in own or not _is_made(cls.__init__):
        return own
    parts = re.split(r"\n\n(?=(?:Shapes|Raises|Reference|Example):\n)", inspect.cleandoc(own))
    told = {name: described(field) for name, field in cls._fields.items()}
    told |= {
        "reduction": "How the values become the loss, as in `keras.losses.Loss`.",
        "name": f'Name of the instance; None means `"{cls.key}"`.' if cls.key else "Name of the instance.",
        "dtype": "Precision of the computation; None means Keras's `floatx`.",
    }
    entries = (f"{name}: {text}".rstrip() for name, text in told.items())
    parts.insert(1, "Args:\n" + "\n".join(_wrapped(entry) for entry in entries))
    if not any(part.startswith("Raises:") for part in parts):
        place = next((i for i, part in enumerate(parts) if part.startswith(("Reference:", "Example:"))), len(parts))
        parts.insert(place, f"Raises:\n{_wrapped(RAISES)}")
    return "\n\n".join(parts)


def _wrapped(entry: str) -> str:
    return textwrap.fill(
        entry, 112, initial_indent=" " * 4, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False
    )


# Constructors


def _constructor(cls: type[Declared]) -> Callable[..., None]:
    """An `__init__` with the signature that the declaration describes."""
    kinds = {False: inspect.Parameter.POSITIONAL_OR_KEYWORD, True: inspect.Parameter.KEYWORD_ONLY}
    own = [
        inspect.Parameter(
            field.name,
            kinds[bool(field.kw_only)],
            default=inspect.Parameter.empty if field.default is REQUIRED else field.default,
            annotation=field.type,
        )
        for field in cls._fields.values()
    ]
    tail = [inspect.Parameter(name, kinds[True], default=default) for name, default in COMMON.items()]
    try:
        signature = inspect.Signature([*own, *tail])
    except ValueError as error:
        raise TypeError(f"Expected parameters without a default first in {cls.__name__}. Received: {own}") from error

    def __init__(self: Declared, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise _misuse(cls, signature, kwargs, error) from None
        bound.apply_defaults()
        arguments = bound.arguments
        Declared.__init__(self, **{name: arguments.pop(name) for name in COMMON})
        for name, value in arguments.items():
            setattr(self, name, value)
        self._validate_what_stays()

    me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = signature.replace(parameters=[me, *own, *tail])  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    return __init__


def _is_made(constructor: Any) -> bool:
    """Whether an `__init__` comes from a declaration."""
    return hasattr(constructor, "__signature__")


def _takes(function: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    _, *parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


class MissingArgumentError(TypeError, ValueError):
    """A parameter without a default was not given: an error of the call, as in Python, and a bad value, as in Keras."""


def _misuse(cls: type[Declared], signature: inspect.Signature, given: Mapping[str, Any], error: TypeError) -> TypeError:
    hints = [nearest(name, list(signature.parameters), 1) for name in given if name not in signature.parameters]
    meant = ", ".join(name for hint in hints for name in hint)
    if meant:
        return TypeError(f"{cls.__name__}: {error}. Did you mean {meant}?")
    needed = [field.name for field in cls._fields.values() if field.default is REQUIRED]
    if "missing" not in str(error) or not needed:
        return TypeError(f"{cls.__name__}: {error}. Expected {signature}")
    call = ", ".join(f"{name}=..." for name in needed)
    return MissingArgumentError(
        f"Expected {' and '.join(needed)}, which have no default: {cls.__name__}({call}), "
        f"or tfloss_ext.get({cls.key!r}, {call}). Received: {cls.__name__}({', '.join(given)})"
    )


# Class arguments


def _unknown_argument(cls: type, given: Mapping[str, Any], known: tuple[str, ...]) -> str:
    received = ", ".join(f"{name}={value!r}" for name, value in given.items())
    hints = [hint for name in given for hint in nearest(name, known, 1)]
    meant = f". Did you mean {', '.join(hints)}?" if hints else ""
    return f"Expected class arguments {', '.join(known)} of {cls.__name__}. Received: {received}{meant}"


def _names(cls: type[Declared], key: str, aliases: Any) -> tuple[str, ...]:
    if not isinstance(key, str) or not key:
        raise TypeError(f"Expected key to be a name, such as 'focal', of {cls.__name__}. Received: key={key!r}")
    if isinstance(aliases, str) or not all(isinstance(alias, str) and alias for alias in aliases):
        raise TypeError(
            f"Expected aliases to be a tuple of names of {cls.__name__}, such as ('{key}_loss',). "
            f"Received: aliases={aliases!r}"
        )
    return tuple(aliases)


def hook(method: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a method of a family that its losses have to define."""
    _, *parameters = inspect.signature(method).parameters
    expected = f"{method.__name__}({', '.join(parameters)})"

    @functools.wraps(method)
    def missing(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise _undefined(missing, type(self).__name__)

    missing.hook = expected  # type: ignore[attr-defined]
    return missing


def _undefined(method: Any, owner: str) -> TypeError:
    """The error that a loss does not define a hook."""
    what = f"a method {method.hook}: {(method.__doc__ or '').splitlines()[0]}"
    return TypeError(f"Expected {owner} to define {what} Received: none")


def _check_hooks(cls: type[Declared]) -> None:
    for base in cls.__mro__:
        for name, method in vars(base).items():
            # Who writes `call` anew need not have what the family's own one asks for.
            if hasattr(method, "hook") and getattr(cls, name) is method and cls.call is getattr(base, "call", None):
                raise _undefined(method, f"{cls.__name__}, which has a key,")


def _check_presets(cls: type[Declared]) -> None:
    for name, parameters in cls.presets.items():
        for parameter, value in parameters.items():
            if parameter not in cls._fields:
                known = ", ".join(cls._fields) or "none"
                raise TypeError(
                    f"Expected parameters of {cls.__name__} ({known}) in the preset {name!r}. Received: {parameter}"
                )
            check(cls._fields[parameter], value)

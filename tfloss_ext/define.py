# SPDX-License-Identifier: Apache-2.0
"""A function as a loss: its parameters become those of a class, and its name that of the loss."""

from __future__ import annotations

import functools
import inspect
import json
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, overload

from tfloss_ext.base import Loss
from tfloss_ext.declaration import COMMON
from tfloss_ext.parameters import choice, flag, number, numbers, plain, whole

_TAKEN = (*COMMON, "key", "aliases", "call", "fn")


@overload
def loss(function: Callable[..., Any], /) -> type[Loss]: ...


@overload
def loss(
    *, base: type[Loss] = ..., key: str | None = ..., aliases: Sequence[str] = ..., package: str | None = ...
) -> Callable[[Callable[..., Any]], type[Loss]]: ...


def loss(
    function: Any = None,
    /,
    *,
    base: type[Loss] = Loss,
    key: str | None = None,
    aliases: Sequence[str] = (),
    package: str | None = None,
) -> Any:
    """Make a class of losses of a function, registered by its name and saved with its parameters.

    The function is `call` of the class: it gives one value per sample or position, `(B, ...)`, from targets and
    predictions as `base` aligns them. Parameters beside these two need defaults. What annotations say of them is
    checked: `float`, `int` and `list[float]`, each maybe `| None`, `bool`, and `Literal` of strings; others hold what
    JSON does. The class has the function as `fn`. Who loads a saved model imports the module of the function first.

    Args:
        function: `def my_loss(y_true, y_pred, *, weight: float = 2.0)`.
        base: `Loss`, or `ClassLoss` for ids and one-hot targets alike, which the function sees as one-hot.
        key: The bare name of the loss; None means that of the function.
        aliases: Further bare names.
        package: The first part of the registered name; None means `"Custom"`.

    Returns:
        The class, or what makes it of a function where options are given.

    Raises:
        TypeError: If it could not be found again or rebuilt from a config: a lambda, a closure, parameters without a
            default or with a name that every loss has, `*args` and `**kwargs`.

    Example:
        >>> from keras import ops
        >>> import tfloss_ext
        >>> @tfloss_ext.loss
        ... def lopsided(y_true, y_pred, *, weight: float = 2.0):
        ...     error = y_pred - y_true
        ...     return ops.mean(ops.where(error > 0, error, -weight * error), axis=-1)
        >>> lopsided(weight=3.0)
        lopsided(weight=3.0)
        >>> print(f"{tfloss_ext.get('lopsided')([[0.0]], [[-1.0]]):.1f}")
        2.0
        >>> tfloss_ext.registry.unregister("lopsided")
    """
    if function is None:
        return functools.partial(_loss, base=base, key=key, aliases=aliases, package=package)
    return _loss(function, base=base, key=key, aliases=aliases, package=package)


def _loss(
    function: Any, *, base: type[Loss], key: str | None, aliases: Sequence[str], package: str | None
) -> type[Loss]:
    if not inspect.isfunction(function):
        raise TypeError(f"Expected a function to be decorated. Received: {function!r}")
    name = function.__name__
    if name == "<lambda>":
        raise TypeError(
            "Expected a function with a name, by which saved models find it again: write `def my_loss(...)`. "
            "Received: a lambda"
        )
    if function.__closure__:
        captured = ", ".join(function.__code__.co_freevars)
        raise TypeError(
            f"Expected {name} to use its parameters and what its module has, as a config holds nothing else: make "
            f"parameters with defaults of what it captures. Received: a closure over {captured}"
        )
    first = list(inspect.signature(base.call).parameters) if _is_family(base) else None
    if first != ["self", "y_true", "y_pred"]:
        raise TypeError(
            f"Expected base to be a family whose losses define call(y_true, y_pred), such as Loss and ClassLoss; "
            f"declare a class for others. Received: base={base!r}"
        )
    fields = _fields(function)

    def call(self: Any, y_true: Any, y_pred: Any) -> Any:
        return function(y_true, y_pred, **{name: getattr(self, name) for name in fields})

    body = {
        **{name: field for name, (_, field) in fields.items()},
        "__annotations__": {name: annotation for name, (annotation, _) in fields.items()},
        "__module__": function.__module__ or "__main__",  # None in code that is executed by itself.
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
        "call": call,
        "fn": staticmethod(function),
    }
    arguments = {"key": name if key is None else key, "aliases": aliases, "package": package}
    made: type[Loss] = types.new_class(name, (base,), arguments, lambda namespace: namespace.update(body))
    return made


def _is_family(base: Any) -> bool:
    return inspect.isclass(base) and issubclass(base, Loss)


def _fields(function: Callable[..., Any]) -> dict[str, tuple[str, Any]]:
    """Each parameter beside targets and predictions: its annotation and its field."""
    name = function.__name__
    try:
        parameters = list(inspect.signature(function, eval_str=True).parameters.values())
    except NameError:  # What an annotation names may be imported for type checkers alone.
        parameters = list(inspect.signature(function).parameters.values())
    kinds = inspect.Parameter
    if len(parameters) < 2 or any(part.kind not in _POSITIONAL for part in parameters[:2]):
        raise TypeError(f"Expected {name}(y_true, y_pred, ...). Received: {name}{inspect.signature(function)}")
    fields = {}
    for part in parameters[2:]:
        if part.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD):
            raise TypeError(
                f"Expected a name for each parameter of {name}, as in (y_true, y_pred, *, weight=2.0). Received: {part}"
            )
        if part.name in _TAKEN:
            raise TypeError(
                f"Expected another name for a parameter of {name}: every loss has {part.name}. Received: {part.name}"
            )
        if part.default is kinds.empty:
            raise TypeError(
                f"Expected a default for every parameter of {name}, so that it can be given by its name alone: "
                f"{part.name}=... Received: none for {part.name}"
            )
        annotation = "Any" if part.annotation is kinds.empty else inspect.formatannotation(part.annotation)
        fields[part.name] = (annotation, _field(name, part))
    return fields


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _field(name: str, part: inspect.Parameter) -> Any:
    """What checks a parameter, by its annotation or else by its default."""
    given: dict[str, Any] = {"default": part.default, "kw_only": part.kind is inspect.Parameter.KEYWORD_ONLY}
    wanted = part.annotation
    if wanted is inspect.Parameter.empty:
        wanted = type(part.default) if isinstance(part.default, (bool, float)) else None
    options = set(typing.get_args(wanted))
    optional = type(None) in options and len(options) == 2
    if optional:
        (wanted,) = options - {type(None)}
    if typing.get_origin(wanted) is typing.Literal and all(isinstance(one, str) for one in typing.get_args(wanted)):
        return choice(options=typing.get_args(wanted), **given) if not optional else plain(**given)
    if wanted is bool and not optional:
        return flag(**given)
    if wanted in (float, int):
        return (number if wanted is float else whole)(optional=optional, **given)
    if wanted == list[float]:
        return numbers(single=False, optional=optional, **given)
    try:
        json.dumps(part.default)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"Expected a default that JSON holds, as configs are saved in it, for {part.name} of {name}. "
            f"Received: {part.default!r}"
        ) from error
    return plain(**given)

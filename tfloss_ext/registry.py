# SPDX-License-Identifier: Apache-2.0
"""Names and the losses they stand for. The only room that touches a private part of Keras."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from tfloss_ext.parameters import nearest

if TYPE_CHECKING:
    from tfloss_ext.base import Loss

PACKAGE = "tfloss_ext"

_factories: dict[str, type] = {}
_classes: dict[str, type[Loss]] = {}


def _find_table() -> dict[str, Any] | None:
    """The dict in which Keras looks up the strings given to `compile(loss=...)`."""
    try:
        from keras.src.losses import ALL_OBJECTS_DICT as table  # noqa: N811
    except ImportError:
        table = None
    if isinstance(table, dict) and "mse" in table:
        return table
    warnings.warn(
        f"Keras {keras.__version__} keeps its losses where {PACKAGE} does not find them: bare names such as "
        "compile(loss='focal') and keras.losses.get('focal') will not work. Everything else does: "
        f"instances (compile(loss={PACKAGE}.Focal())), {PACKAGE}.get('focal'), saving and reloading of instances.",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


_table = _find_table()


def register(cls: type[Loss], key: str, *, aliases: tuple[str, ...], package: str, presets: Mapping[str, Any]) -> None:
    """Make a loss known to Keras under its key, its aliases, its presets and its registered name."""
    names: dict[str, type] = dict.fromkeys((key, *aliases, f"{package}>{cls.__name__}"), cls)
    names |= {name: _preset(cls, name, parameters) for name, parameters in presets.items()}
    for name, factory in names.items():
        if name in _factories and not _same_definition(_factories[name], factory):
            raise ValueError(f"Expected a name that is free. Received: {name!r}, which {_factories[name]} has")
    for factory in set(names.values()):
        keras.saving.register_keras_serializable(package=package, name=factory.__name__)(factory)
    for name, factory in names.items():
        _offer_to_keras(name, factory)
        _factories[name] = factory
    _classes[key] = cls


def _same_definition(old: type, new: type) -> bool:
    # A cell of a notebook that runs again, or a module that is reloaded.
    return (old.__module__, old.__qualname__) == (new.__module__, new.__qualname__)


def _offer_to_keras(name: str, factory: type) -> None:
    if _table is None:
        return
    taken = name in _table and _table[name] is not _factories.get(name)
    if taken and not (inspect.isclass(_table[name]) and _same_definition(_table[name], factory)):
        warnings.warn(
            f"Keras has a loss named {name!r} of its own, which stays: {PACKAGE}.get({name!r}) gives ours.",
            RuntimeWarning,
            stacklevel=4,
        )
        return
    _table[name] = factory


def _preset(cls: type[Loss], name: str, parameters: Mapping[str, Any]) -> type:
    """A class that, when called, gives `cls` with other defaults: Keras's table calls nothing but classes."""

    def make(_: type, **overrides: Any) -> Loss:
        return cls(**{"name": name, **parameters, **overrides})

    # Keras's HDF5 files turn the string into a config of the class of that name.
    methods = {
        "__new__": make,
        "get_config": cls.get_config,
        "from_config": staticmethod(lambda config: make(cls, **config)),
    }
    return type(name, (), {**methods, "__module__": cls.__module__, "__doc__": f"`{cls.__name__}` with {parameters}."})


def get(identifier: Any, **parameters: Any) -> Any:
    """The loss with this name, with these parameters.

    Args:
        identifier: A key or alias (`"focal"`), a registered name (`"tfloss_ext>Focal"`), a name of Keras's own
            (`"mse"`), a loss class, a config, an instance or a function.
        **parameters: Arguments of the constructor, where the identifier names a class.

    Returns:
        A `keras.losses.Loss`, or a function where Keras has one by that name.

    Raises:
        ValueError: If the name is unknown (the message lists the nearest ones), or if parameters are given for
            something that takes none.

    Example:
        >>> import tfloss_ext
        >>> tfloss_ext.get("focal", gamma=3.0)
        Focal(gamma=3.0)
    """
    if isinstance(identifier, str):
        identifier = _factories[identifier] if identifier in _factories else _keras_loss(identifier)
    if inspect.isclass(identifier):
        return identifier(**parameters)
    if parameters:
        raise ValueError(f"Expected a name or a class with parameters. Received: {identifier!r} with {parameters}")
    return keras.losses.get(identifier)


def _keras_loss(name: str) -> Any:
    """What Keras has by that name, a class or a function."""
    if _table is not None and name in _table:
        return _table[name]
    try:
        return keras.losses.get(name)
    except ValueError as error:
        hints = nearest(name.lower(), [*_factories, *(_table or {})]) or names()
        raise ValueError(f"Unknown loss: {name!r}. The nearest names are: {', '.join(map(repr, hints))}") from error


def names() -> list[str]:
    """Every bare name of this package: keys, aliases and presets, in alphabetical order.

    Example:
        >>> import tfloss_ext
        >>> "focal" in tfloss_ext.names()
        True
    """
    return sorted(name for name in _factories if ">" not in name)


def classes() -> dict[str, type[Loss]]:
    """Key and class of every registered loss, in the order of their definition."""
    return dict(_classes)


def keras_mask(tensor: Any) -> Any:
    """The mask that a Keras layer has put on its output, or None."""
    try:
        from keras.src.backend import get_keras_mask
    except ImportError:
        return getattr(tensor, "_keras_mask", None)
    return get_keras_mask(tensor)

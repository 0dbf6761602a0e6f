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

# Every class that has a name, the one that has it now last; and the names that are keys.
_owners: dict[str, list[type]] = {}
_keys: dict[str, None] = {}


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
    names: dict[str, type] = dict.fromkeys((key, *aliases), cls)
    names |= {name: _preset(cls, name, parameters) for name, parameters in presets.items()}
    # Keras saves a class under its registered name, and HDF5 files do so with the presets.
    names |= {f"{package}>{factory.__name__}": factory for factory in (cls, *names.values())}
    replaced: dict[str, list[str]] = {}
    for name, factory in names.items():
        owners = _owners.setdefault(name, [])
        if owners and _same_definition(owners[-1], factory):
            owners[-1] = factory
        else:
            if owners:
                replaced.setdefault(_described(owners[-1]), []).append(repr(name))
            owners.append(factory)
        _offer_to_keras(name, factory)
        if ">" in name:
            keras.saving.register_keras_serializable(package=package, name=factory.__name__)(factory)
    _keys[key] = None
    for other, taken in replaced.items():
        warnings.warn(
            f"What was {other} by the name of {', '.join(taken)} is now {_described(cls)}. "
            f"{PACKAGE}.registry.unregister(name) gives a name back.",
            RuntimeWarning,
            stacklevel=3,
        )


def unregister(name: str) -> None:
    """Take a name back from the class that has it; the class that had it before has it again, or no one.

    Args:
        name: A key, an alias, a preset or a registered name (`"Custom>MyLoss"`), one at a time.

    Raises:
        ValueError: If no loss of this package or registered with it has that name.

    Example:
        >>> from tfloss_ext import Loss, registry
        >>> class Mine(Loss, key="mine", package="notebook"):
        ...     def call(self, y_true, y_pred):
        ...         return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)
        >>> registry.unregister("mine")
        >>> "mine" in registry.names()
        False
        >>> registry.unregister("notebook>Mine")
    """
    if name not in _owners:
        hints = "".join(f" Did you mean {hint!r}?" for hint in nearest(name, list(_owners), 1))
        raise ValueError(
            f"Expected a name that this package or a loss declared with it has. Received: {name!r}.{hints}"
        )
    taken = _owners[name].pop()
    if not _owners[name]:
        del _owners[name]
    for place in (_table, keras.saving.get_custom_objects()):
        if place is None or place.get(name) is not taken:
            continue
        if name in _owners:
            place[name] = _owners[name][-1]
        else:
            del place[name]


def _same_definition(old: type, new: type) -> bool:
    # A cell of a notebook that runs again, or a module that is reloaded.
    return (old.__module__, old.__qualname__) == (new.__module__, new.__qualname__)


def _described(factory: type) -> str:
    return f"{factory.__module__}.{factory.__qualname__}"


def _offer_to_keras(name: str, factory: type) -> None:
    if _table is None:
        return
    current = _table.get(name)
    known = current is None or any(current is owner for owner in _owners[name])
    if not known and not (inspect.isclass(current) and _same_definition(current, factory)):
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
        identifier: A key or alias (`"focal"`), a registered name (`"tfloss_ext>Focal"`), the name of a class (ours
            first: `"Dice"`), a name of Keras's own (`"mse"`), a loss class, a config, an instance or a function.
        **parameters: Arguments of the constructor, of Keras's own losses too.

    Returns:
        A `keras.losses.Loss`, or a function where Keras has one by that name.

    Raises:
        ValueError: If the name is unknown (the message lists the nearest ones), or if parameters are given for
            something that takes none.

    Example:
        >>> import tfloss_ext
        >>> tfloss_ext.get("focal", gamma=3.0)
        Focal(gamma=3.0)
        >>> type(tfloss_ext.get("huber", delta=2.0)).__name__
        'Huber'
    """
    if isinstance(identifier, str):
        identifier = _by_name(identifier)
    if parameters and inspect.isfunction(identifier):
        identifier = _class_of(identifier)
    if inspect.isclass(identifier):
        return identifier(**parameters)
    if parameters:
        raise ValueError(f"Expected a name or a class with parameters. Received: {identifier!r} with {parameters}")
    return keras.losses.get(identifier)


def instance(identifier: Any) -> keras.losses.Loss:
    """What `get` finds, as an instance, of the functions of Keras too."""
    found = get(identifier)
    found = get(found, reduction="sum_over_batch_size") if inspect.isfunction(found) else found
    if not isinstance(found, keras.losses.Loss):
        raise ValueError(f"Expected a loss. Received: {identifier!r}")
    return found


def _by_name(name: str) -> Any:
    """A class of ours, or what Keras has by that name, a class or a function."""
    if name in _owners:
        return _owners[name][-1]
    for cls in classes().values():
        if cls.__name__ == name:
            return cls
    if _table is not None and name in _table:
        return _table[name]
    try:
        return keras.losses.get(name)
    except ValueError as error:
        hints = _nearest_names(name) or names()
        raise ValueError(f"Unknown loss: {name!r}. The nearest names are: {', '.join(map(repr, hints))}") from error


def _class_of(function: Any) -> Any:
    """The class with the name of a function of Keras, or the function where there is none."""
    plain = function.__name__.replace("_", "")
    found = [loss for name, loss in (_table or {}).items() if inspect.isclass(loss) and name.lower() == plain]
    return found[0] if found else function


def _nearest_names(word: str) -> list[str]:
    """At most three names, best first, that a misspelt one may have meant, each of another loss."""
    known = {name: owners[-1] for name, owners in _owners.items() if (">" in name) == (">" in word)}
    known |= {name: loss for name, loss in (_table or {}).items() if name not in _owners and name != "Loss"}
    hints: dict[Any, str] = {}
    for name in nearest(word, list(known), len(known)):
        hints.setdefault(known[name], name)
    return list(hints.values())[:3]


def names() -> list[str]:
    """Every bare name of this package: keys, aliases and presets, in alphabetical order.

    Example:
        >>> import tfloss_ext
        >>> "focal" in tfloss_ext.names()
        True
    """
    return sorted(name for name in _owners if ">" not in name)


def classes() -> dict[str, type[Loss]]:
    """Key and class of every registered loss, in the order of their definition."""
    current = {key: _owners[key][-1] for key in _keys if key in _owners}
    return {key: cls for key, cls in current.items() if getattr(cls, "key", None) == key}


def keras_mask(tensor: Any) -> Any:
    """The mask that a Keras layer has put on its output, or None."""
    return attribute(tensor, "_keras_mask")


def attribute(tensor: Any, name: str) -> Any:
    """What `set_attribute` has put on a tensor, or Keras a mask, or None."""
    try:
        from keras.src.backend.common.tensor_attributes import get_tensor_attr
    except ImportError:
        return getattr(tensor, name, None)
    return get_tensor_attr(tensor, name)


def set_attribute(tensor: Any, name: str, value: Any) -> None:
    """Put something on a tensor, as Keras does with masks: the tracers of JAX have no attributes of their own."""
    try:
        from keras.src.backend.common.tensor_attributes import set_tensor_attr
    except ImportError:
        setattr(tensor, name, value)
        return
    set_tensor_attr(tensor, name, value)


def is_symbolic() -> bool:
    """Whether Keras only finds out shapes, with tensors that do not come from where they come in earnest."""
    try:
        from keras.src.backend.common.symbolic_scope import in_symbolic_scope
    except ImportError:
        return False
    return bool(in_symbolic_scope())

# SPDX-License-Identifier: Apache-2.0
"""Writes `tfloss_ext/__init__.pyi`, what type checkers and editors see of the package, from the declarations.

    python tools/stubs.py           after a change to a declaration, to a public function or to `__all__`
    python tools/stubs.py --check   fails if the file is not what it would write

Only the package itself has a stub, not its modules, so that their bodies are type-checked all the same.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import functools
import inspect
import sys
import textwrap
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402

import tfloss_ext  # noqa: E402
from tfloss_ext import registry  # noqa: E402
from tfloss_ext.parameters import may_move  # noqa: E402

STUB = ROOT / "tfloss_ext" / "__init__.pyi"
WIDTH = 120
EMPTY = inspect.Parameter.empty
PUBLIC: tuple[str, ...] = tuple(tfloss_ext.__all__)

# What every constructor takes besides the parameters of its class: its type, and that of the attribute.
COMMON = {
    "reduction": ("_Reduction | None", "_Reduction | None"),
    "name": ("str | None", "str"),
    "dtype": ("str | _DType | None", "str"),
}

HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# Made from the declarations by `python tools/stubs.py`: change those, then run it again.

{imports}

__version__: str

_Reduction: TypeAlias = Literal["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"]
_Kept_co = TypeVar("_Kept_co", covariant=True)
_Given_contra = TypeVar("_Given_contra", contravariant=True)
_Class = TypeVar("_Class")
_Function = TypeVar("_Function", bound=Callable[..., Any])

# An array or a series.
class _Array(Protocol):
    def __array__(self, *args: Any, **kwargs: Any) -> Any: ...

# A `keras.DTypePolicy`, or a dtype of NumPy or TensorFlow.
class _DType(Protocol):
    @property
    def name(self) -> str: ...

# An attribute that is kept as one type and takes others, as the parameter of the constructor does.
class _Kept(Generic[_Kept_co, _Given_contra]):
    def __get__(self, instance: object, owner: type | None = None, /) -> _Kept_co: ...
    def __set__(self, instance: object, value: _Given_contra, /) -> None: ...

# Keras comes without types. To mypy it is Any, and a class below Any takes every argument.
MYPY: bool
if MYPY:
    class _KerasLoss: ...  # pyright: ignore[reportRedeclaration]

else:
    class _KerasLoss(keras.losses.Loss):
        dtype: Any  # pyright: ignore[reportIncompatibleMethodOverride]

{functions}
@dataclass_transform(eq_default=False, field_specifiers=({specifiers}))
class _Declared(_KerasLoss): ...
"""
HEAD_IMPORTS = {
    "from collections.abc import Callable, Mapping, Sequence",
    "from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, dataclass_transform, overload",
    "import keras",
}
GET_ANYTHING_ELSE = """\
@overload  # A class is a function too.
def get(identifier: type[_Class], **parameters: Any) -> _Class: ...  # type: ignore[overload-overlap]
@overload
def get(identifier: str, **parameters: Any) -> Any: ...
@overload
def get(identifier: Mapping[str, Any]) -> Any: ...
@overload
def get(identifier: None) -> None: ...
@overload
def get(identifier: _Function) -> _Function: ...
"""


def stub() -> str:
    """The text of the stub."""
    public = {name: getattr(tfloss_ext, name) for name in PUBLIC}
    losses = [item for item in public.values() if _is_loss(item)]
    imports = Imports()
    functions = ["def _field(*, default: Any = ..., kw_only: bool = False) -> Any: ...\n"]
    for name, item in public.items():
        if inspect.isfunction(item) and name != "get":
            functions += _function(item, imports)
        elif inspect.ismodule(item):
            imports.add(f"from {registry.PACKAGE} import {name}")
        elif item not in losses and name != "get":
            imports.add(f"from {item.__module__} import {name}")
    classes = [_class(cls, imports) for cls in _with_families(losses)]
    get = "".join(_overloads(losses)) + GET_ANYTHING_ELSE
    specifiers = [item.__name__ for item in tfloss_ext.Loss.__dataclass_transform__["field_specifiers"]]
    head = HEAD.format(
        imports=imports.text(), functions="".join(functions), specifiers=", ".join([*specifiers, "_field"])
    )
    exported = "".join(f'    "{name}",\n' for name in PUBLIC)
    return "\n".join([head, *classes, get, f"__all__ = [\n{exported}]\n"])


# Classes


def _is_loss(item: Any) -> bool:
    return inspect.isclass(item) and issubclass(item, tfloss_ext.Loss)


def _is_ours(cls: type) -> bool:
    return cls.__module__.split(".")[0] == registry.PACKAGE


def _with_families(losses: Iterable[type]) -> list[type]:
    """The classes and those that they derive from, these first."""
    found: dict[type, None] = {}
    for loss in losses:
        found |= dict.fromkeys(cls for cls in reversed(loss.__mro__) if _is_loss(cls))
    return list(found)


def _name(cls: type) -> str:
    """The name of a class in the stub, where a family that is not public has an underscore."""
    return cls.__name__ if getattr(tfloss_ext, cls.__name__, None) is cls else f"_{cls.__name__}"


def _class(cls: type, imports: Imports) -> str:
    """A class with its parameters as fields, for subclasses to inherit, its constructor and its methods."""
    bases = [base for base in cls.__bases__ if _is_loss(base)]
    lines = [_docstring(cls)] if _name(cls) in PUBLIC else []
    if not bases:
        lines += _class_variables(cls, imports)
    inherited = {name: text for base in reversed(bases) for name, text in _fields(base, imports).items()}
    lines += [_field(name, text) for name, text in _fields(cls, imports).items() if inherited.get(name) != text]
    if _name(cls) in PUBLIC:
        parameters = _signature(cls)
        texts = [_parameter(parameter, _taken(cls, parameter, imports)) for parameter in parameters]
        lines += _define("__init__", ["self", *_starred(parameters, texts)], "None", "    ")
    known = {name: text for base in reversed(bases) for name, text in _methods(base, imports).items()}
    lines += [text for name, text in _methods(cls, imports).items() if known.get(name) != text]
    head = f"class {_name(cls)}({', '.join(map(_name, bases)) or '_Declared'}):"
    return f"{head}\n{''.join(lines)}" if lines else f"{head} ...\n"


def _docstring(cls: type) -> str:
    """The whole docstring: without it pyright's help on arguments shows that of `keras.losses.Loss`."""
    text = inspect.cleandoc(vars(cls)["__doc__"] or "").replace("\\", "\\\\")
    end = '\n"""' if "\n" in text else '"""'
    return textwrap.indent(f'"""{text}{end}\n', "    ") + "\n" if text else ""


def _signature(cls: type) -> list[inspect.Parameter]:
    return list(inspect.signature(cls).parameters.values())


def _declared(cls: type) -> Mapping[str, Any]:
    """The fields that a class declares and inherits, by name."""
    return getattr(cls, "_fields", {})


def _fields(cls: type, imports: Imports) -> dict[str, str]:
    """Each parameter as a field: its type, and whether it may be left out and has a place."""
    fields = {}
    for parameter in _signature(cls):
        if parameter.name in COMMON or parameter.name in _declared(cls):
            given, kept = _types(cls, parameter, imports)
            annotation = kept if given == kept else f"_Kept[{kept}, {given}]"
            arguments = [] if parameter.default is EMPTY else [f"default={_value(parameter.default)}"]
            keyword = parameter.kind is parameter.KEYWORD_ONLY or parameter.name in COMMON
            arguments += ["kw_only=True"] if keyword else []
            fields[parameter.name] = f"{annotation} = _field({', '.join(arguments)})"
    return fields


def _field(name: str, text: str) -> str:
    line = f"    {name}: {text}\n"
    if len(line) <= WIDTH + 1:
        return line
    start, arguments = line.removesuffix(")\n").split("_field(")
    return f"{start}_field(\n        {arguments}\n    )\n"


def _types(cls: type, parameter: inspect.Parameter, imports: Imports) -> tuple[str, str]:
    """What a parameter of the constructor takes, and what the attribute then is."""
    if parameter.name in COMMON:
        return COMMON[parameter.name]
    field = _declared(cls).get(parameter.name)
    if field is None:
        text = _annotation(parameter.annotation, sys.modules[cls.__module__], imports)
        return text, text
    spec = field.metadata["spec"]
    strings = getattr(spec, "options", ("-inf",) if getattr(spec, "minus_infinity", False) else ())
    one_of = f"Literal[{', '.join(map(_value, strings))}]" if strings else "str"
    kept = [one_of if part == "str" else part for part in str(field.type).split(" | ")]
    given = [f"Sequence{part.removeprefix('list')} | _Array" if part.startswith("list[") else part for part in kept]
    return " | ".join(given), " | ".join(kept)


def _taken(cls: type, parameter: inspect.Parameter, imports: Imports) -> str:
    """What a parameter of the constructor takes beside: a number that moves."""
    given, field = _types(cls, parameter, imports)[0], _declared(cls).get(parameter.name)
    if field is None or not may_move(field):
        return given
    imports.add("from tfloss_ext.parameters import Moving")
    return f"{given.removesuffix(' | None')} | Moving{' | None' * given.endswith(' | None')}"


def _class_variables(cls: type, imports: Imports) -> Iterator[str]:
    for base in filter(_is_ours, cls.__mro__):
        for name, annotation in inspect.get_annotations(base).items():
            if "ClassVar" in str(annotation) and not name.startswith("_"):
                yield f"    {name}: {_annotation(annotation, sys.modules[base.__module__], imports)}\n"


def _methods(cls: type, imports: Imports) -> dict[str, str]:
    """The public methods of a class, its own first."""
    methods: dict[str, str] = {}
    for base in filter(_is_ours, cls.__mro__):
        for name, item in vars(base).items():
            special = name.startswith("__") and (name == "__init_subclass__" or name not in dir(object))
            if name in methods or (name.startswith("_") and not special):
                continue
            decorator = ""
            if isinstance(item, property):
                decorator, item = "    @property\n", item.fget
            elif isinstance(item, (classmethod, staticmethod)):
                decorator = f"    @{type(item).__name__}\n" if name != "__init_subclass__" else ""
                item = item.__func__
            if inspect.isfunction(item):
                methods[name] = decorator + "".join(_function(item, imports, name, "    "))
    return methods


# Functions


def _function(function: Callable[..., Any], imports: Imports, name: str = "", indent: str = "") -> Iterator[str]:
    variants = typing.get_overloads(function)
    for variant in variants or [function]:
        if variants:
            yield f"{indent}@overload\n"
        yield from _one_function(variant, imports, name or function.__name__, indent)


def _one_function(function: Callable[..., Any], imports: Imports, name: str, indent: str) -> list[str]:
    signature = inspect.signature(function)
    module = sys.modules[inspect.unwrap(function).__module__]
    parameters = list(signature.parameters.values())
    if name == "__init_subclass__":  # What it does not know goes on to `object`, which takes nothing.
        parameters = [parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
    texts = [_parameter(p, _annotation(p.annotation, module, imports)) for p in parameters]
    returned = _annotation(signature.return_annotation, module, imports) or "Any"
    return _define(name, _starred(parameters, texts), returned, indent)


def _parameter(parameter: inspect.Parameter, annotation: str) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = f"{stars}{parameter.name}" + (f": {annotation}" if annotation else "")
    if parameter.default is EMPTY:
        return text
    return f"{text} = {_value(parameter.default)}" if annotation else f"{text}={_value(parameter.default)}"


def _starred(parameters: list[inspect.Parameter], texts: list[str]) -> list[str]:
    """The texts with the signs that part positional and keyword-only parameters."""
    signed: list[str] = []
    for before, parameter, text in zip([None, *parameters], parameters, texts, strict=False):
        kind = before.kind if before else None
        if kind is parameter.POSITIONAL_ONLY is not parameter.kind:
            signed.append("/")
        if parameter.kind is parameter.KEYWORD_ONLY and kind not in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL):
            signed.append("*")
        signed.append(text)
    if parameters and parameters[-1].kind is inspect.Parameter.POSITIONAL_ONLY:
        signed.append("/")
    return signed


def _define(name: str, parameters: list[str], returned: str, indent: str) -> list[str]:
    line = f"{indent}def {name}({', '.join(parameters)}) -> {returned}: ...\n"
    if len(line) <= WIDTH + 1:
        return [line]
    inside = [_folded(f"{indent}    {parameter},\n") for parameter in parameters]
    return [f"{indent}def {name}(\n", *inside, f"{indent}) -> {returned}: ...\n"]


def _folded(line: str) -> str:
    """A parameter with many literals, one a line."""
    if len(line) <= WIDTH + 1:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    start, rest = line.split("Literal[", 1)
    literals, end = rest.split("]", 1)
    inside = "".join(f"{indent}    {literal},\n" for literal in literals.split(", "))
    return f"{start}Literal[\n{inside}{indent}]{end}"


def _value(value: Any) -> str:
    """A default, as far as it can be written down."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    plain = (int, float, bool, type(None))
    plainly = isinstance(value, plain) or (isinstance(value, tuple) and all(isinstance(item, plain) for item in value))
    return repr(value) if plainly else "..."


# get


def _overloads(losses: list[type]) -> Iterator[str]:
    """`get` of each name, with the parameters of what it names."""
    classes = registry.classes()
    for key, cls in classes.items():
        if cls in losses:
            names = [key, *cls.aliases, keras.saving.get_registered_name(cls), cls.__name__]
            yield _overload(cls, list(dict.fromkeys(names)), {})
    taken = {name for key, cls in classes.items() for name in (key, *cls.aliases)}
    presets = {name: tfloss_ext.get(name) for name in registry.names() if name not in taken}
    for name, loss in presets.items():
        if type(loss) in losses:
            yield _overload(type(loss), [name], loss.get_config())


def _overload(cls: type, names: list[str], defaults: Mapping[str, Any]) -> str:
    parameters = [p.replace(kind=p.KEYWORD_ONLY, default=defaults.get(p.name, p.default)) for p in _signature(cls)]
    texts = [_parameter(parameter, _taken(cls, parameter, Imports())) for parameter in parameters]
    identifier = f"identifier: Literal[{', '.join(map(_value, names))}]"
    return "@overload\n" + "".join(_define("get", [identifier, "*", *texts], cls.__name__, ""))


# Annotations


class Imports:
    """The imports that annotations need."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}
        for line in HEAD_IMPORTS:
            self.add(line)

    def add(self, line: str) -> None:
        """Add an import, written as one line."""
        (node,) = ast.parse(line).body
        for alias in node.names:
            text = alias.name + (f" as {alias.asname}" if alias.asname else "")
            self._names.setdefault(getattr(node, "module", ""), set()).add(text)

    def text(self) -> str:
        """All of them, in the order that ruff gives them."""
        lines = [f"import {name}" for name in self._names.get("", ())]
        for module, names in self._names.items():
            if module:
                lines.append(_import(module, sorted(names, key=_kind)))
        groups: dict[int, list[str]] = {}
        for line in sorted(lines, key=lambda line: (line.startswith("from"), line.split()[1].lower())):
            top = line.split()[1].split(".")[0]
            group = 0 if top in sys.stdlib_module_names else 2 if top == registry.PACKAGE else 1
            groups.setdefault(group, []).append(line)
        return "\n\n".join("\n".join(groups[group]) for group in sorted(groups))


def _import(module: str, names: list[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _kind(name: str) -> tuple[int, str]:
    constant, cls = name.isupper() and len(name) > 1, name[:1].isupper()
    return (0 if constant else 1 if cls else 2), name


def _annotation(annotation: Any, module: Any, imports: Imports) -> str:
    """An annotation as text, what it names being imported unless it is public here."""
    if annotation is EMPTY:
        return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    for node in ast.walk(ast.parse(text, mode="eval")):
        if isinstance(node, ast.Name) and node.id not in PUBLIC and not hasattr(builtins, node.id):
            imported = _imported(module).get(node.id)
            imports.add(imported or f"from {module.__name__} import {node.id}")
    return text


@functools.cache
def _imported(module: Any) -> dict[str, str]:
    """What a module imports, for type checkers alone too: name and statement."""
    found = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                text = alias.name + (f" as {alias.asname}" if alias.asname else "")
                start = f"from {node.module} import" if isinstance(node, ast.ImportFrom) else "import"
                found[alias.asname or alias.name.split(".")[0]] = f"{start} {text}"
    return found


def main() -> int:
    """Write the stub, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is out of date")
    check = parser.parse_args().check
    text = stub()
    if check and (not STUB.exists() or STUB.read_text() != text):
        print(f"{STUB.relative_to(ROOT)} is out of date: run `python tools/stubs.py`.", file=sys.stderr)
        return 1
    if not check:
        STUB.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""The one path from a formula to its values and slopes: closed-form gradients, slices, and a compiled pass.

Outside XLA TensorFlow runs kernel by kernel, each of which reads and writes whole arrays. One compiled function inside
the graph gives the loss of a batch and its slopes together, weights and reduction included, and the backward pass hands
these on, or multiplies them with what comes from above. Where values are asked for that depend each on its own sample
alone, it gives those. A loss knows nothing of it: `reduced` and `values` stand between it and its maths.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree

from tfloss_ext import registry, replicas

# Elements per slice of a large array: 1 MiB of float32.
SLICE_ELEMENTS = 2**18

# Elements of predictions from which on a compiled pass saves more than it costs, a fraction of a second for each shape.
LARGE = 2**13
# For so many shapes of a kind a loss is compiled: executables are never evicted.
EXACT = 8
# So often among the last 2 * EXACT, where they come as they like; and small ones, of which Python asks one by one.
_OFTEN, _OFTEN_SMALL = 3, 8
# As many losses, by their hyper-parameters and widths, are kept.
_KEPT = 64

_enabled = True


def set_compiled(enabled: bool) -> None:
    """Switch the compiled pass of large arrays on, as it is from the start, or off, for all that is traced from now on.

    In graphs and eagerly on TensorFlow, outside XLA, losses over large arrays compute values and gradients in one
    function that XLA compiles, in a fraction of a second for each of the first few shapes that come often. It takes a
    half to a fifth of the time and gives the same numbers but for rounding. Over small arrays, eagerly, that function
    is a graph.

    Args:
        enabled: Whether large arrays are computed that way.

    Example:
        >>> import tfloss_ext
        >>> tfloss_ext.set_compiled(False)
        >>> tfloss_ext.set_compiled(True)
    """
    global _enabled
    _enabled = enabled


def with_gradient(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Any]:
    """`forward(*tensors)` with the gradient `backward(upstream, *tensors)`, on every backend.

    All else that the two need, integers and hyper-parameters, comes in by closure and gets no gradient.
    """

    def function(*tensors: Any) -> Any:
        def gradient(*args: Any, upstream: Any = None) -> Any:
            # PyTorch hands back the tensors and names the upstream gradient; the others pass the latter alone.
            if upstream is None:
                return backward(args[0], *tensors)
            return backward(upstream, *args)

        return forward(*tensors), gradient

    wrapped: Callable[..., Any] = ops.custom_gradient(function)
    return wrapped


def with_gradients(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Any]:
    """`forward(*tensors)`, a tuple, with the gradients `backward(upstream, *tensors)`, on TensorFlow."""

    def function(*tensors: Any) -> Any:
        return forward(*tensors), lambda *upstream: backward(upstream, *tensors)

    wrapped: Callable[..., Any] = ops.custom_gradient(function)
    return wrapped


def with_pull(function: Callable[..., tuple[Any, Callable[[Any], Any]]], *, still: bool = False) -> Callable[..., Any]:
    """What `function(*tensors) -> (results, pull)` gives, with the gradients `pull(upstream)`, one for each tensor.

    For slopes that are known once the results are, or kept from there. Results may be a structure of tensors of one
    type; `pull` then takes the like. With `still` no tape can follow the results, not even to a second derivative, and
    `pull` goes by the tensors alone.
    """

    if still and keras.backend.backend() == "jax":
        import jax

        # Not by `jax.custom_gradient`: a second derivative goes through what computes the results.
        value = jax.custom_vjp(lambda *tensors: function(*tensors)[0])
        value.defvjp(
            lambda *tensors: (value(*tensors), tensors),
            lambda tensors, upstream: tuple(function(*tensors)[1](upstream)),
        )
        return value

    def wrapped(*tensors: Any) -> Any:
        layout: Any = None

        def flat(*tensors: Any) -> Any:
            nonlocal layout
            results, pull = function(*tensors)
            layout = _Layout(results)

            def gradient(*args: Any, upstream: Any = None) -> Any:
                if upstream is None:
                    return pull(layout.apart(args[0]))
                # PyTorch names the upstream gradient, and computes results without a graph: where the gradient is to be
                # differentiated in its turn, the slopes are computed again.
                import torch

                again = function(*args)[1] if torch.is_grad_enabled() else pull
                return again(layout.apart(upstream))

            return layout.joined(results), gradient

        joined = ops.custom_gradient(flat)(*tensors)
        return layout.apart(joined)

    return wrapped


class _Layout:
    """How the tensors of a structure lie in one: on PyTorch a custom gradient has a single result."""

    def __init__(self, structure: Any) -> None:
        parts = tree.flatten(structure)
        self.structure = tree.map_structure(lambda _: 0, structure)
        self.shapes = [ops.shape(each) for each in parts]

    def joined(self, structure: Any) -> Any:
        parts = tree.flatten(structure)
        return parts[0] if len(parts) == 1 else ops.concatenate([ops.reshape(each, (-1,)) for each in parts], axis=0)

    def apart(self, joined: Any) -> Any:
        parts, start = [joined], 0
        if len(self.shapes) > 1:
            parts = []
            for shape in self.shapes:
                end = start + math.prod(shape)
                parts.append(ops.reshape(joined[start:end], shape))
                start = end
        return tree.pack_sequence_as(self.structure, parts)


def pullback(function: Callable[..., Any], *tensors: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """`function(*tensors)`, and what takes gradients by its results to gradients by the tensors, once.

    Results may be a structure of tensors of floats. By the tape of the backend, also inside a loop; what it has kept
    goes with the second result.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        results, pull = jax.vjp(function, *tensors)
        return results, lambda upstream: pull(tree.pack_sequence_as(results, tree.flatten(upstream)))
    if backend == "tensorflow":
        import tensorflow as tf

        # A tape takes a tensor that is given twice for one.
        tensors = tuple(map(tf.identity, tensors))
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            results = function(*tensors)
        parts = tree.flatten(results)

        def by_one_tape(upstream: Any) -> tuple[Any, ...]:
            slopes = tape.gradient(parts, tensors, tree.flatten(upstream), unconnected_gradients="zero")
            return tuple(map(tf.convert_to_tensor, slopes))  # Those of rows that were looked up come as such alone.

        return results, by_one_tape
    import torch

    # To be differentiated in its turn, the gradient needs the graph that the tensors come from.
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        tensors = tuple((each.view_as(each) if again else each.detach()).requires_grad_() for each in tensors)
        results = function(*tensors)

    def by_tape(upstream: Any) -> tuple[Any, ...]:
        pairs = zip(tree.flatten(results), tree.flatten(upstream), strict=True)
        connected = [pair for pair in pairs if pair[0].requires_grad]
        if not connected:
            return tuple(map(torch.zeros_like, tensors))
        parts, slopes = zip(*connected, strict=True)
        return torch.autograd.grad(parts, tensors, slopes, create_graph=again, materialize_grads=True)

    return results, by_tape


# As people run it


def compiled(function: Callable[..., Any], arrays: Sequence[np.ndarray], mode: str) -> Callable[..., Any]:
    """The function as it is, or compiled for batches of any size."""
    if mode == "eager":
        return function
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    specs = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays]
    run: Any = tf.function(function, input_signature=specs, jit_compile=mode == "xla", autograph=False)
    return lambda *arrays: run(*map(tf.convert_to_tensor, arrays))


@contextlib.contextmanager
def float64() -> Iterator[None]:
    """Lets JAX compute in float64, which it otherwise does not."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    # As a context it is in no place that all versions of JAX agree on.
    config: Any = jax.config
    before = config.jax_enable_x64
    config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        config.update("jax_enable_x64", before)


# Slices


def over_slices(function: Callable[..., Any], *tensors: Any, like: Any) -> Any:
    """`function(*tensors)`, a map of rows, on slices of the first axis as they suit an array such as `like`."""
    slices = _slices(like)
    if len(slices) == 1:
        return function(*tensors)
    parts = [function(*(_rows_of(tensor, part) for tensor in tensors)) for part in slices]
    if isinstance(parts[0], tuple):
        return tuple(ops.concatenate(each, axis=0) for each in zip(*parts, strict=True))
    return ops.concatenate(parts, axis=0)


def by_slices(value: Callable[..., Any], slope: Callable[..., Any], x: Any, *data: Any) -> Any:
    """`value(x, *data)`, differentiable in x by `slope(upstream, x, *data)`, both maps of rows on slices."""
    return with_gradient(
        lambda x: over_slices(value, x, *data, like=x),
        lambda upstream, x: over_slices(slope, upstream, x, *data, like=x),
    )(x)


def mapped(value: Callable[..., Any], x: Any, *data: Any) -> Any:
    """`value(x, *data)`, a map of rows which the backend differentiates in x, on slices where that is faster."""
    if len(_slices(x)) == 1:
        return value(x, *data)
    if keras.backend.backend() == "torch":
        # What is kept for the gradient is kept of all slices, and to compute it anew takes longer than slices save.
        return over_slices(value, x, *data, like=x) if is_constant(x) else value(x, *data)
    import tensorflow as tf

    def slope(upstream: Any, x: Any, *data: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            found = value(x, *data)
        return tape.gradient(found, x, upstream, unconnected_gradients="zero")

    return by_slices(value, slope, x, *data)


def is_constant(tensor: Any) -> bool:
    """Whether it is known that nobody asks for the gradient of a tensor. Compilers find out by themselves."""
    return keras.backend.backend() == "torch" and not tensor.requires_grad


def fused() -> bool:
    """Whether a compiler fuses what is computed now: slices would be in its way, and its sums need care."""
    backend = keras.backend.backend()
    return backend == "jax" or (backend == "tensorflow" and _inside_xla())


def fused_on_cpu() -> bool:
    """Whether that is TensorFlow's XLA on a CPU, which pools slowly and computes again what is needed twice."""
    if keras.backend.backend() != "tensorflow" or not fused():
        return False
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")


def _slices(x: Any, elements: int | None = None) -> list[slice]:
    """Slices of the first axis which, where it is long, are small enough for the intermediates to stay in the cache.

    Outside XLA that takes a fourth off the time and two thirds off the memory.
    """
    rows, known = x.shape[0], None not in tuple(x.shape)
    # Edges at multiples of 64 bytes, whatever a row is: TensorFlow copies a slice that begins elsewhere. On PyTorch it
    # matters more that each slice is a round of Python.
    unit, usual = (16, SLICE_ELEMENTS) if keras.backend.backend() == "tensorflow" else (1, 2 * SLICE_ELEMENTS)
    count = min(rows, math.prod(x.shape) // (elements or usual)) if known and not fused() else 1
    if count < 2:
        return [slice(None)]
    size = -(-rows // (unit * count)) * unit
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def _rows_of(tensor: Any, rows: slice) -> Any:
    """These rows. Of narrow ones TensorFlow would copy each by itself."""
    inner = tuple(tensor.shape)[1:]
    width = math.prod(inner)
    return ops.reshape(ops.reshape(tensor, (-1,))[rows.start * width : rows.stop * width], (-1, *inner))


# Value and slope of some samples at a time, on PyTorch


def _may_take_parts(x: Any, data: tuple[Any, ...]) -> bool:
    """Whether a large array on a CPU has a gradient to come, and nothing else has."""
    if keras.backend.backend() != "torch":
        return False
    import torch

    asked = torch.is_grad_enabled() and x.requires_grad and not torch.compiler.is_compiling()
    others = any(tensor is not None and tensor.requires_grad for tensor in data)
    return asked and not others and x.device.type == "cpu" and len(_slices(x)) > 1


def _part_by_part(loss: Any, x: Any, data: tuple[Any, ...]) -> Any:
    """`loss.call`, each value of its own sample alone, with the slopes known once the values are."""

    def by_tape(x: Any, y_true: Any, *more: Any) -> tuple[Any, Any]:
        values, pull = pullback(lambda x: loss.call(y_true, x, *more), x)
        return values.detach(), pull(ops.ones_like(values))[0]

    return with_slopes(by_tape, x, *data, elements=2 * SLICE_ELEMENTS)


def with_slopes(function: Callable[..., tuple[Any, Any]], x: Any, *data: Any, elements: int) -> Any:
    """The values of `function(x, *data) -> (values, slopes)`, a map of rows, differentiable in x, on PyTorch.

    By slices of so many elements: what lies between values and slopes stays in the cache, and nothing is kept of it.
    """
    import torch

    slices = _slices(x, elements)

    def found(x: Any) -> tuple[Any, Any]:
        # All at once also where the gradient is to be differentiated in its turn.
        if len(slices) == 1 or torch.is_grad_enabled():
            return function(x, *data)
        values, slopes = [], torch.empty_like(x)
        for rows in slices:
            value, slopes[rows] = function(*(None if tensor is None else tensor[rows] for tensor in (x, *data)))
            values.append(value)
        return torch.cat(values), slopes

    def known(x: Any) -> Any:
        values, *kept = found(x)

        def gradient(x: Any, upstream: Any) -> Any:
            slopes = kept.pop() if kept and not torch.is_grad_enabled() else found(x)[1]
            if len(slices) == 1 or torch.is_grad_enabled():
                return _times(slopes, upstream)
            # In place, as another array of that size takes longer than the product. Who asks again computes it again.
            return slopes.mul_(_over_inner_axes(upstream, slopes))

        return values, gradient

    return ops.custom_gradient(known)(x)


# The compiled pass


def reduced(loss: Any, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> Any:
    """`loss.reduced(y_true, y_pred, weight, mask)`, a number of the whole batch: where it may be from one pass."""
    data = (y_true, weight, mask)
    if loss.reduction in (None, "none") or not _may_compile(loss, y_pred, data):
        return loss.reduced(y_true, y_pred, weight, mask)
    return _in_one_pass(loss, y_pred, data, whole=True)


def values(loss: Any, y_true: Any, y_pred: Any, *more: Any) -> Any:
    """`loss.call(y_true, y_pred, *more)`, from one pass where each value depends on its own sample alone."""
    data = (y_true, *more)
    if not loss.couples and _may_compile(loss, y_pred, data):
        return _in_one_pass(loss, y_pred, data, whole=False)
    if not (loss.couples or loss._slices) and _may_take_parts(y_pred, data):
        return _part_by_part(loss, y_pred, data)
    return loss.call(y_true, y_pred, *more)


def _may_compile(loss: Any, y_pred: Any, data: tuple[Any, ...]) -> bool:
    """Whether it is sure to be right and worth it.

    On TensorFlow, outside XLA, for large arrays whose slopes a tape asks for, or where Python calls a loss itself; for
    losses of this package, as nobody knows what someone else's does beside.
    """
    if not (_enabled and keras.backend.backend() == "tensorflow"):
        return False
    import tensorflow as tf

    own = type(loss).__module__.split(".")[0] == registry.PACKAGE
    if not (own and loss.fuses and isinstance(y_pred, tf.Tensor)) or (loss.asks_replicas and replicas.count() > 1):
        return False
    size, eager = y_pred.shape.num_elements(), tf.executing_eagerly()
    if any(tensor is not None and tensor.shape.rank is None for tensor in (y_pred, *data)):
        return False
    if not eager and ((size is not None and size < LARGE) or not _watched(y_pred)):
        return False
    return not any(map(_watched, (*data, *_moving(loss).values()))) and not _inside_xla() and not _exporting()


def _inside_xla() -> bool:
    import tensorflow as tf

    return tf.__internal__.get_enclosing_xla_context() is not None


def _watched(tensor: Any) -> bool:
    """Whether a gradient tape follows this tensor, now or in the graph that is being traced."""
    from tensorflow.python.eager import record

    return tensor is not None and bool(record.should_record_backprop([tensor]))


def _exporting() -> bool:
    from tensorflow.python.saved_model import save_context

    return bool(save_context.in_save_context())


def _in_one_pass(loss: Any, y_pred: Any, data: tuple[Any, ...], whole: bool) -> Any:
    import tensorflow as tf

    # Its Python is to be run as it stands.
    return tf.autograph.experimental.do_not_convert(_pass)(loss, y_pred, data, whole)


def _pass(loss: Any, y_pred: Any, data: tuple[Any, ...], whole: bool) -> Any:
    import tensorflow as tf

    formula, moving = _Formula.of(loss, (y_pred, *data), whole)
    passes, loss = _passes(formula), formula.loss_at(moving)
    tensors = [tensor for tensor in (y_pred, *data) if tensor is not None]
    x, *rest = tensors
    shapes = tuple(tuple(tensor.shape) for tensor in tensors)
    eager, known = tf.executing_eagerly(), all(None not in shape for shape in shapes)
    one_pass = None
    if eager and math.prod(shapes[0]) < LARGE:
        one_pass = passes.traced() if passes.often("small", _OFTEN_SMALL) else None
    elif eager:
        # Traced once for all sizes, which XLA then compiles one by one.
        any_sizes = tuple(kind.shape for kind in formula.kinds if kind)
        one_pass = passes.compiled(any_sizes) if passes.admits(*shapes) else None
    elif not known or passes.admits(*shapes, at_once=True):
        one_pass = passes.compiled(shapes)
    if one_pass is None:
        return formula.value(loss, *tensors)

    def found(x: Any) -> Any:
        run = one_pass if known else functools.partial(passes.where_admitted, one_pass)
        value, slopes = run(*moving, tf.stop_gradient(x), *rest)

        def backward(of_gradient: Any, upstream: Any, x: Any) -> Any:
            # Of the formula, as slopes do not say how they change with x.
            with tf.GradientTape() as tape:
                tape.watch((upstream, x))
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    value = formula.value(loss, x, *rest)
                gradient = inner.gradient(value, x, upstream, unconnected_gradients="zero")
            return tape.gradient(gradient, (upstream, x), of_gradient, unconnected_gradients="zero")

        gradient = with_gradient(lambda upstream, x: _times(slopes, upstream), backward)
        return value, lambda upstream: gradient(upstream, x)

    value = tf.custom_gradient(found)(x)
    if eager and "CPU" in value.device and np.isnan(value.numpy()).any():
        # It may be that targets say nothing, which is an error where they are seen.
        return formula.value(loss, *tensors)
    return value


def _times(slopes: Any, upstream: Any) -> Any:
    """Slopes of values, or of their sum, times what comes from above."""
    if len(upstream.shape):
        return slopes * _over_inner_axes(upstream, slopes)
    import tensorflow as tf

    if tf.executing_eagerly():
        return slopes * upstream
    # Nothing is added to most losses or multiplied with them.
    return tf.cond(tf.equal(upstream, 1), lambda: slopes, lambda: slopes * upstream)


def _over_inner_axes(upstream: Any, slopes: Any) -> Any:
    return ops.reshape(upstream, (*ops.shape(upstream), *[1] * (len(slopes.shape) - len(upstream.shape))))


class _Kind(NamedTuple):
    """What a tensor is but for its sizes: None stands for any of them but 1."""

    shape: tuple[int | None, ...]
    dtype: Any

    @classmethod
    def of(cls, tensor: Any, wide: bool) -> _Kind:
        """That of a tensor, with the size of its last axis where it is as wide as the predictions."""
        sizes = tuple(tensor.shape)
        shape = tuple(1 if size == 1 else None for size in sizes)
        return cls((*shape[:-1], sizes[-1]) if wide else shape, tensor.dtype)

    @property
    def spec(self) -> Any:
        import tensorflow as tf

        return tf.TensorSpec(self.shape, self.dtype)


def _moving(loss: Any) -> dict[str, Any]:
    """The values of the hyper-parameters that are tensors or variables: they may move from step to step."""
    import tensorflow as tf

    own = {name: getattr(loss, name) for name in loss._fields}
    kinds = {name: isinstance(value, keras.Variable) or ops.is_tensor(value) for name, value in own.items()}
    return {name: tf.convert_to_tensor(own[name]) for name, moves in kinds.items() if moves}


@dataclasses.dataclass(frozen=True)
class _Formula:
    """What a loss computes of tensors of some kinds.

    Attributes:
        key: Its class and its hyper-parameters, but for those that move.
        moving: The names of those and what they are.
        kinds: Of predictions, targets and what there is beside, None where there is nothing.
        whole: Whether it is the number that a batch is reduced to, not the values.
        loss: One that computes it.
    """

    key: tuple[Any, ...]
    moving: tuple[tuple[str, _Kind], ...]
    kinds: tuple[_Kind | None, ...]
    whole: bool
    loss: Any = dataclasses.field(compare=False)

    @classmethod
    def of(cls, loss: Any, tensors: Sequence[Any], whole: bool) -> tuple[_Formula, list[Any]]:
        """That of a loss and of predictions, targets and what there is beside, and the values of what moves."""
        moving = _moving(loss)
        fixed = (getattr(loss, name) for name in loss._fields if name not in moving)
        key = type(loss), loss.compute_dtype, *(tuple(value) if isinstance(value, list) else value for value in fixed)
        key = (*key, loss.reduction) if whole else key
        names = tuple((name, _Kind(tuple(value.shape), value.dtype)) for name, value in moving.items())
        rank = max(len(tensors[0].shape), 2)
        kinds = tuple(None if tensor is None else _Kind.of(tensor, len(tensor.shape) == rank) for tensor in tensors)
        # One that is not compiled in its turn.
        plain = altered(loss, {"fuses": False, **dict.fromkeys(moving)})
        return cls(key, names, kinds, whole, plain), list(moving.values())

    @property
    def specs(self) -> list[Any]:
        """Of what moves, and of the tensors there are."""
        return [kind.spec for kind in (*(kind for _, kind in self.moving), *self.kinds) if kind]

    def loss_at(self, moving: Sequence[Any]) -> Any:
        """The loss with these values of what moves."""
        return altered(self.loss, {name: value for (name, _), value in zip(self.moving, moving, strict=True)})

    def value(self, loss: Any, *tensors: Any) -> Any:
        given = iter(tensors)
        x, y_true, *more = (None if kind is None else next(given) for kind in self.kinds)
        return (loss.reduced if self.whole else loss.call)(y_true, x, *more)

    def with_slopes(self, *tensors: Any) -> tuple[Any, Any]:
        """The values and their slopes, in a graph, from what moves and from predictions and all else."""
        import tensorflow as tf

        moving, (x, *rest) = tensors[: len(self.moving)], tensors[len(self.moving) :]
        found = self.value(self.loss_at(moving), x, *rest)
        # Not by a tape, none of which records while a function is made outside of the graph that asks for it. Gradients
        # that are tied to the devices of what they are of would not be merged with it.
        gradients = tf.compat.v1.gradients
        return found, gradients(found, x, colocate_gradients_with_ops=False, unconnected_gradients="zero")[0]


def altered(loss: Any, attributes: dict[str, Any]) -> Any:
    """A copy with other attributes. `copy.copy` would go through the config."""
    found = object.__new__(type(loss))
    vars(found).update({**vars(loss), **attributes})
    return found


class _Passes:
    """What is compiled of a formula: functions of what moves and of tensors of some shapes, None standing for any."""

    def __init__(self, formula: _Formula) -> None:
        self.formula = formula
        self.functions: dict[Any, Callable[..., Any]] = {}
        self.recent: collections.deque[Any] = collections.deque(maxlen=2 * EXACT)
        self.admitted: set[Any] = set()
        self.refused = False

    def often(self, sizes: Any, times: int) -> bool:
        """Whether something of these sizes, which is here, has been here so often of late."""
        self.recent.append(sizes)
        return self.recent.count(sizes) >= times

    def admits(self, *shapes: Any, at_once: bool = False) -> np.bool_:
        """Whether to compile for tensors of these shapes: for a few that come often, or at once."""
        sizes = tuple(tuple(int(size) for size in shape) for shape in shapes)
        often = self.often(sizes, _OFTEN) or at_once
        if often and math.prod(sizes[0]) >= LARGE and len(self.admitted) < EXACT:
            self.admitted.add(sizes)
        return np.bool_(sizes in self.admitted)

    def where_admitted(self, one_pass: Callable[..., Any], *tensors: Any) -> tuple[Any, Any]:
        """What is compiled, for each size by itself, where the sizes, seen as it runs, are admitted."""
        import tensorflow as tf

        given = tensors[len(self.formula.moving) :]

        def asked() -> Any:
            sizes = [tf.shape(tensor) for tensor in given]
            return tf.ensure_shape(tf.numpy_function(self.admits, sizes, tf.bool), ())

        # Python is asked of large ones alone.
        admitted = tf.cond(tf.size(given[0]) >= LARGE, asked, lambda: tf.constant(False))
        found: tuple[Any, Any] = tf.cond(
            admitted, lambda: one_pass(*tensors), lambda: self.formula.with_slopes(*tensors)
        )
        return found

    def traced(self) -> Callable[..., Any]:
        """A function for any sizes that is not compiled: one call from Python."""
        import tensorflow as tf

        if "traced" not in self.functions:
            with tf.init_scope():
                function = tf.function(self.formula.with_slopes, autograph=False)
                self.functions["traced"] = function.get_concrete_function(*self.formula.specs)
        return self.functions["traced"]

    def compiled(self, shapes: tuple[Any, ...]) -> Callable[..., Any] | None:
        """The function for these shapes, or None where XLA cannot compile it."""
        import tensorflow as tf
        from tensorflow.python.eager.polymorphic_function import compiler_ir

        if self.refused or shapes in self.functions:
            return self.functions.get(shapes)
        moving, rest = self.formula.specs[: len(self.formula.moving)], self.formula.specs[len(self.formula.moving) :]
        specs = [tf.TensorSpec(shape, spec.dtype) for shape, spec in zip(shapes, rest, strict=True)]
        some = [tf.TensorSpec(shape, spec.dtype) for shape, spec in zip(_some_sizes(shapes), rest, strict=True)]
        with tf.init_scope():
            function = tf.function(self.formula.with_slopes, jit_compile=True, autograph=False)
            try:
                concrete: Callable[..., Any] = function.get_concrete_function(*moving, *specs)
                if not self.functions:
                    # It would otherwise turn out in the midst of a training step.
                    compiler_ir.from_concrete_function(concrete, [*moving, *some])(stage="hlo")
            except (tf.errors.OpError, ValueError) as error:
                self.refused = True
                name, reason = type(self.formula.loss).__name__, str(error).splitlines()[0]
                warnings.warn(
                    f"XLA does not compile {name}, which runs without: {reason}", RuntimeWarning, stacklevel=2
                )
                return None
        return self.functions.setdefault(shapes, concrete)


def _some_sizes(shapes: tuple[Any, ...]) -> list[tuple[int, ...]]:
    """Shapes that fit each other, for those of which some sizes are unknown: theirs are those of the others, or 8."""
    rank = max(map(len, shapes))
    known = [[shape[axis] for shape in shapes if len(shape) > axis and shape[axis] is not None] for axis in range(rank)]
    sizes = [max(found, default=8) for found in known]
    return [tuple(sizes[axis] if size is None else size for axis, size in enumerate(shape)) for shape in shapes]


_passes = functools.lru_cache(maxsize=_KEPT)(_Passes)

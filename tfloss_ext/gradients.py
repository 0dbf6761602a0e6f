# SPDX-License-Identifier: Apache-2.0
"""The one path from a formula to its values and slopes: closed-form gradients, slices, and a compiled pass.

Outside XLA TensorFlow runs kernel by kernel, each of which reads and writes whole arrays. Where each value of a loss
depends on its own row alone, one compiled function inside the graph gives values and slopes together, and the backward
pass is their product with the upstream gradient. A loss knows nothing of it: `values` stands between it and its `call`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from tfloss_ext import registry

# Elements per slice of a large array: 1 MiB of float32.
SLICE_ELEMENTS = 2**18

# Elements of predictions from which on a compiled pass saves more than it costs, a fraction of a second for each shape.
LARGE = 2**17
# For so many numbers of rows a loss is compiled as a whole. Beyond, and where the number is not known before, the rows
# are taken in slices of about that many elements, compiled once.
EXACT = 8
# As many losses, by their hyper-parameters and widths, are kept.
_KEPT = 64

_enabled = True


def set_compiled(enabled: bool) -> None:
    """Switch the compiled pass of large arrays on, as it is from the start, or off, for all that is traced from now on.

    In graphs and eagerly on TensorFlow, outside XLA, losses over large arrays compute values and gradients in one
    function that XLA compiles, once for each shape, in a fraction of a second. It takes a half to a fifth of the time
    and gives the same numbers but for rounding.

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


def is_constant(tensor: Any) -> bool:
    """Whether it is known that nobody asks for the gradient of a tensor. Compilers find out by themselves."""
    return keras.backend.backend() == "torch" and not tensor.requires_grad


def fused() -> bool:
    """Whether a compiler fuses what is computed now: slices would be in its way, and its sums need care."""
    backend = keras.backend.backend()
    return backend == "jax" or (backend == "tensorflow" and _inside_xla())


def _slices(x: Any) -> list[slice]:
    """Slices of the first axis which, where it is long, are small enough for the intermediates to stay in the cache.

    Outside XLA that takes a fourth off the time and two thirds off the memory.
    """
    rows, known = x.shape[0], None not in tuple(x.shape)
    count = min(rows, math.prod(x.shape) // SLICE_ELEMENTS) if known and not fused() else 1
    if count < 2:
        return [slice(None)]
    # Edges at multiples of 64 bytes, whatever a row is: TensorFlow copies a slice that begins elsewhere.
    size = -(-rows // (16 * count)) * 16
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def _rows_of(tensor: Any, rows: slice) -> Any:
    """These rows. Of narrow ones TensorFlow would copy each by itself."""
    inner = tuple(tensor.shape)[1:]
    width = math.prod(inner)
    return ops.reshape(ops.reshape(tensor, (-1,))[rows.start * width : rows.stop * width], (-1, *inner))


# The compiled pass


def reduced(loss: Any, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> Any:
    """`loss.reduced(y_true, y_pred, weight, mask)`, a number of the whole batch.

    In a graph, where all shapes are known, it is one compiled pass over the batch, reduction included.
    """
    data = (y_true, weight, mask)
    if loss.reduction in (None, "none") or not _may_compile(loss, y_pred, data):
        return loss.reduced(y_true, y_pred, weight, mask)
    import tensorflow as tf

    known = all(tensor is None or tensor.shape.is_fully_defined() for tensor in (y_pred, *data))
    # Eagerly targets that say nothing are seen, which is an error.
    if tf.executing_eagerly() or not known:
        return loss.reduced(y_true, y_pred, weight, mask)
    return tf.autograph.experimental.do_not_convert(_of_batch)(loss, y_pred, data)


def values(loss: Any, y_true: Any, y_pred: Any, *more: Any) -> Any:
    """`loss.call(y_true, y_pred, *more)`, whose values may depend each on its own row alone.

    Rows are what the leading axes of the predictions count, as many as the values have: where a loss does not couple
    them, they are computed in a compiled pass over as many at a time as are there, or over slices of them.
    """
    data = (y_true, *more)
    if loss.couples or not _may_compile(loss, y_pred, data):
        return loss.call(y_true, y_pred, *more)
    import tensorflow as tf

    leading = len(loss.value_shape(y_pred))
    if not all(tensor is None or tensor.shape[leading:].is_fully_defined() for tensor in (y_pred, *data)):
        return loss.call(y_true, y_pred, *more)
    return tf.autograph.experimental.do_not_convert(_of_rows)(loss, y_pred, data)


def _may_compile(loss: Any, y_pred: Any, data: tuple[Any, ...]) -> bool:
    """Whether it is sure to be right and worth it.

    On TensorFlow, outside XLA, for large arrays whose slopes a tape asks for, and for losses of this package, as nobody
    knows what someone else's does beside.
    """
    if not (_enabled and keras.backend.backend() == "tensorflow"):
        return False
    import tensorflow as tf

    own = type(loss).__module__.split(".")[0] == registry.PACKAGE
    if not (own and loss.fuses and isinstance(y_pred, tf.Tensor)):
        return False
    size = y_pred.shape.num_elements()
    if size is not None and size < LARGE:
        return False
    fixed = (*data, *_moving(loss).values())
    return _watched(y_pred) and not any(map(_watched, fixed)) and not _inside_xla() and not _exporting()


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


def _of_batch(loss: Any, y_pred: Any, data: tuple[Any, ...]) -> Any:
    import tensorflow as tf

    tensors = [tensor for tensor in (y_pred, *data) if tensor is not None]
    kinds = tuple(None if tensor is None else _Kind.of_array(tensor) for tensor in (y_pred, *data))
    formula, moving = _Formula.of(loss, kinds, whole=True)
    one_pass = _passes(formula).exactly(tensors)
    if one_pass is None:
        return loss.reduced(data[0], y_pred, *data[1:])
    run, (x, *rest) = functools.partial(one_pass, *moving), tensors

    def found(x: Any) -> Any:
        value, slopes = run(tf.stop_gradient(x), *rest)

        def scaled(upstream: Any) -> Any:
            # As of a loss that nothing is added to or multiplied with.
            return tf.cond(tf.equal(upstream, 1), lambda: slopes, lambda: slopes * upstream)

        gradient = _gradient(lambda x: formula.value(formula.loss_at(moving), x, *rest), scaled)
        return value, lambda upstream: gradient(upstream, x)

    return tf.custom_gradient(found)(x)


def _of_rows(loss: Any, y_pred: Any, data: tuple[Any, ...]) -> Any:
    import tensorflow as tf

    shape, static = tf.shape(y_pred), y_pred.shape[: len(loss.value_shape(y_pred))]
    kinds = tuple(None if tensor is None else _Kind.of_rows(tensor, len(static)) for tensor in (y_pred, *data))
    formula, moving = _Formula.of(loss, kinds)
    passes, loss = _passes(formula), formula.loss_at(moving)
    x, *rest = (_as_rows(tensor, shape[: len(static)], static) for tensor in (y_pred, *data) if tensor is not None)
    rows = static.num_elements()
    one_pass = None if rows is None else passes.exactly((x, *rest))
    size = max(1, LARGE // max(1, math.prod(x.shape[1:])))
    if one_pass is None and (rows is None or rows >= size):
        one_pass, rows = passes.of_slices((x, *rest), size), None
    if one_pass is None:
        return loss.call(data[0], y_pred, *data[1:])
    run = functools.partial(one_pass, *moving)

    def found(x: Any) -> Any:
        tensors = tf.stop_gradient(x), *rest
        if rows is None:
            enough = tf.shape(x)[0] >= size
            found, slopes = tf.cond(
                enough, lambda: _by_size(run, size, *tensors), lambda: formula.with_slopes(*moving, *tensors)
            )
        else:
            found, slopes = run(*tensors)

        def scaled(upstream: Any) -> Any:
            return slopes * tf.reshape(upstream, (-1, *[1] * (len(slopes.shape) - 1)))

        gradient = _gradient(lambda x: formula.value(loss, x, *rest), scaled)
        return found, lambda upstream: gradient(upstream, x)

    return tf.reshape(tf.custom_gradient(found)(x), shape[: len(static)])


def _gradient(plain: Callable[[Any], Any], scaled: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """The gradient of `plain(x)` by x, of the upstream gradient and x: slopes that are known, as `scaled` by it."""
    import tensorflow as tf

    def backward(gradient: Any, upstream: Any, x: Any) -> Any:
        # Of the formula, as slopes do not say how they change with x.
        with tf.GradientTape() as tape:
            tape.watch((upstream, x))
            with tf.GradientTape() as inner:
                inner.watch(x)
                found = plain(x)
            first = inner.gradient(found, x, upstream, unconnected_gradients="zero")
        return tape.gradient(first, (upstream, x), gradient, unconnected_gradients="zero")

    return with_gradient(lambda upstream, x: scaled(upstream), backward)


def _by_size(run: Callable[..., Any], size: int, *tensors: Any) -> Any:
    """`run(*tensors)`, a map of rows to values and slopes, in slices of so many rows.

    The last slice begins with what the one before has done, so that nothing is filled up.
    """
    import tensorflow as tf

    x, rows = tensors[0], tf.shape(tensors[0])[0]
    count = -(-rows // size)
    # Flat, as a slice of narrow rows would be copied row by row.
    flat = [tf.reshape(tensor, (-1,)) for tensor in tensors]
    widths = [math.prod(tensor.shape[1:]) for tensor in tensors]

    def step(i: Any, *found: Any) -> Any:
        start = tf.minimum(i * size, rows - size)
        parts = [
            tf.reshape(one[start * width : (start + size) * width], (size, *tensor.shape[1:]))
            for tensor, one, width in zip(tensors, flat, widths, strict=True)
        ]
        done = i * size - start
        new = zip(found, run(*parts), (1, widths[0]), strict=True)
        return i + 1, *(array.write(i, tf.reshape(part, (-1,))[done * width :]) for array, part, width in new)

    arrays = [tf.TensorArray(x.dtype, count, element_shape=(None,), infer_shape=False) for _ in range(2)]
    _, values, slopes = tf.while_loop(lambda i, *found: i < count, step, (0, *arrays))
    return values.concat(), tf.reshape(slopes.concat(), (-1, *x.shape[1:]))


class _Kind(NamedTuple):
    """What a tensor is but for its size: None stands for what a function is compiled for anew."""

    shape: tuple[int | None, ...]
    dtype: Any

    @classmethod
    def of_rows(cls, tensor: Any, leading: int) -> _Kind:
        return cls((None, *tensor.shape[leading:]), tensor.dtype)

    @classmethod
    def of_array(cls, tensor: Any) -> _Kind:
        *sizes, last = tensor.shape or (1,)
        return cls((*[None] * len(sizes), last) if tensor.shape else (), tensor.dtype)


def _as_rows(tensor: Any, shape: Any, static: Any) -> Any:
    """The tensor with its leading axes as one, which have this shape or broadcast to it."""
    import tensorflow as tf

    inner = tuple(tensor.shape[len(static) :])
    if not (tensor.shape[: len(static)].is_fully_defined() and tensor.shape[: len(static)] == static):
        tensor = tf.broadcast_to(tensor, tf.concat([shape, inner], axis=0))
    rows = static.num_elements()
    return tf.reshape(tensor, (-1 if rows is None else rows, *inner))


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
        whole: Whether it is the number that a batch is reduced to, not the values of rows.
        loss: One that computes it.
    """

    key: tuple[Any, ...]
    moving: tuple[tuple[str, _Kind], ...]
    kinds: tuple[_Kind | None, ...]
    whole: bool
    loss: Any = dataclasses.field(compare=False)

    @classmethod
    def of(cls, loss: Any, kinds: tuple[_Kind | None, ...], whole: bool = False) -> tuple[_Formula, list[Any]]:
        """That of a loss, and the values of what moves."""
        moving = _moving(loss)
        fixed = (getattr(loss, name) for name in loss._fields if name not in moving)
        key = type(loss), loss.compute_dtype, *(tuple(value) if isinstance(value, list) else value for value in fixed)
        key = (*key, loss.reduction) if whole else key
        names = tuple((name, _Kind(tuple(value.shape), value.dtype)) for name, value in moving.items())
        return cls(key, names, kinds, whole, _altered(loss, dict.fromkeys(moving))), list(moving.values())

    def loss_at(self, moving: Sequence[Any]) -> Any:
        """The loss with these values of what moves."""
        return _altered(self.loss, {name: value for (name, _), value in zip(self.moving, moving, strict=True)})

    def value(self, loss: Any, *tensors: Any) -> Any:
        given = iter(tensors)
        x, y_true, *more = (None if kind is None else next(given) for kind in self.kinds)
        return (loss.reduced if self.whole else loss.call)(y_true, x, *more)

    def with_slopes(self, *tensors: Any) -> tuple[Any, Any]:
        """The values and their slopes, in a graph, from what moves and from predictions and all else."""
        import tensorflow as tf

        moving, (x, *rest) = tensors[: len(self.moving)], tensors[len(self.moving) :]
        found = self.value(self.loss_at(moving), x, *rest)
        # Not by a tape, none of which records while a function is made outside of the graph that asks for it.
        return found, tf.gradients(found, x, unconnected_gradients="zero")[0]


def _altered(loss: Any, attributes: dict[str, Any]) -> Any:
    """A copy with other attributes. `copy.copy` would go through the config."""
    found = object.__new__(type(loss))
    vars(found).update({**vars(loss), **attributes})
    return found


class _Passes:
    """What is compiled of a formula: for tensors of some shapes each a function of what moves and of them."""

    def __init__(self, formula: _Formula) -> None:
        self.formula = formula
        self.functions: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self.refused = False

    def exactly(self, tensors: Sequence[Any]) -> Callable[..., Any] | None:
        """That for tensors of just these shapes; None where XLA cannot compile it, or there are many already."""
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        if shapes in self.functions or len(self.functions) < EXACT:
            return self._compiled(shapes)
        return None

    def of_slices(self, tensors: Sequence[Any], rows: int) -> Callable[..., Any] | None:
        """That for so many rows of the tensors, or None where XLA cannot compile it."""
        return self._compiled(tuple((rows, *tensor.shape[1:]) for tensor in tensors))

    def _compiled(self, shapes: tuple[Any, ...]) -> Callable[..., Any] | None:
        import tensorflow as tf

        if self.refused or shapes in self.functions:
            return self.functions.get(shapes)
        kinds = [kind for kind in self.formula.kinds if kind]
        specs = [tf.TensorSpec(*kind) for _, kind in self.formula.moving]
        specs += [tf.TensorSpec(shape, kind.dtype) for shape, kind in zip(shapes, kinds, strict=True)]
        with tf.init_scope():
            function = tf.function(self.formula.with_slopes, jit_compile=True, autograph=False)
            concrete: Callable[..., Any] = function.get_concrete_function(*specs)
            try:
                if not self.functions:
                    # It would otherwise turn out in the midst of a training step.
                    function.experimental_get_compiler_ir(*specs)(stage="hlo")
            except (tf.errors.OpError, ValueError) as error:
                self.refused = True
                name, reason = type(self.formula.loss).__name__, str(error).splitlines()[0]
                warnings.warn(
                    f"XLA does not compile {name}, which runs without: {reason}", RuntimeWarning, stacklevel=2
                )
                return None
        return self.functions.setdefault(shapes, concrete)


_passes = functools.lru_cache(maxsize=_KEPT)(_Passes)

# SPDX-License-Identifier: Apache-2.0
# Made from the declarations by `python tools/stubs.py`: change those, then run it again.

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeAlias, TypeVar, dataclass_transform, overload

import keras
import numpy as np

from tfloss_ext import blocks, screening
from tfloss_ext.blocks import Kernel
from tfloss_ext.boxes import BoxPair
from tfloss_ext.classes import Classes
from tfloss_ext.compose import LossMetric, LossSum
from tfloss_ext.layers import CosineHead, LogitScale
from tfloss_ext.moving import Scheduled, TaskWeight
from tfloss_ext.parameters import Moving
from tfloss_ext.records import SampleLosses
from tfloss_ext.regions import Sums
from tfloss_ext.supervision import DeepSupervision
from tfloss_ext.tasks import DynamicWeightAverage, StepCounter, TaskWeights, UncertaintyWeights
from tfloss_ext.training import CachedEncoder

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

def _field(*, default: Any = ..., kw_only: bool = False) -> Any: ...
def check_targets(loss: Any, y_true: Any, *, classes: Any = None, sample_weight: Any = None) -> None: ...
def choice(*, options: Sequence[str], default: Any = ..., kw_only: bool = False, doc: str = "") -> Any: ...
def effective_number_weights(samples_per_class: Any, beta: float = 0.999) -> list[float]: ...
def flag(*, default: Any = ..., kw_only: bool = False, doc: str = "") -> Any: ...
@overload
def loss(function: Callable[..., Any], /) -> type[Loss]: ...
@overload
def loss(
    *,
    base: type[Loss] = ...,
    key: str | None = ...,
    aliases: Sequence[str] = ...,
    package: str | None = ...,
) -> Callable[[Callable[..., Any]], type[Loss]]: ...
def names() -> list[str]: ...
def number(
    *,
    default: Any = ...,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    optional: bool = False,
    minus_infinity: bool = False,
    kw_only: bool = False,
    doc: str = "",
) -> Any: ...
def numbers(
    *,
    default: Any = ...,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    optional: bool = False,
    single: bool = True,
    kw_only: bool = False,
    doc: str = "",
) -> Any: ...
def set_compiled(enabled: bool) -> None: ...
def signed_distance_map(mask: Any) -> np.ndarray: ...
def weighted_sum(terms: Mapping[str, Any]) -> LossSum: ...
def whole(
    *,
    default: Any = ...,
    at_least: int | None = None,
    optional: bool = False,
    kw_only: bool = False,
    doc: str = "",
) -> Any: ...
def wrap(loss: Any) -> LossSum: ...

@dataclass_transform(eq_default=False, field_specifiers=(number, numbers, whole, flag, choice, _field))
class _Declared(_KerasLoss): ...

class Loss(_Declared):
    """A Keras loss that is declared rather than written out.

    A subclass states its parameters with their defaults and ranges, and its maths. From that come the constructor,
    `get_config`, the checks, `repr`, the names that `compile(loss=...)` understands, and the rules that hold for every
    loss: weights aligned on the left, masks, no NaN from what is weighted away, at least float32 inside. A subclass
    with an `__init__` and a `get_config` of its own works as in Keras.

    Class arguments:
        key: The bare name, also the default of `name`. A class without one is an abstract family.
        aliases: Further bare names.
        presets: Further bare names that stand for the class with other defaults, `{"name": {"parameter": value}}`.
        package: The first part of the registered name, `"Custom"` outside this package as in Keras.

    Args:
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: The name of the instance; None means the key.
        dtype: The precision of the computation, None meaning Keras's `floatx`; below float32 it is raised to float32.

    Example:
        >>> from tfloss_ext import Loss, number, registry
        >>> class Cauchy(Loss, key="cauchy"):
        ...     scale: float = number(default=1.0, above=0)
        ...
        ...     def call(self, y_true, y_pred):
        ...         return keras.ops.mean(keras.ops.log1p(((y_pred - y_true) / self.scale) ** 2), axis=-1)
        >>> Cauchy(scale=2.0).get_config()["scale"]
        2.0
        >>> keras.losses.get("cauchy")
        Cauchy()
        >>> registry.unregister("cauchy")
    """

    task: ClassVar[str]
    predictions: ClassVar[str]
    targets: ClassVar[str]
    use: ClassVar[str]
    handed: ClassVar[Mapping[str, Any]]
    key: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    name: _Kept[str, str | None] = _field(default=None, kw_only=True)
    reduction: _Reduction | None = _field(default="sum_over_batch_size", kw_only=True)
    dtype: _Kept[str, str | _DType | None] = _field(default=None, kw_only=True)
    def __init__(
        self,
        name: str | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        dtype: str | _DType | None = None,
    ) -> None: ...
    @property
    def compute_dtype(self) -> str: ...
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any: ...
    def knowing(self, handed: Mapping[str, Any]) -> Self: ...
    def unpacked(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]: ...
    def reduced(self, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> Any: ...
    def call(self, y_true: Any, y_pred: Any) -> Any: ...
    def read_targets(self, y_true: Any) -> Any: ...
    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]: ...
    def value_shape(self, y_pred: Any) -> tuple[int | None, ...]: ...
    def known(self, y_true: Any, y_pred: Any) -> Any: ...
    def per_output(self, name: str, count: int | None) -> Any: ...
    def evaluate(self, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> tuple[Any, Any, Any]: ...
    def values(self, y_true: Any, y_pred: Any, kept: Any, *more: Any) -> Any: ...
    def screen(self, y_true: Any, y_pred: Any) -> tuple[Any, screening.Mark | None]: ...
    def fault(self, targets: np.ndarray, classes: int | None) -> screening.Fault | None: ...
    def reduce(self, values: Any, weight: Any, mask: Any) -> Any: ...
    def __add__(self, other: Any) -> Any: ...
    def __radd__(self, other: Any) -> Any: ...
    def __mul__(self, weight: Any) -> Any: ...
    def __rmul__(self, weight: Any) -> Any: ...
    def __init_subclass__(
        cls,
        *,
        key: str | None = None,
        aliases: tuple[str, ...] | list[str] = (),
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        package: str | None = None,
    ) -> None: ...
    def validate(self) -> None: ...
    def get_config(self) -> dict[str, Any]: ...
    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self: ...

class ClassLoss(Loss):
    """The family of losses over classes.

    Targets are ids, `(B, ...)` or `(B, ..., 1)`, or one-hot or soft targets of `y_pred`'s shape, `(B, ..., C)`. `call`
    gets numbers of `y_pred`'s shape whichever they are, and returns one value per sample or position.

    With `takes_ids`, for losses that pick what they need, it gets ids as they are, int32 and each that of a class, and
    dense targets in the type they have: integers and booleans are hard ones. With C == 1 all targets are dense.

    Args:
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Example:
        >>> from tfloss_ext import ClassLoss
        >>> class Brier(ClassLoss):
        ...     def call(self, y_true, y_pred):
        ...         return keras.ops.sum((y_pred - y_true) ** 2, axis=-1)
        >>> probabilities = [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
        >>> print(f"{Brier()([0, 2], probabilities):.2f}, {Brier()([[1, 0, 0], [0, 0, 1]], probabilities):.2f}")
        0.25, 0.25
    """

    def __init__(
        self,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    def classes(self, y_pred: Any) -> int: ...

class _ClassificationLoss(ClassLoss): ...

class LDAM(_ClassificationLoss):
    """Softmax crossentropy with a margin that is the larger the rarer the class, for long tails.

    `crossentropy(y, softmax(scale * (y_pred - y * m)))` with `m_c = max_margin * (min(n) / n_c)**(1/4)`: the margin is
    subtracted from the logit of the true class, and of soft targets each class has its share of its margin.

    Args:
        samples_per_class: A list of numbers, > 0. The number n_c of training samples of each class.
        max_margin: > 0. The margin of the rarest class, in units of `y_pred`. Defaults to `0.5`.
        scale: > 0. What the logits, cosines as a rule, are multiplied with. Defaults to `30.0`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out. Defaults to
            `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"ldam"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: logits `(B, ..., C)`; with C == 1 it is the logit of the second of two classes, which then have two
        numbers of samples. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values:
        `(B, ...)`, in nats. Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Cao et al., Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, arXiv:1906.07413.

    Example:
        >>> loss = LDAM([1600, 100])
        >>> print(f"{loss([0, 1], [[1.0, 0.0], [0.0, 1.0]]):.2e}")
        1.53e-07
    """

    samples_per_class: _Kept[list[float], Sequence[float] | _Array] = _field()
    max_margin: float = _field(default=0.5)
    scale: float = _field(default=30.0)
    ignore_class: int | None = _field(default=None, kw_only=True)
    def __init__(
        self,
        samples_per_class: Sequence[float] | _Array,
        max_margin: float | Moving = 0.5,
        scale: float | Moving = 30.0,
        *,
        ignore_class: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class _RegionLoss(ClassLoss):
    from_logits: bool = _field(default=False, kw_only=True)
    multilabel: bool = _field(default=False, kw_only=True)
    per_image: bool = _field(default=True, kw_only=True)
    include_background: bool = _field(default=True, kw_only=True)
    ignore_class: int | None = _field(default=None, kw_only=True)
    @property
    def couples(self) -> bool: ...
    def images(self, y_true: Any, y_pred: Any, weight: Any) -> Any: ...
    def call(self, y_true: Any, y_pred: Any, weight: Any = None) -> Any: ...
    def by_class(self, y_true: Any, y_pred: Any) -> Classes: ...
    def sums(self, classes: Classes, weight: Any, *, squared: bool = False) -> Sums: ...
    def activation(self, y_pred: Any) -> str | None: ...
    def probabilities(self, y_pred: Any) -> Any: ...
    def binary(self, y_pred: Any) -> bool: ...
    def over_positions(self, values: Any, weight: Any) -> Any: ...
    def foreground(self, per_class: Any) -> Any: ...
    def over_classes(self, costs: Any, present: Any = None) -> Any: ...

class OverlapLoss(_RegionLoss):
    """The family of losses made of sums over the positions, class by class, and maybe of a loss of each position.

    A subclass defines `cost(sums)`, the loss of each class, whose mean is taken; Dice's where it does not. One that is
    mixed with a loss of each position, such as a crossentropy, also defines `positions(classes)`, whose mean is added.
    Both see the same probabilities, which are computed once.

    Args:
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out of the sums.
            Defaults to `None`.
        class_weights: A number or a list of numbers, >= 0, or None. One number per class that counts, for a
            weighted mean. Defaults to `None`.
        smooth: >= 0. The s of the formula. An image without a class that is predicted empty costs 0 whatever s is.
            Defaults to `1e-06`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.
    """

    class_weights: _Kept[float | list[float] | None, float | Sequence[float] | _Array | None] = _field(
        default=None, kw_only=True
    )
    smooth: float = _field(default=1e-06, kw_only=True)
    def __init__(
        self,
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        class_weights: float | Sequence[float] | _Array | Moving | None = None,
        smooth: float | Moving = 1e-06,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    def cost(self, sums: Sums) -> Any: ...
    def positions(self, classes: Classes) -> Any: ...
    def of_classes(self, classes: Classes, weight: Any) -> Any: ...
    def one_minus(self, wrong: Any, right: Any) -> Any: ...

class MCC(OverlapLoss):
    """One minus Matthews' correlation coefficient of the predicted and the true region, averaged over the classes.

    `1 - (TP TN - FP FN) / sqrt((TP + FP)(TP + FN)(TN + FP)(TN + FN))` for each class, with soft counts over the
    positions of an image; `smooth` is added to TP and to TN. Unlike Dice it counts the true negatives as well.

    Args:
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out of the sums.
            Defaults to `None`.
        class_weights: A number or a list of numbers, >= 0, or None. One number per class that counts, for a
            weighted mean. Defaults to `None`.
        smooth: >= 0. The s of the formula. An image without a class that is predicted empty costs 0 whatever s is.
            Defaults to `1e-06`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"mcc"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 2].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Abhishek & Hamarneh, Matthews Correlation Coefficient Loss for Deep Convolutional Networks, arXiv:2010.13454.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{MCC()(mask, prediction):.4f}")
        0.5000
    """

    def __init__(
        self,
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        class_weights: float | Sequence[float] | _Array | Moving | None = None,
        smooth: float | Moving = 1e-06,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class _MarginLoss(ClassLoss):
    ignore_class: int | None = _field(default=None, kw_only=True)
    def with_margin(self, cosine: Any) -> Any: ...

class ArcFace(_MarginLoss):
    """Softmax crossentropy with a margin that is added to the angle of the true class.

    `crossentropy(y, softmax(scale * z))` with `z_c = cos(theta_c + margin)` of the true class and `cos(theta_c)` of the
    others. Where `theta + margin > pi` the margin is one of the cosine: `cos(theta) - margin * sin(margin)`. Of soft
    targets `z` is `(1 - y) cos(theta) + y cos(theta + margin)`.

    Args:
        margin: In [0, 1.5707963267948966]. In radians. Defaults to `0.5`.
        scale: > 0. What the cosines are multiplied with. Defaults to `64.0`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out. Defaults to
            `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"arcface"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: cosines `(B, C)`, as `CosineHead` gives them, or `(B, ..., C)`; with C == 1 it is the cosine of the
        second of two classes, the first having 0. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or
        `(B, ..., 1)`. Values: `(B,)` or `(B, ...)`, in nats. Targets are data: no gradient flows to `y_true`. Cosines
        beyond [-1, 1], as rounding leaves them, do no harm.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition, arXiv:1801.07698.

    Example:
        >>> loss = ArcFace(margin=0.5, scale=4.0)
        >>> print(f"{loss([0, 1], [[0.8, 0.1], [0.8, 0.1]]):.4f}")
        2.5079
    """

    margin: float = _field(default=0.5)
    scale: float = _field(default=64.0)
    def __init__(
        self,
        margin: float | Moving = 0.5,
        scale: float | Moving = 64.0,
        *,
        ignore_class: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Asymmetric(_ClassificationLoss):
    """Binary crossentropy of many labels at once, in which easy negatives count less than easy positives, or nothing.

    Every element is a binary decision of its own: `y (1-p)**gamma_pos (-log p) + (1-y) q**gamma_neg (-log(1-q))` with
    `q = max(p - clip, 0)`, averaged over the last axis. The whole of it is differentiated, the powers included.

    Args:
        gamma_neg: >= 0. How much easy negatives are turned down. Defaults to `4.0`.
        gamma_pos: >= 0. How much easy positives are turned down. Defaults to `1.0`.
        clip: In [0, 1]. What is taken off the probability of negatives: one below it costs nothing. Above 0 the
            gradient of a negative that is surely predicted positive fades, as it may be a wrong label. Defaults to
            `0.05`.
        from_logits: Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions, of
            negatives where clip is 0. Defaults to `False`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"asymmetric"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)` or `(B,)`. y_true: the same shape, or ids `(B, ...)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Ben-Baruch et al., Asymmetric Loss For Multi-Label Classification, arXiv:2009.14119.

    Example:
        >>> loss = Asymmetric()
        >>> print(f"{loss([[1.0, 0.0]], [[0.6, 0.3]]):.4f}")
        0.1027
    """

    gamma_neg: float = _field(default=4.0)
    gamma_pos: float = _field(default=1.0)
    clip: float = _field(default=0.05)
    from_logits: bool = _field(default=False)
    def __init__(
        self,
        gamma_neg: float | Moving = 4.0,
        gamma_pos: float | Moving = 1.0,
        clip: float | Moving = 0.05,
        from_logits: bool = False,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    @property
    def saturates(self) -> bool: ...

class _EmbeddingLoss(Loss): ...

class ViewsLoss(_EmbeddingLoss):
    """The family of losses over two views of each sample: `(B, 2, D)`, or a pair of tensors `(B, D)`.

    There are no targets: whatever is given as such is not looked at.

    Args:
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.
    """

    def __init__(
        self,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class BatchLoss(Loss):
    """The family of losses that couple the samples of a batch, with one value per sample, `(B,)`.

    `call(y_true, y_pred, kept)` leaves out the samples that the mask `kept` does not name (None names all): their value
    is 0, and the mean of the values over the whole batch is the loss of those that are left. They hold zeros.

    Args:
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.
    """

    def __init__(
        self,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    def call(self, y_true: Any, y_pred: Any, kept: Any = None) -> Any: ...

class _MomentsLoss(BatchLoss, ViewsLoss):
    def cost(self, views: Any, centred: Any, squares: Any, count: Any) -> Any: ...

class BarlowTwins(_MomentsLoss):
    """Makes each output of the two views the same, and no two outputs alike.

    `sum_i (1 - C_ii)**2 + redundancy * sum_{i != j} C_ij**2`, C_ij being the correlation over the batch of output i of
    the first views with output j of the second ones.

    Args:
        redundancy: >= 0. The weight of the correlations between different outputs. Defaults to `0.005`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"barlow_twins"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: two views `(B, 2, D)`, or a pair of tensors `(B, D)`; y_true: unused, of any shape.
        Values: `(B,)`, equal shares of what the batch, of all replicas, costs; their mean is that. An output that is
        the same for all samples correlates with nothing, C_ij = 0; a sample alone costs 0. A sample of weight 0 takes
        part in no correlation.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Zbontar et al., Barlow Twins: Self-Supervised Learning via Redundancy Reduction, arXiv:2103.03230.

    Example:
        >>> loss = BarlowTwins(redundancy=0.5)
        >>> views = [[[1.0, 1.0], [1.0, 2.0]], [[-1.0, 1.0], [-1.0, 2.0]], [[1.0, -1.0], [1.0, -3.0]]]
        >>> print(f"{loss(None, views):.4f}")
        0.2500
    """

    redundancy: float = _field(default=0.005)
    def __init__(
        self,
        redundancy: float | Moving = 0.005,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class BiTempered(_ClassificationLoss):
    """Crossentropy with a bounded loss and a heavy-tailed softmax, for labels of which some are wrong.

    `sum_c y_c (log_t1 y_c - log_t1 p_c) - (y_c**(2 - t1) - p_c**(2 - t1)) / (2 - t1)`, with
    `log_t x = (x**(1 - t) - 1) / (1 - t)` and p the softmax of temperature t2, `p_c = exp_t2(z_c - lambda)`. It is a
    divergence, 0 where p is y; at t1 = t2 = 1 the crossentropy less the entropy of the targets, which is 0 of one-hot.

    Args:
        t1: In [0, 1]. Below 1 the loss is bounded by 1 / (1 - t1), so that outliers far off do not rule. Defaults
            to `0.8`.
        t2: >= 1. Above 1 the tails are heavy, so that outliers near the boundary do not bend it. Defaults to `1.2`.
        label_smoothing: In [0, 1). The s of targets `y(1 - s) + s/C`. Defaults to `0.0`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out. Defaults to
            `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"bi_tempered"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: logits `(B, ..., C)`; with C == 1 that of the second of two classes, the first having 0.
        y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Amid et al., Robust Bi-Tempered Logistic Loss Based on Bregman Divergences, arXiv:1906.03361.

    Example:
        >>> loss = BiTempered()
        >>> print(f"{loss([0, 1], [[3.0, 0.5, -1.0], [3.0, 0.5, -1.0]]):.4f}")
        0.8846
    """

    t1: float = _field(default=0.8)
    t2: float = _field(default=1.2)
    label_smoothing: float = _field(default=0.0)
    ignore_class: int | None = _field(default=None, kw_only=True)
    def __init__(
        self,
        t1: float | Moving = 0.8,
        t2: float | Moving = 1.2,
        label_smoothing: float | Moving = 0.0,
        *,
        ignore_class: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Boundary(_RegionLoss):
    """How far, on average, what is predicted lies from the true boundary.

    The mean over the positions of an image of p times the signed distance to the boundary of the true region, positive
    outside and negative inside, then over the classes. Region losses count positions, this one how far off they are:
    it is added to one of them, with a weight that grows in the course of training.

    Args:
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. The id of a class whose positions are left out: those at which its
            map is the lowest. Defaults to `None`.
        class_weights: A number or a list of numbers, >= 0, or None. One number per class that counts, for a
            weighted mean. Defaults to `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"boundary"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: signed distance maps of that shape, of `signed_distance_map`. Values: `(B,)`, in
        the unit of the maps, negative for a good prediction.
        sample_weight: `(B,)` weighs images, `(B, ...)` positions in the mean.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Kervadec et al., Boundary loss for highly unbalanced segmentation, arXiv:1812.07032.

    Example:
        >>> import numpy as np
        >>> from tfloss_ext import signed_distance_map
        >>> mask = np.array([[[0, 0, 1, 1, 0]]])
        >>> maps = signed_distance_map(mask)
        >>> print(f"{Boundary()(maps, mask[..., None] * 1.0):.4f}, {Boundary()(maps, 1.0 - mask[..., None]):.4f}")
        0.0000, 0.8000
    """

    class_weights: _Kept[float | list[float] | None, float | Sequence[float] | _Array | None] = _field(
        default=None, kw_only=True
    )
    def __init__(
        self,
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        class_weights: float | Sequence[float] | _Array | Moving | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class _BoxLoss(Loss):
    box_format: Literal["xyxy", "yxyx", "xywh", "cxcywh"] = _field(default="xyxy", kw_only=True)
    def penalty(self, pair: BoxPair) -> Any: ...
    def pair(self, y_true: Any, y_pred: Any) -> BoxPair: ...

class CIoU(_BoxLoss):
    """IoU loss plus the distance of the centres plus the difference of the aspect ratios.

    `1 - IoU + d**2 / c**2 + alpha v`, as in `DIoU`, with `v = 4 / pi**2 (atan(w_true / h_true) - atan(w / h))**2` and
    `alpha = v / (1 - IoU + v)`, a weight through which no gradient flows.

    Args:
        box_format: `"xyxy"`, `"yxyx"`, `"xywh"` or `"cxcywh"`. Corners; corners with y first; first corner and
            size; centre and size. Defaults to `'xyxy'`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"ciou"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true, y_pred: `(B, ..., 4)`, in pixels, normalised or in any other unit. Values: `(B, ...)`, in [0, 3]. A box
        that ends before it begins has no area, and 0 / 0 counts as 0.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Zheng et al., Distance-IoU Loss, arXiv:1911.08287, section "Complete IoU Loss".

    Example:
        >>> loss = CIoU()
        >>> print(f"{loss([[0.0, 0.0, 4.0, 4.0]], [[0.0, 1.0, 4.0, 3.0]]):.4f}")
        0.5032
    """

    def __init__(
        self,
        *,
        box_format: Literal["xyxy", "yxyx", "xywh", "cxcywh"] = "xyxy",
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class CategoricalFocal(_ClassificationLoss):
    """Crossentropy over exclusive classes that easy examples hardly enter.

    `sum_c alpha_c y_c (1 - p_c)**gamma (-log p_c)` at each position.

    Args:
        gamma: >= 0. How much easy examples are turned down, 0 being plain crossentropy. Defaults to `2.0`.
        alpha: A number or a list of numbers, >= 0, or None. One weight per class; None weighs all the same.
            Defaults to `None`.
        from_logits: Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions.
            Defaults to `False`.
        label_smoothing: In [0, 1). The s of targets `y(1 - s) + s/C`. A class ruled out by a logit of -inf then
            costs without bound. Defaults to `0.0`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out. Defaults to
            `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"categorical_focal"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`; with C == 1 it is the probability (or logit) of the second of two classes.
        y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002.

    Example:
        >>> loss = CategoricalFocal()
        >>> print(f"{loss([0, 2], [[0.9, 0.05, 0.05], [0.2, 0.6, 0.2]]):.4f}")
        0.5155
    """

    gamma: float = _field(default=2.0)
    alpha: _Kept[float | list[float] | None, float | Sequence[float] | _Array | None] = _field(default=None)
    from_logits: bool = _field(default=False)
    label_smoothing: float = _field(default=0.0)
    ignore_class: int | None = _field(default=None)
    def __init__(
        self,
        gamma: float | Moving = 2.0,
        alpha: float | Sequence[float] | _Array | Moving | None = None,
        from_logits: bool = False,
        label_smoothing: float | Moving = 0.0,
        ignore_class: int | None = None,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class _RegressionLoss(Loss):
    ignore_nan: bool = _field(default=False, kw_only=True)
    def penalty(self, y_true: Any, y_pred: Any) -> Any: ...
    def pull_back(self, upstream: Any, y_true: Any, y_pred: Any) -> Any: ...
    def spread(self, mask: Any) -> Any: ...

class _ErrorLoss(_RegressionLoss):
    def cost(self, error: Any) -> Any: ...
    def slope(self, error: Any) -> Any: ...
    def pull_back(self, upstream: Any, y_true: Any, y_pred: Any) -> tuple[Any, Any]: ...

class Charbonnier(_ErrorLoss):
    """Absolute error with a rounded tip, a smooth L1 loss for image restoration.

    `sqrt((y_pred - y_true)**2 + epsilon**2)`: a perfect prediction costs epsilon.

    Args:
        epsilon: > 0. In the unit of the targets; the errors below which the loss is rather squared than absolute.
            Defaults to `0.001`.
        ignore_nan: Leave NaN targets out of the mean over the last axis; a row with none left weighs nothing.
            Defaults to `False`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"charbonnier"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C, in that unit.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Charbonnier et al., Two Deterministic Half-Quadratic Regularization Algorithms for Computed Imaging, ICIP 1994;
        in this form Lai et al., Fast and Accurate Image Super-Resolution with Deep Laplacian Pyramid Networks,
        arXiv:1710.01992.

    Example:
        >>> loss = Charbonnier(epsilon=3.0)
        >>> print(f"{loss([[0.0, 0.0]], [[0.0, 4.0]]):.4f}")
        4.0000
    """

    epsilon: float = _field(default=0.001)
    def __init__(
        self,
        epsilon: float | Moving = 0.001,
        *,
        ignore_nan: bool = False,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class _InBatchLoss(BatchLoss, _EmbeddingLoss):
    cross_replica: bool = _field(default=True, kw_only=True)
    block_size: int | None = _field(default=None, kw_only=True)
    def gathered(self, *tensors: Any) -> tuple[list[Any], Any]: ...
    def spread(self, totals: Any, count: Any, batch: Any) -> Any: ...

class PairLoss(_InBatchLoss):
    """The family of losses that form pairs in the batch: each sample, as an anchor, against all others.

    A subclass gives `kernel()`, the maths of one anchor as `blocks` describes it, whose values are (b, 2): what it sums
    and how many things those are. The loss is scaled so that its mean is the mean over all that the kernel counts.
    Of views, `(B, V, D)`, each is an anchor, and its cost that of its sample. One that needs several passes over the
    pairs defines `totals(pairs)` instead.

    Args:
        cross_replica: Where there are several replicas, compare with the samples of every one. Defaults to `True`.
        block_size: A whole number >= 1, or None. Anchors compared at a time; memory grows as block_size * B. None
            chooses: all of them in all but large batches. Defaults to `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.
    """

    def __init__(
        self,
        *,
        cross_replica: bool = True,
        block_size: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    def kernel(self) -> Any: ...
    def totals(self, pairs: blocks.PairMatrix) -> Any: ...

class Circle(PairLoss):
    """Similarities within an id and between ids, each pulled as hard as it is far from where it should be.

    `log(1 + sum_n exp(gamma a_n (s_n - margin)) sum_p exp(-gamma a_p (s_p - 1 + margin)))` for an anchor with cosines
    s_p to its positives and s_n to its negatives. The weights `a_p = max(1 + margin - s_p, 0)` and
    `a_n = max(s_n + margin, 0)` carry no gradient.

    Args:
        gamma: >= 0. How steep it is. Defaults to `80.0`.
        margin: >= 0. Negatives are to be below it, positives above 1 - margin: less is stricter. Defaults to `0.4`.
        cross_replica: Where there are several replicas, compare with the samples of every one. Defaults to `True`.
        block_size: A whole number >= 1, or None. Anchors compared at a time; memory grows as block_size * B. None
            chooses: all of them in all but large batches. Defaults to `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"circle_loss"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: embeddings `(B, D)`.
        y_true: ids `(B,)` or `(B, 1)`, of any type that can be equal or not.
        Values: `(B,)`, each anchor's share, without a unit; their mean is the mean over the anchors that have both a
        positive and a negative. Others cost 0. A sample of weight 0 takes part in no pair.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Sun et al., Circle Loss: A Unified Perspective of Pair Similarity Optimization, arXiv:2002.10857.

    Example:
        >>> loss = Circle(gamma=2.0)
        >>> print(f"{loss([0, 0, 1], [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]):.4f}")
        0.7400
    """

    gamma: float = _field(default=80.0)
    margin: float = _field(default=0.4)
    def __init__(
        self,
        gamma: float | Moving = 80.0,
        margin: float | Moving = 0.4,
        *,
        cross_replica: bool = True,
        block_size: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    def kernel(self) -> blocks.Kernel: ...

class ClDice(OverlapLoss):
    """Dice mixed with the Dice of the skeletons, so that thin structures stay connected.

    `(1 - alpha) Dice + alpha (1 - clDice)` for each class. clDice is the harmonic mean of the share of the predicted
    skeleton inside the true region and of the true skeleton inside the predicted one; skeletons are what soft
    openings take away from ever thinner erosions. `smooth` stands in both shares.

    Args:
        iterations: A whole number >= 1. The erosions; at least half the width of the widest structure, in
            positions. Defaults to `3`.
        alpha: In [0, 1]. The share of clDice. Defaults to `0.5`.
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out of the sums.
            Defaults to `None`.
        class_weights: A number or a list of numbers, >= 0, or None. One number per class that counts, for a
            weighted mean. Defaults to `None`.
        smooth: >= 0. The s of the formula. An image without a class that is predicted empty costs 0 whatever s is.
            Defaults to `1e-06`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"cl_dice"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions, multiplying p and y.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Shit et al., clDice: a Novel Topology-Preserving Loss Function, arXiv:2003.07311.

    Example:
        >>> import numpy as np
        >>> line = np.zeros((1, 8, 8, 1), "float32")
        >>> line[:, 4, 1:7] = 1.0
        >>> broken = line.copy()
        >>> broken[:, 4, 3] = 0.0
        >>> print(f"{ClDice()(line, broken):.4f}")
        0.0909
    """

    iterations: int = _field(default=3)
    alpha: float = _field(default=0.5)
    def __init__(
        self,
        iterations: int = 3,
        alpha: float | Moving = 0.5,
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        class_weights: float | Sequence[float] | _Array | Moving | None = None,
        smooth: float | Moving = 1e-06,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Contrastive(_EmbeddingLoss):
    """Pulls similar pairs together and pushes dissimilar ones apart, up to a margin.

    `y d**2 + (1 - y) max(margin - d, 0)**2` for a pair at distance d, y being 1 where the two are similar.

    Args:
        margin: >= 0. The distance beyond which dissimilar pairs cost nothing. Defaults to `1.0`.
        distance: `"l2"` or `"cosine"`. Of pairs of embeddings, `"cosine"` being 1 - cosine; given distances are
            taken as they are. Defaults to `'l2'`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"contrastive"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: distances `(B,)` or `(B, 1)`, or pairs of embeddings `(B, 2, D)`.
        y_true: `(B,)` or `(B, 1)`, 1 similar, 0 dissimilar. Values: `(B,)`, in the distance's unit squared.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Hadsell, Chopra & LeCun, Dimensionality Reduction by Learning an Invariant Mapping, CVPR 2006,
        doi:10.1109/CVPR.2006.100.

    Example:
        >>> loss = Contrastive(margin=1.0)
        >>> print(f"{loss([1, 0, 0], [0.5, 0.4, 2.0]):.4f}")
        0.2033
    """

    margin: float = _field(default=1.0)
    distance: Literal["l2", "cosine"] = _field(default="l2")
    def __init__(
        self,
        margin: float | Moving = 1.0,
        distance: Literal["l2", "cosine"] = "l2",
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Coral(_ClassificationLoss):
    """Crossentropy for ranks: each logit says whether the rank lies above one of the thresholds.

    `sum_k crossentropy(1[rank > k], sigmoid(z_k))` over the thresholds k = 0, ..., K-2 between K ranks. The ranks come
    out consistent where the logits share their weights and differ by a bias each, as in the paper.

    Args:
        ignore_class: A whole number, or None. A rank, of the scale or not, whose positions are left out. Defaults
            to `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"coral"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: logits `(B, ..., K-1)`, or `(B,)` for two ranks. y_true: ranks 0, ..., K-1, whole numbers of shape
        `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, in nats.

    Raises:
        ValueError: If the shapes do not fit, as where there is a target for each threshold.

    Reference:
        Cao, Mirjalili & Raschka, Rank consistent ordinal regression for neural networks, arXiv:1901.07884.

    Example:
        >>> loss = Coral()
        >>> print(f"{loss([2, 0], [[3.0, 1.0, -1.0], [-2.0, -3.0, -4.0]]):.4f}")
        0.4344
    """

    ignore_class: int | None = _field(default=None, kw_only=True)
    def __init__(
        self,
        *,
        ignore_class: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class CosFace(_MarginLoss):
    """Softmax crossentropy with a margin that is taken off the cosine of the true class.

    `crossentropy(y, softmax(scale * (cos(theta) - y * margin)))`, theta being the angles whose cosines are predicted.

    Args:
        margin: >= 0. In units of the cosine. Defaults to `0.35`.
        scale: > 0. What the cosines are multiplied with. Defaults to `64.0`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out. Defaults to
            `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"cosface"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: cosines `(B, C)`, as `CosineHead` gives them, or `(B, ..., C)`; with C == 1 it is the cosine of the
        second of two classes, the first having 0. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or
        `(B, ..., 1)`. Values: `(B,)` or `(B, ...)`, in nats. Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Wang et al., CosFace: Large Margin Cosine Loss for Deep Face Recognition, arXiv:1801.09414.

    Example:
        >>> loss = CosFace(margin=0.35, scale=4.0)
        >>> print(f"{loss([0, 1], [[0.8, 0.1], [0.8, 0.1]]):.4f}")
        2.2177
    """

    margin: float = _field(default=0.35)
    scale: float = _field(default=64.0)
    def __init__(
        self,
        margin: float | Moving = 0.35,
        scale: float | Moving = 64.0,
        *,
        ignore_class: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class DIoU(_BoxLoss):
    """IoU loss plus the distance of the centres, which converges faster than `GIoU`.

    `1 - IoU + d**2 / c**2` with d the distance of the centres and c the diagonal of the smallest box around both.

    Args:
        box_format: `"xyxy"`, `"yxyx"`, `"xywh"` or `"cxcywh"`. Corners; corners with y first; first corner and
            size; centre and size. Defaults to `'xyxy'`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"diou"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true, y_pred: `(B, ..., 4)`, in pixels, normalised or in any other unit. Values: `(B, ...)`, in [0, 2]. A box
        that ends before it begins has no area, and 0 / 0 counts as 0.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Zheng et al., Distance-IoU Loss, arXiv:1911.08287.

    Example:
        >>> loss = DIoU()
        >>> print(f"{loss([[0.0, 0.0, 1.0, 1.0]], [[2.0, 0.0, 3.0, 1.0]]):.4f}")
        1.4000
    """

    def __init__(
        self,
        *,
        box_format: Literal["xyxy", "yxyx", "xywh", "cxcywh"] = "xyxy",
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Dice(OverlapLoss):
    """One minus the Dice coefficient of the predicted and the true region, averaged over the classes.

    `1 - (2I + s) / (P + Y + s)` for each class, I, P and Y being the sums of p*y, p and y over an image's positions.

    Args:
        squared: Sum p**2 and y**2 in place of p and y, as in the paper. Defaults to `False`.
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out of the sums.
            Defaults to `None`.
        class_weights: A number or a list of numbers, >= 0, or None. One number per class that counts, for a
            weighted mean. Defaults to `None`.
        smooth: >= 0. The s of the formula. An image without a class that is predicted empty costs 0 whatever s is.
            Defaults to `1e-06`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"dice_loss"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Milletari, Navab & Ahmadi, V-Net, arXiv:1606.04797.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{Dice()(mask, prediction):.4f}")
        0.2500
    """

    squared: bool = _field(default=False)
    def __init__(
        self,
        squared: bool = False,
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        class_weights: float | Sequence[float] | _Array | Moving | None = None,
        smooth: float | Moving = 1e-06,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class DiceCrossentropy(OverlapLoss):
    """Dice plus crossentropy, from one softmax: the overlap of small regions, and a gradient at every position.

    `dice_weight * Dice + crossentropy_weight * CE`, CE being the mean over an image's positions, and where the
    classes do not exclude each other over the classes. The crossentropy keeps the background, and is weighted by
    `class_weights` too, without division by their sum; a background that has no weight there weighs 1.

    Args:
        dice_weight: >= 0. Defaults to `1.0`.
        crossentropy_weight: >= 0. Defaults to `1.0`.
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out of the sums.
            Defaults to `None`.
        class_weights: A number or a list of numbers, >= 0, or None. One number per class that counts, for a
            weighted mean. Defaults to `None`.
        smooth: >= 0. The s of the formula. An image without a class that is predicted empty costs 0 whatever s is.
            Defaults to `1e-06`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"dice_crossentropy"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, >= 0.
        sample_weight: `(B,)` weighs images, `(B, ...)` positions in sums and mean.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Isensee et al., nnU-Net: Self-adapting Framework for U-Net-Based Medical Image Segmentation, arXiv:1809.10486.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{DiceCrossentropy()(mask, prediction):.4f}")
        0.5966
    """

    dice_weight: float = _field(default=1.0)
    crossentropy_weight: float = _field(default=1.0)
    def __init__(
        self,
        dice_weight: float | Moving = 1.0,
        crossentropy_weight: float | Moving = 1.0,
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        class_weights: float | Sequence[float] | _Array | Moving | None = None,
        smooth: float | Moving = 1e-06,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    @property
    def saturates(self) -> bool: ...
    def weights_of_all(self, y_pred: Any) -> Any: ...

class DiceFocal(OverlapLoss):
    """Dice plus focal loss, from one softmax: small regions, and the positions that are still wrong.

    `dice_weight * Dice + focal_weight * FL`, FL being the mean over an image's positions of `Focal` where C == 1 or
    `multilabel`, else of `CategoricalFocal`. `class_weights` weigh Dice, alpha the focal loss.

    Args:
        dice_weight: >= 0. Defaults to `1.0`.
        focal_weight: >= 0. Defaults to `1.0`.
        gamma: >= 0. How much positions that are nearly right are turned down. Defaults to `2.0`.
        alpha: A number or a list of numbers, >= 0, or None. The weight of positives, in [0, 1], where C == 1 or
            `multilabel`; otherwise one for each exclusive class. Defaults to `None`.
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out of the sums.
            Defaults to `None`.
        class_weights: A number or a list of numbers, >= 0, or None. One number per class that counts, for a
            weighted mean. Defaults to `None`.
        smooth: >= 0. The s of the formula. An image without a class that is predicted empty costs 0 whatever s is.
            Defaults to `1e-06`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"dice_focal"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, >= 0.
        sample_weight: `(B,)` weighs images, `(B, ...)` positions in sums and mean.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Zhu et al., AnatomyNet, arXiv:1808.05238.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{DiceFocal()(mask, prediction):.4f}")
        0.3366
    """

    dice_weight: float = _field(default=1.0)
    focal_weight: float = _field(default=1.0)
    gamma: float = _field(default=2.0)
    alpha: _Kept[float | list[float] | None, float | Sequence[float] | _Array | None] = _field(default=None)
    def __init__(
        self,
        dice_weight: float | Moving = 1.0,
        focal_weight: float | Moving = 1.0,
        gamma: float | Moving = 2.0,
        alpha: float | Sequence[float] | _Array | Moving | None = None,
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        class_weights: float | Sequence[float] | _Array | Moving | None = None,
        smooth: float | Moving = 1e-06,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    @property
    def saturates(self) -> bool: ...

class Expectile(_ErrorLoss):
    """Squared error that weighs predictions above and below the target differently.

    `abs(tau - 1[y < p]) (y - p)**2`: half of the squared error at tau = 0.5; its minimum is the tau-expectile.

    Args:
        tau: In (0, 1). The weight of predictions that are too low; the others have 1 - tau. Defaults to `0.5`.
        ignore_nan: Leave NaN targets out of the mean over the last axis; a row with none left weighs nothing.
            Defaults to `False`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"expectile"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C, in that unit squared.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Newey & Powell, Asymmetric Least Squares Estimation and Testing, Econometrica 55(4), 1987,
        doi:10.2307/1911031.

    Example:
        >>> loss = Expectile(tau=0.9)
        >>> print(f"{loss([[0.0, 0.0]], [[1.0, -1.0]]):.4f}")
        0.5000
    """

    tau: float = _field(default=0.5)
    def __init__(
        self,
        tau: float | Moving = 0.5,
        *,
        ignore_nan: bool = False,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Focal(_ClassificationLoss):
    """Binary crossentropy that easy examples hardly enter, for rare positives.

    Every element is a binary decision of its own: `a_t * (1 - p_t)**gamma * crossentropy`, averaged over the last axis,
    with `p_t = y p + (1 - y)(1 - p)` and `a_t = y alpha + (1 - y)(1 - alpha)`, also for soft targets y.

    Args:
        gamma: >= 0. How much easy examples are turned down, 0 being plain crossentropy. Defaults to `2.0`.
        alpha: In [0, 1], or None. The weight of positives, negatives having 1 - alpha; None weighs neither. The
            default weighs positives *down*, to a third of a negative: it is the paper's, for detectors that see a
            hundred thousand easy negatives in an image. For a rare class begin with None, which is what Keras's
            `BinaryFocalCrossentropy` does unless told otherwise, or with 0.75, which weighs it up. Defaults to
            `0.25`.
        from_logits: Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions.
            Defaults to `False`.
        label_smoothing: In [0, 1). The s of targets `y(1 - s) + s/2`. Defaults to `0.0`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"focal"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)` or `(B,)`. y_true: the same shape, or ids `(B, ...)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002.

    Example:
        >>> loss = Focal(gamma=2.0, from_logits=True)
        >>> print(f"{loss([[1.0], [0.0]], [[-3.0], [-3.0]]):.4f}")
        0.3458
        >>> for alpha in (0.25, None, 0.75):  # A miss and a false alarm that are equally wrong.
        ...     loss = Focal(alpha=alpha)
        ...     print(f"{loss([1.0], [0.1]):.3f}, {loss([0.0], [0.9]):.3f}")
        0.466, 1.399
        1.865, 1.865
        1.399, 0.466
    """

    gamma: float = _field(default=2.0)
    alpha: float | None = _field(default=0.25)
    from_logits: bool = _field(default=False)
    label_smoothing: float = _field(default=0.0)
    def __init__(
        self,
        gamma: float | Moving = 2.0,
        alpha: float | Moving | None = 0.25,
        from_logits: bool = False,
        label_smoothing: float | Moving = 0.0,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Tversky(OverlapLoss):
    """One minus the Tversky index: an overlap in which false positives and false negatives weigh differently.

    `1 - (I + s) / (I + alpha FP + beta FN + s)` for each class, with FP = P - I and FN = Y - I. Both 0.5: Dice; both 1:
    Jaccard. beta > alpha finds more of a small region at the price of false alarms.

    Args:
        alpha: >= 0. The weight of false positives. Defaults to `0.3`.
        beta: >= 0. The weight of false negatives. Defaults to `0.7`.
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out of the sums.
            Defaults to `None`.
        class_weights: A number or a list of numbers, >= 0, or None. One number per class that counts, for a
            weighted mean. Defaults to `None`.
        smooth: >= 0. The s of the formula. An image without a class that is predicted empty costs 0 whatever s is.
            Defaults to `1e-06`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"tversky_loss"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Salehi, Erdogmus & Gholipour, Tversky loss function for image segmentation, arXiv:1706.05721.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{Tversky()(mask, prediction):.4f}")
        0.2500
    """

    alpha: float = _field(default=0.3)
    beta: float = _field(default=0.7)
    def __init__(
        self,
        alpha: float | Moving = 0.3,
        beta: float | Moving = 0.7,
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        class_weights: float | Sequence[float] | _Array | Moving | None = None,
        smooth: float | Moving = 1e-06,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class FocalTversky(Tversky):
    """Tversky loss raised to a power, so that regions which are still missed count more (gamma > 1) or less.

    `(1 - TI)**(1/gamma)` for each class, TI being the Tversky index, then the mean. alpha weighs false positives and
    beta false negatives as in `Tversky`; the paper's formula has them the other way round.

    Args:
        alpha: >= 0. The weight of false positives. Defaults to `0.3`.
        beta: >= 0. The weight of false negatives. Defaults to `0.7`.
        gamma: > 0. 1 is `Tversky`. Defaults to `1.3333333333333333`.
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out of the sums.
            Defaults to `None`.
        class_weights: A number or a list of numbers, >= 0, or None. One number per class that counts, for a
            weighted mean. Defaults to `None`.
        smooth: >= 0. The s of the formula. An image without a class that is predicted empty costs 0 whatever s is.
            Defaults to `1e-06`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"focal_tversky"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Abraham & Khan, A Novel Focal Tversky loss function, arXiv:1810.07842.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{FocalTversky()(mask, prediction):.4f}")
        0.3536
    """

    gamma: float = _field(default=1.3333333333333333)
    def __init__(
        self,
        alpha: float | Moving = 0.3,
        beta: float | Moving = 0.7,
        gamma: float | Moving = 1.3333333333333333,
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        class_weights: float | Sequence[float] | _Array | Moving | None = None,
        smooth: float | Moving = 1e-06,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class GIoU(_BoxLoss):
    """IoU loss plus the share of the hull that neither box covers, so that distant boxes attract each other.

    `1 - IoU + (C - U) / C` with U the area of the union and C that of the smallest box around both.

    Args:
        box_format: `"xyxy"`, `"yxyx"`, `"xywh"` or `"cxcywh"`. Corners; corners with y first; first corner and
            size; centre and size. Defaults to `'xyxy'`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"giou"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true, y_pred: `(B, ..., 4)`, in pixels, normalised or in any other unit. Values: `(B, ...)`, in [0, 2]. A box
        that ends before it begins has no area, and 0 / 0 counts as 0.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Rezatofighi et al., Generalized Intersection over Union, arXiv:1902.09630.

    Example:
        >>> loss = GIoU()
        >>> print(f"{loss([[0.0, 0.0, 1.0, 1.0]], [[3.0, 0.0, 4.0, 1.0]]):.4f}")
        1.5000
    """

    def __init__(
        self,
        *,
        box_format: Literal["xyxy", "yxyx", "xywh", "cxcywh"] = "xyxy",
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class GaussianNLL(_RegressionLoss):
    """Negative log-likelihood of a normal distribution whose mean and variance are both predicted.

    `0.5 (s + e**2 / exp(s))` with e = mean - y_true and s the predicted logarithm of the variance, clipped to
    [-30, 30]; times `exp(s)**beta`, through which no gradient flows. Beta = 0 is the likelihood itself; 0.5, as the
    paper advises, keeps badly fitted points from being explained by a large variance; at 1 the gradient of the mean is
    that of the squared error.

    Args:
        beta: >= 0. How much of the weight 1 / variance of the squared error is taken back. Defaults to `0.0`.
        full: Whether to add the constant `0.5 log(2 pi)`, before the factor. Defaults to `False`.
        ignore_nan: Leave NaN targets out of the mean over the last axis; a row with none left weighs nothing.
            Defaults to `False`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"gaussian_nll"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true: `(B, ..., C)` in any unit, or `(B,)`. y_pred: `(B, ..., 2C)`, the C means and then the C logarithms of
        the variances. Values: `(B, ...)`, the mean over C, in nats.

    Raises:
        ValueError: If beta is negative, or if `y_pred` is not twice as wide as `y_true`.

    Reference:
        Nix & Weigend, Estimating the Mean and Variance of the Target Probability Distribution, ICNN 1994; beta: Seitzer
        et al., On the Pitfalls of Heteroscedastic Uncertainty Estimation, arXiv:2203.09168, equation 5.

    Example:
        >>> loss = GaussianNLL()
        >>> print(f"{loss([3.0], [[1.0, 0.0]]):.4f}")
        2.0000
    """

    beta: float = _field(default=0.0)
    full: bool = _field(default=False)
    def __init__(
        self,
        beta: float | Moving = 0.0,
        full: bool = False,
        *,
        ignore_nan: bool = False,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    @property
    def holds(self) -> bool: ...
    def pull_back(self, upstream: Any, y_true: Any, y_pred: Any) -> tuple[Any, Any]: ...

class GeneralRobust(_ErrorLoss):
    """One family from squared error (alpha = 2) to losses that ignore outliers (alpha below 0).

    With e = y_pred - y_true and b = abs(alpha - 2): `b / alpha * (((e / scale)**2 / b + 1)**(alpha / 2) - 1)`, and its
    limits `(e / scale)**2 / 2` at alpha = 2, `log((e / scale)**2 / 2 + 1)` at 0 and `1 - exp(-(e / scale)**2 / 2)` at
    -inf. Known members: pseudo-Huber (1), Cauchy (0), Geman-McClure (-2), Welsch (-inf).

    Args:
        alpha: Any number or `"-inf"`. The lower, the less outliers weigh; -inf is allowed. Defaults to `1.0`.
        scale: > 0. In the unit of the targets; the size of errors beyond which they are outliers. Defaults to
            `1.0`.
        ignore_nan: Leave NaN targets out of the mean over the last axis; a row with none left weighs nothing.
            Defaults to `False`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"general_robust"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C, without a unit.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Barron, A General and Adaptive Robust Loss Function, arXiv:1701.03077, equation 8.

    Example:
        >>> loss = GeneralRobust(alpha=-2.0)
        >>> print(f"{loss([[0.0, 0.0]], [[2.0, 2000.0]]):.4f}")
        1.5000
    """

    alpha: float | Literal["-inf"] = _field(default=1.0)
    scale: float = _field(default=1.0)
    def __init__(
        self,
        alpha: float | Literal["-inf"] | Moving = 1.0,
        scale: float | Moving = 1.0,
        *,
        ignore_nan: bool = False,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class GeneralizedCrossentropy(_ClassificationLoss):
    """Between crossentropy, which learns fast, and the mean absolute error, which forgives noisy labels.

    `(1 - p_t**q) / q` with `p_t = sum_c y_c p_c`: crossentropy as q goes to 0, and `1 - p_t` at q = 1, half the
    absolute error summed over the classes.

    Args:
        q: In (0, 1]. Defaults to `0.7`.
        from_logits: Whether `y_pred` holds logits. Defaults to `False`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out. Defaults to
            `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"generalized_crossentropy"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`; with C == 1 it is the probability (or logit) of the second of two classes.
        y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`,
        up to 1/q. Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Zhang & Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels,
        arXiv:1805.07836.

    Example:
        >>> loss = GeneralizedCrossentropy(q=0.5)
        >>> print(f"{loss([0], [[0.25, 0.75]]):.4f}")
        1.0000
    """

    q: float = _field(default=0.7)
    from_logits: bool = _field(default=False)
    ignore_class: int | None = _field(default=None, kw_only=True)
    def __init__(
        self,
        q: float | Moving = 0.7,
        from_logits: bool = False,
        *,
        ignore_class: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class GeneralizedDice(_RegionLoss):
    """One minus a Dice coefficient over all classes at once, each weighted by the inverse of its size.

    `1 - (2 sum_c w_c I_c + s) / (sum_c w_c (P_c + Y_c) + s)` with w_c = 1/Y_c**2, 1/Y_c or 1. A class that an image
    does not have takes the largest weight of those it has; where it has none, every weight is 1.

    Args:
        weighting: `"square"`, `"simple"` or `"uniform"`. w_c is 1/Y_c**2, 1/Y_c or 1. Defaults to `'square'`.
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out of the sums.
            Defaults to `None`.
        smooth: >= 0. The s of the formula. An image without a class that is predicted empty costs 0 whatever s is.
            Defaults to `1e-06`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"generalized_dice"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Sudre et al., Generalised Dice overlap as a deep learning loss function, arXiv:1707.03237.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{GeneralizedDice()(mask, prediction):.4f}")
        0.2500
    """

    weighting: Literal["square", "simple", "uniform"] = _field(default="square")
    smooth: float = _field(default=1e-06, kw_only=True)
    def __init__(
        self,
        weighting: Literal["square", "simple", "uniform"] = "square",
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        smooth: float | Moving = 1e-06,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    def class_sizes(self, actual: Any) -> Any: ...

class HardExamples(Loss):
    """The mean over the hardest values of another loss, as online hard example mining takes it.

    Of N values that weights and masks keep, the `ceil(fraction * N)` largest before they are weighted. The others are
    0, and these are scaled so that the mean of all is theirs.

    Args:
        loss: A loss with a value for each position or sample, ours or another `keras.losses.Loss`, or what
            `tfloss_ext.get` finds by it. How it is reduced does not matter.
        fraction: A number > 0 and <= 1. How many are kept.
        per_sample: Whether they are the hardest within each sample, or within the batch, of each replica by itself.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"hard_examples"`.
        dtype: Precision of the computation; None means that of the loss.

    Shapes:
        What the loss takes. Values: those of the loss, `(B, ...)`, in its unit.

    Raises:
        ValueError: If `fraction` is out of its range, or if the values of the loss depend on each other.

    Reference:
        Shrivastava, Gupta & Girshick, Training Region-based Object Detectors with Online Hard Example Mining,
        arXiv:1604.03540.

    Example:
        >>> loss = HardExamples(keras.losses.MeanAbsoluteError(), fraction=0.5)
        >>> print(f"{loss([[0.0], [0.0], [0.0], [0.0]], [[1.0], [4.0], [2.0], [3.0]]):.1f}")
        3.5
    """

    fraction: float = _field(default=0.25)
    per_sample: bool = _field(default=False)
    def __init__(
        self,
        loss: Any,
        fraction: float | Moving = 0.25,
        per_sample: bool = False,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    @property
    def couples(self) -> bool: ...

class _ContrastiveLoss(ViewsLoss, _InBatchLoss):
    temperature: float | None = _field(default=0.1)
    def of_views(self, x: Any, y: Any, kept: Any) -> Any: ...
    def call(self, y_true: Any, y_pred: Any, kept: Any = None) -> Any: ...
    def values_of(self, y_pred: Any, kept: Any) -> Any: ...
    @property
    def scale(self) -> Any: ...
    @property
    def bounded(self) -> bool: ...
    def over_others(
        self,
        kernel: Kernel,
        x: Any,
        y: Any,
        kept: Any,
        *of_columns: Any,
        views: int = 1,
    ) -> tuple[Any, Any]: ...
    def reach(self, s: Any, others: Any) -> tuple[Any, None]: ...

class _MatrixLoss(_ContrastiveLoss):
    def of_logits(self, z: Any, others: Any, kept: Any) -> Any: ...

class InfoNCE(_MatrixLoss):
    """Tells the second view of a sample from those of all other samples, and the first likewise, as CLIP does.

    The crossentropy of logits s_ij, the cosine of first view i and second view j divided by the temperature, against
    i = j; `symmetric` takes the mean of both directions, along the rows and along the columns.

    Args:
        temperature: > 0, or None. What cosines are divided by; None takes the scale that the layer `LogitScale`
            hands along with the views. Defaults to `0.07`.
        symmetric: Compare in both directions; else only along the rows. Defaults to `True`.
        cross_replica: Where there are several replicas, compare with the samples of every one. Defaults to `True`.
        block_size: A whole number >= 1, or None. Anchors compared at a time; memory grows as block_size * B. None
            chooses: all of them in all but large batches. Defaults to `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"info_nce"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: two views `(B, 2, D)`, a pair of tensors `(B, D)`, or logits `(B, B)`, which are taken as they are.
        y_true: unused, of any shape. Values: `(B,)`, in nats. A sample of weight 0 takes part in no comparison.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        van den Oord, Li & Vinyals, Representation Learning with Contrastive Predictive Coding, arXiv:1807.03748;
        Radford et al., Learning Transferable Visual Models From Natural Language Supervision, arXiv:2103.00020; in
        blocks as Cheng et al., Breaking the Memory Barrier, arXiv:2410.17243.

    Example:
        >>> views = [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]]
        >>> print(f"{InfoNCE(temperature=0.5)(None, views):.4f}")
        0.1269
    """

    temperature: float | None = _field(default=0.07)
    symmetric: bool = _field(default=True)
    def __init__(
        self,
        temperature: float | Moving | None = 0.07,
        symmetric: bool = True,
        *,
        cross_replica: bool = True,
        block_size: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class IoU(_BoxLoss):
    """One minus intersection over union.

    Boxes that do not overlap cost 1 wherever they are, and get no gradient: `GIoU`, `DIoU` and `CIoU` mend that.

    Args:
        box_format: `"xyxy"`, `"yxyx"`, `"xywh"` or `"cxcywh"`. Corners; corners with y first; first corner and
            size; centre and size. Defaults to `'xyxy'`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"iou"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true, y_pred: `(B, ..., 4)`, in pixels, normalised or in any other unit. Values: `(B, ...)`, in [0, 1]. A box
        that ends before it begins has no area, and where nothing has an area the IoU is 0.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Jaccard, The Distribution of the Flora in the Alpine Zone, 1912; as a loss: Yu et al., UnitBox,
        arXiv:1608.01471, there its logarithm.

    Example:
        >>> loss = IoU()
        >>> print(f"{loss([[0.0, 0.0, 2.0, 2.0]], [[1.0, 0.0, 3.0, 2.0]]):.4f}")
        0.6667
    """

    def __init__(
        self,
        *,
        box_format: Literal["xyxy", "yxyx", "xywh", "cxcywh"] = "xyxy",
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Jaccard(OverlapLoss):
    """One minus the intersection over union of the predicted and the true region, averaged over the classes.

    `1 - (I + s) / (P + Y - I + s)` for each class, I, P and Y being the sums of p*y, p and y over an image's positions.

    Args:
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out of the sums.
            Defaults to `None`.
        class_weights: A number or a list of numbers, >= 0, or None. One number per class that counts, for a
            weighted mean. Defaults to `None`.
        smooth: >= 0. The s of the formula. An image without a class that is predicted empty costs 0 whatever s is.
            Defaults to `1e-06`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"jaccard"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1].
        sample_weight: `(B,)` weighs images, `(B, ...)` positions inside the sums.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Rahman & Wang, Optimizing Intersection-over-Union in Deep Neural Networks for Image Segmentation, ISVC 2016,
        doi:10.1007/978-3-319-50835-1_22.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{Jaccard()(mask, prediction):.4f}")
        0.4000
    """

    def __init__(
        self,
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        class_weights: float | Sequence[float] | _Array | Moving | None = None,
        smooth: float | Moving = 1e-06,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class LiftedStructure(PairLoss):
    """Brings each pair of one id closer together than the negatives of either of the two are to them.

    `max(J, 0)**2 / 2` with `J = log(sum_k exp(margin - d_ik) + sum_l exp(margin - d_jl)) + d_ij` for a positive pair
    (i, j) at distance d_ij, k and l being the negatives of i and of j.

    Args:
        margin: >= 0. In the unit of the distance. Defaults to `1.0`.
        distance: `"l2"`, `"squared_l2"` or `"cosine"`. `"cosine"` is 1 - cosine. Defaults to `'l2'`.
        cross_replica: Where there are several replicas, compare with the samples of every one. Defaults to `True`.
        block_size: A whole number >= 1, or None. Anchors compared at a time; memory grows as block_size * B. None
            chooses: all of them in all but large batches. Defaults to `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"lifted_structure"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: embeddings `(B, D)`.
        y_true: ids `(B,)` or `(B, 1)`, of any type that can be equal or not.
        Values: `(B,)`, each anchor's share, in the unit of the distance squared; their mean is the mean over the
        positive pairs. An anchor without positives or without negatives costs 0. A sample of weight 0 takes part in no
        pair.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Oh Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, arXiv:1511.06452.

    Example:
        >>> loss = LiftedStructure(margin=1.0)
        >>> print(f"{loss([0, 0, 1], [[0.0], [1.0], [3.0]]):.4f}")
        0.0491
    """

    margin: float = _field(default=1.0)
    distance: Literal["l2", "squared_l2", "cosine"] = _field(default="l2")
    def __init__(
        self,
        margin: float | Moving = 1.0,
        distance: Literal["l2", "squared_l2", "cosine"] = "l2",
        *,
        cross_replica: bool = True,
        block_size: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    def kernel(self) -> blocks.Kernel: ...

class LogCosh(_ErrorLoss):
    """Logarithm of the hyperbolic cosine of the error: squared for small errors, absolute for large ones.

    `log(cosh(y_pred - y_true))`, with a relative error below 1e-6 for errors from 1e-12 to 1e30, where the usual
    `softplus` form returns 0 below 1e-4.

    Args:
        ignore_nan: Leave NaN targets out of the mean over the last axis; a row with none left weighs nothing.
            Defaults to `False`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"log_cosh_loss"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Saleh & Saleh, Statistical Properties of the log-cosh Loss Function, arXiv:2208.04564.

    Example:
        >>> loss = LogCosh()
        >>> print(f"{loss([[0.0, 0.0]], [[0.0, 2.0]]):.4f}")
        0.6625
    """

    def __init__(
        self,
        *,
        ignore_nan: bool = False,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class LogitAdjusted(_ClassificationLoss):
    """Softmax crossentropy that asks of a frequent class a lead in proportion to its frequency, for long tails.

    `crossentropy(y, softmax(y_pred + tau * log(class_priors)))`: a classifier trained so is balanced over the classes
    when the plain logits are used.

    Args:
        class_priors: A list of numbers, > 0. The frequency of each class; shares or counts, they need not sum to 1.
        tau: >= 0. How much of the prior is asked for, 0 being plain crossentropy. Defaults to `1.0`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out. Defaults to
            `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"logit_adjusted"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: logits `(B, ..., C)`; with C == 1 it is the logit of the second of two classes, which then have two
        priors. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`,
        in nats. Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Menon et al., Long-tail learning via logit adjustment, arXiv:2007.07314.

    Example:
        >>> loss = LogitAdjusted([0.9, 0.1])
        >>> print(f"{loss([1, 0], [[0.0, 0.0], [0.0, 0.0]]):.4f}")
        1.2040
    """

    class_priors: _Kept[list[float], Sequence[float] | _Array] = _field()
    tau: float = _field(default=1.0)
    ignore_class: int | None = _field(default=None)
    def __init__(
        self,
        class_priors: Sequence[float] | _Array,
        tau: float | Moving = 1.0,
        ignore_class: int | None = None,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Lovasz(_RegionLoss):
    """The intersection over union itself, extended to continuous predictions so that it has a gradient.

    The Lovasz extension of the Jaccard loss, as a function of the errors of all positions of an image, sorted. Where
    C == 1 or `multilabel` the errors are hinges, `1 - (2y - 1) score`, the score being the logit (from probabilities
    logit(p)), class by class; otherwise they are |y - p|, and the classes that an image has count. Soft targets are
    rounded.

    Args:
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out of the sums.
            Defaults to `None`.
        class_weights: A number or a list of numbers, >= 0, or None. One number per class that counts, for a
            weighted mean. Defaults to `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"lovasz"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1 it is the mask of the one class. Values: `(B,)`, without unit, in [0, 1], from hinges >= 0.
        sample_weight: `(B,)` weighs images, `(B, ...)` positions, multiplying their errors.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Berman, Triki & Blaschko, The Lovasz-Softmax loss, arXiv:1705.08790.

    Example:
        >>> mask, logits = [[[1], [1], [0], [0]]], [[[3.0], [0.5], [-0.5], [-3.0]]]
        >>> print(f"{Lovasz(from_logits=True)(mask, logits):.4f}")
        0.3333
    """

    class_weights: _Kept[float | list[float] | None, float | Sequence[float] | _Array | None] = _field(
        default=None, kw_only=True
    )
    def __init__(
        self,
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        class_weights: float | Sequence[float] | _Array | Moving | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class MultiSimilarity(PairLoss):
    """Pairs weighed by how similar they are, and by how they compare with the other pairs of their anchor.

    `log(1 + sum_p exp(-alpha (s_p - base))) / alpha + log(1 + sum_n exp(beta (s_n - base))) / beta` for an anchor, over
    the cosines s_p of its positives below the largest negative + epsilon and s_n of its negatives above the least
    positive - epsilon.

    Args:
        alpha: > 0. How much the least similar positives count beyond the others. Defaults to `2.0`.
        beta: > 0. How much the most similar negatives count beyond the others. Defaults to `50.0`.
        base: The cosine from which on a pair counts in full. Defaults to `0.5`.
        epsilon: > 0, or None. How far from the hardest of the others a pair may be and still count; None: any.
            Defaults to `0.1`.
        cross_replica: Where there are several replicas, compare with the samples of every one. Defaults to `True`.
        block_size: A whole number >= 1, or None. Anchors compared at a time; memory grows as block_size * B. None
            chooses: all of them in all but large batches. Defaults to `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"multi_similarity"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: embeddings `(B, D)`.
        y_true: ids `(B,)` or `(B, 1)`, of any type that can be equal or not.
        Values: `(B,)`, without a unit; their mean is the mean over all anchors. One without positives or without
        negatives costs 0. A sample of weight 0 takes part in no pair.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Wang et al., Multi-Similarity Loss with General Pair Weighting, arXiv:1904.06627.

    Example:
        >>> loss = MultiSimilarity()
        >>> print(f"{loss([0, 0, 1, 1], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.0]]):.4f}")
        1.1121
    """

    alpha: float = _field(default=2.0)
    beta: float = _field(default=50.0)
    base: float = _field(default=0.5)
    epsilon: float | None = _field(default=0.1)
    def __init__(
        self,
        alpha: float | Moving = 2.0,
        beta: float | Moving = 50.0,
        base: float | Moving = 0.5,
        epsilon: float | Moving | None = 0.1,
        *,
        cross_replica: bool = True,
        block_size: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    def kernel(self) -> blocks.Kernel: ...

class NPairs(BatchLoss, _EmbeddingLoss):
    """Each sample, by the softmax of its similarities to all of a batch, should pick those of its own id.

    `-1/|P| sum_{p in P} log(exp(s_p) / sum_j exp(s_j))` for a sample with similarities s to the B samples that it is
    compared with, P being those of its id, its own partner among them.

    Args:
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"n_pairs"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: similarities `(B, B)`, such as the products of the embeddings of anchors with those of positives.
        y_true: ids `(B,)` or `(B, 1)`, of any type that can be equal or not.
        Values: `(B,)`, without a unit; their mean is the mean over the samples. One of weight 0 is in no row and in no
        column. Replicas compare what each of them is given.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Sohn, Improved Deep Metric Learning with Multi-class N-pair Loss Objective, NeurIPS 2016.

    Example:
        >>> loss = NPairs()
        >>> print(f"{loss([0, 0, 1], [[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 2.0]]):.4f}")
        0.6849
    """

    def __init__(
        self,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class NTXent(_ContrastiveLoss):
    """Tells the other view of a sample from both views of all other samples, as SimCLR does.

    `-log(exp(s_ij) / sum_k exp(s_ik))` for each view i, j being the other view of its sample, k all views but i itself
    and s their cosines divided by the temperature. The value of a sample is the mean over its two views.

    Args:
        temperature: > 0, or None. What cosines are divided by; None takes the scale that the layer `LogitScale`
            hands along with the views. Defaults to `0.5`.
        cross_replica: Where there are several replicas, compare with the samples of every one. Defaults to `True`.
        block_size: A whole number >= 1, or None. Anchors compared at a time; memory grows as block_size * B. None
            chooses: all of them in all but large batches. Defaults to `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"nt_xent"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: two views `(B, 2, D)`, or a pair of tensors `(B, D)`. y_true: unused, of any shape.
        Values: `(B,)`, in nats. A sample of weight 0 takes part in no comparison.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, arXiv:2002.05709.

    Example:
        >>> views = [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]]
        >>> print(f"{NTXent()(None, views):.4f}")
        0.2395
    """

    temperature: float | None = _field(default=0.5)
    def __init__(
        self,
        temperature: float | Moving | None = 0.5,
        *,
        cross_replica: bool = True,
        block_size: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class NegativeCosine(ViewsLoss):
    """Turns predictions toward their targets, which do not follow: `-cos(prediction, stop_gradient(target))`.

    The symmetric loss of the paper is two outputs of this: the prediction of each view with the projection of the other
    one as its target.

    Args:
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"negative_cosine"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, 2, D)`, prediction and target, or a pair of tensors `(B, D)`; y_true: unused, of any shape.
        Values: `(B,)`, from -1 (one direction) to 1 (opposite ones); 0 where one of the two is zero.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Chen & He, Exploring Simple Siamese Representation Learning, arXiv:2011.10566.

    Example:
        >>> loss = NegativeCosine()
        >>> print(f"{loss(None, [[[1.0, 0.0], [3.0, 4.0]]]):.4f}")
        -0.6000
    """

    def __init__(
        self,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Poly1(_ClassificationLoss):
    """Crossentropy over exclusive classes whose first polynomial term counts for more.

    `crossentropy + epsilon * (1 - p_t)`, with `p_t = sum_c y_c p_c`: of the expansion of -log p_t in powers of
    1 - p_t, the first coefficient is 1 + epsilon.

    Args:
        epsilon: >= -1. How much the first coefficient grows, 0 being plain crossentropy. Defaults to `1.0`.
        from_logits: Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions.
            Defaults to `False`.
        label_smoothing: In [0, 1). The s of targets `y(1 - s) + s/C`. A class ruled out by a logit of -inf then
            costs without bound. Defaults to `0.0`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out. Defaults to
            `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"poly1"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`; with C == 1 it is the probability (or logit) of the second of two classes.
        y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Leng et al., PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions, arXiv:2204.12511.

    Example:
        >>> loss = Poly1(epsilon=1.0)
        >>> print(f"{loss([0, 2], [[0.9, 0.05, 0.05], [0.2, 0.6, 0.2]]):.4f}")
        1.3074
    """

    epsilon: float = _field(default=1.0)
    from_logits: bool = _field(default=False)
    label_smoothing: float = _field(default=0.0)
    ignore_class: int | None = _field(default=None)
    def __init__(
        self,
        epsilon: float | Moving = 1.0,
        from_logits: bool = False,
        label_smoothing: float | Moving = 0.0,
        ignore_class: int | None = None,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class ProxyAnchor(BatchLoss, ClassLoss):
    """Draws far samples of each class to its centre, a proxy, and pushes near samples of other classes off.

    `1/|P+| sum_{p in P+} log(1 + sum_{x in X_p+} exp(-alpha (s_xp - margin)))
    + 1/|P| sum_{p in P} log(1 + sum_{x in X_p-} exp(alpha (s_xp + margin)))` of the cosines s between samples x and
    proxies p, one for each class: P are all, P+ those of classes that are in the batch, X_p+ the samples of that class
    and X_p- the others. Each logarithm is credited to its samples in proportion to their exponentials, of which shares
    there is no gradient: a weight of samples weighs the terms in which they matter.

    Args:
        margin: >= 0. In units of the cosine. Defaults to `0.1`.
        alpha: >= 0. What the cosines are multiplied with. Defaults to `32.0`.
        ignore_class: A whole number, or None. An id, of a class or not, whose samples are left out. Defaults to
            `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"proxy_anchor"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: cosines `(B, C)`, as `CosineHead` gives them; with C == 1 there is one proxy, and y_true is 1 or 0.
        y_true: ids `(B,)` or `(B, 1)`, or one-hot targets `(B, C)`; a sample may be of several classes, and of soft
        targets it is in both sums, with shares y and 1 - y. Values: `(B,)`, what is credited to each sample; their mean
        is the loss of the batch, which is that of all replicas. A sample of weight 0 or of an ignored class is in no
        sum. Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Kim et al., Proxy Anchor Loss for Deep Metric Learning, arXiv:2003.13911.

    Example:
        >>> loss = ProxyAnchor(margin=0.1, alpha=4.0)
        >>> print(f"{loss([0, 1], [[0.8, 0.1], [0.8, 0.1]]):.4f}")
        2.7751
    """

    margin: float = _field(default=0.1)
    alpha: float = _field(default=32.0)
    ignore_class: int | None = _field(default=None, kw_only=True)
    def __init__(
        self,
        margin: float | Moving = 0.1,
        alpha: float | Moving = 32.0,
        *,
        ignore_class: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class QualityFocal(_ClassificationLoss):
    """Crossentropy with a soft quality as its target, turned down where the prediction is close to it.

    Every element is a binary decision of its own: `abs(y - p)**beta * crossentropy(y, p)`, averaged over the last axis.
    The whole of it is differentiated, the power included.

    Args:
        beta: >= 0. How much good estimates are turned down, 0 being plain crossentropy. Defaults to `2.0`.
        from_logits: Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions.
            Defaults to `False`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"quality_focal"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)` or `(B,)`. y_true: qualities in [0, 1] of the same shape (say the IoU at the true class, 0
        elsewhere), or ids `(B, ...)` for quality 1. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Li et al., Generalized Focal Loss, arXiv:2006.04388.

    Example:
        >>> loss = QualityFocal()
        >>> print(f"{loss([[0.8, 0.0]], [[0.5, 0.2]]):.4f}")
        0.0357
    """

    beta: float = _field(default=2.0)
    from_logits: bool = _field(default=False)
    def __init__(
        self,
        beta: float | Moving = 2.0,
        from_logits: bool = False,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Quantile(_ErrorLoss):
    """Pinball loss, whose minimum is a quantile of the target rather than its mean.

    `max(q (y - p), (q - 1)(y - p))`: half of the absolute error at q = 0.5. With a list of quantiles there is one
    prediction for each of them, all of the same target. Where prediction and target are equal, the gradient is 0.

    Args:
        quantiles: A number or a list of numbers, In (0, 1). One, or Q of them. Defaults to `0.5`.
        ignore_nan: Leave NaN targets out of the mean over the last axis; a row with none left weighs nothing.
            Defaults to `False`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"quantile"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        For a number: y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C.
        For a list: y_pred: `(B, ..., Q)`; y_true: `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, the mean over Q.

    Raises:
        ValueError: If a quantile is not in (0, 1), or if the shapes do not fit, as `(B, Q)` targets of Q > 1 quantiles.

    Reference:
        Koenker & Bassett, Regression Quantiles, Econometrica 46(1), 1978, doi:10.2307/1913643.

    Example:
        >>> loss = Quantile(quantiles=[0.1, 0.5, 0.9])
        >>> print(f"{loss([5.0], [[3.0, 5.0, 6.0]]):.4f}")
        0.1000
    """

    quantiles: _Kept[float | list[float], float | Sequence[float] | _Array] = _field(default=0.5)
    def __init__(
        self,
        quantiles: float | Sequence[float] | _Array | Moving = 0.5,
        *,
        ignore_nan: bool = False,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class SigLIP(_MatrixLoss):
    """Says of every two views whether they are of one sample, each pair by itself.

    `sum_ij log(1 + exp(-z_ij (s_ij / temperature + bias))) / B` over cosines s_ij, z_ij being 1 where
    i = j and -1 elsewhere.

    Args:
        temperature: > 0, or None. What cosines are divided by; None takes the scale that the layer `LogitScale`
            hands along with the views. Defaults to `0.1`.
        bias: Added to the logits; that of the layer `LogitScale` where it hands one. Defaults to `-10.0`.
        cross_replica: Where there are several replicas, compare with the samples of every one. Defaults to `True`.
        block_size: A whole number >= 1, or None. Anchors compared at a time; memory grows as block_size * B. None
            chooses: all of them in all but large batches. Defaults to `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"siglip"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: two views `(B, 2, D)`, a pair of tensors `(B, D)`, or logits `(B, B)`, which are taken as they are.
        y_true: unused, of any shape. Values: `(B,)`, in nats, of a first view against all second ones. A sample of
        weight 0 takes part in no pair.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Zhai et al., Sigmoid Loss for Language Image Pre-Training, arXiv:2303.15343.

    Example:
        >>> views = [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]]
        >>> print(f"{SigLIP(bias=-5.0)(None, views):.4f}")
        0.0134
    """

    bias: float = _field(default=-10.0)
    def __init__(
        self,
        temperature: float | Moving | None = 0.1,
        bias: float | Moving = -10.0,
        *,
        cross_replica: bool = True,
        block_size: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class SoftTriple(_MarginLoss):
    """Softmax crossentropy with a margin, of the cosines to classes of several centres each.

    `-log(exp(scale (S_y - margin)) / (exp(scale (S_y - margin)) + sum_{c != y} exp(scale S_c)))`, with
    `S_c = sum_k softmax_k(s_ck / gamma) s_ck` of the cosines s to the K centres of class c: the nearest centres count
    most. The regularizer of the paper, which merges centres, is no part of it.

    Args:
        scale: > 0. What the cosines are multiplied with. Defaults to `20.0`.
        gamma: > 0. How much other centres of a class than the nearest count; toward 0 nothing. Defaults to `0.1`.
        margin: >= 0. In units of the cosine. Defaults to `0.01`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out. Defaults to
            `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"soft_triple"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: cosines `(B, C, K)`, as `CosineHead(..., pool=False)` gives them; with C == 1 they are those of the
        second of two classes, the first having 0. y_true: one-hot or soft targets `(B, C)`, of which each class has its
        share of the margin, or ids `(B,)` or `(B, 1)`. Values: `(B,)`, in nats. Targets are data: no gradient flows to
        `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Qian et al., SoftTriple Loss: Deep Metric Learning Without Triplet Sampling, arXiv:1909.05235.

    Example:
        >>> loss = SoftTriple(scale=4.0)
        >>> print(f"{loss([0, 1], [[[0.8, 0.2], [0.1, 0.0]], [[0.8, 0.2], [0.1, 0.0]]]):.4f}")
        1.5243
    """

    scale: float = _field(default=20.0)
    gamma: float = _field(default=0.1)
    margin: float = _field(default=0.01)
    def __init__(
        self,
        scale: float | Moving = 20.0,
        gamma: float | Moving = 0.1,
        margin: float | Moving = 0.01,
        *,
        ignore_class: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Sparsemax(_ClassificationLoss):
    """The loss whose gradient is sparsemax minus target: 0 as soon as the true class leads by 1.

    `-y.z + sum_{c in S} (z_c**2 - tau**2) / 2 + y.y / 2`, with S and tau the support and the threshold of
    `sparsemax(z) = max(z - tau, 0)`, the distribution that is nearest to z.

    Args:
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out. Defaults to
            `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"sparsemax_loss"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: logits `(B, ..., C)`; with C == 1 that of the second of two classes, the first having 0.
        y_true: one-hot or soft targets of that shape, which add up to 1, or ids `(B, ...)` or `(B, ..., 1)`. Values:
        `(B, ...)`, in the unit of the logits.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Martins & Astudillo, From Softmax to Sparsemax, arXiv:1602.02068.

    Example:
        >>> loss = Sparsemax()
        >>> print(f"{loss([0, 1], [[2.0, 0.5, -1.0], [2.0, 0.5, -1.0]]):.4f}")
        0.7500
    """

    ignore_class: int | None = _field(default=None, kw_only=True)
    def __init__(
        self,
        *,
        ignore_class: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class SupCon(PairLoss):
    """Each sample, by its softmax over the others, should pick those of its own id, all of them to the same extent.

    `-1/|P| sum_{p in P} log(exp(s_p / T) / sum_{a in A} exp(s_a / T))` for an anchor whose cosines with all others A
    are s, P being those of its id and T the temperature: the paper's L_out.

    Args:
        temperature: > 0. What cosines are divided by. Defaults to `0.1`.
        cross_replica: Where there are several replicas, compare with the samples of every one. Defaults to `True`.
        block_size: A whole number >= 1, or None. Anchors compared at a time; memory grows as block_size * B. None
            chooses: all of them in all but large batches. Defaults to `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"sup_con"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: embeddings `(B, D)`, or several views of each sample `(B, V, D)`, which are all anchors of its id.
        y_true: ids `(B,)` or `(B, 1)`, of any type that can be equal or not.
        Values: `(B,)`, each sample's share, without a unit; their mean is the mean over the anchors that have a
        positive. Others cost 0. A sample of weight 0 takes part in no pair.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Khosla et al., Supervised Contrastive Learning, arXiv:2004.11362.

    Example:
        >>> loss = SupCon(temperature=1.0)
        >>> print(f"{loss([0, 0, 1], [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]):.4f}")
        0.5032
    """

    temperature: float = _field(default=0.1)
    def __init__(
        self,
        temperature: float | Moving = 0.1,
        *,
        cross_replica: bool = True,
        block_size: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    @property
    def scale(self) -> float: ...
    def kernel(self) -> blocks.Kernel: ...

class SymmetricCrossentropy(_ClassificationLoss):
    """Crossentropy plus its reverse, in which the labels are what is uncertain, for noisy labels.

    `alpha * CE + beta * RCE` with `RCE = -sum_c p_c max(log y_c, -4)`, which for hard targets is 4 times the
    probability of the other classes.

    Args:
        alpha: >= 0. The weight of the crossentropy, which converges. Defaults to `0.1`.
        beta: >= 0. The weight of the reverse crossentropy, which does not overfit wrong labels. Defaults to `1.0`.
        from_logits: Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions.
            Defaults to `False`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out. Defaults to
            `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"symmetric_crossentropy"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`; with C == 1 it is the probability (or logit) of the second of two classes.
        y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Wang et al., Symmetric Cross Entropy for Robust Learning with Noisy Labels, arXiv:1908.06112.

    Example:
        >>> loss = SymmetricCrossentropy()
        >>> print(f"{loss([1], [[0.5, 0.5]]):.4f}")
        2.0693
    """

    alpha: float = _field(default=0.1)
    beta: float = _field(default=1.0)
    from_logits: bool = _field(default=False)
    ignore_class: int | None = _field(default=None, kw_only=True)
    def __init__(
        self,
        alpha: float | Moving = 0.1,
        beta: float | Moving = 1.0,
        from_logits: bool = False,
        *,
        ignore_class: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class Triplet(PairLoss):
    """Brings samples of one id closer to each other than to samples of other ids, by a margin.

    `max(d(anchor, positive) - d(anchor, negative) + margin, 0)`, for triplets mined in the batch or given.

    Args:
        margin: >= 0. In the unit of the distance; unused with `soft_margin`. Defaults to `1.0`.
        mining: `"semi_hard"`, `"hard"` or `"all"`. Which triplets of the batch count. `"semi_hard"`: each positive
            pair with the nearest negative farther than the positive, else the farthest negative; mean over positive
            pairs. `"hard"`: the farthest positive and the nearest negative of each anchor; mean over anchors that
            have both. `"all"`: every triplet; mean over those above 0. Defaults to `'semi_hard'`.
        distance: `"l2"`, `"squared_l2"` or `"cosine"`. `"cosine"` is 1 - cosine. Defaults to `'l2'`.
        soft_margin: `log(1 + exp(d(a, p) - d(a, n)))` in place of the hinge. Defaults to `False`.
        swap: For given triplets, use d(positive, negative) where it is less than d(anchor, negative). Defaults to
            `False`.
        cross_replica: Where there are several replicas, compare with the samples of every one. Defaults to `True`.
        block_size: A whole number >= 1, or None. Anchors compared at a time; memory grows as block_size * B. None
            chooses: all of them in all but large batches. Defaults to `None`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"triplet"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: embeddings `(B, D)`, or given triplets `(B, 3, D)`: anchor, positive, negative.
        y_true: ids `(B,)` or `(B, 1)`, of any type that can be equal or not; unused for given triplets.
        Values: `(B,)`, each anchor's share, in the unit of the distance; their mean is the loss of the batch. An anchor
        with nothing to compare costs 0. A sample of weight 0 takes part in no triplet.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Schroff, Kalenichenko & Philbin, FaceNet, arXiv:1503.03832 (semi-hard); Hermans, Beyer & Leibe, In Defense of
        the Triplet Loss, arXiv:1703.07737 (hard, all, soft margin); Balntas et al., Learning local feature descriptors
        with triplets and shallow convolutional neural networks, BMVC 2016 (swap).

    Example:
        >>> loss = Triplet(margin=1.0)
        >>> print(f"{loss([0, 0, 1, 1], [[0.0], [1.0], [1.5], [4.0]]):.4f}")
        0.7500
    """

    margin: float = _field(default=1.0)
    mining: Literal["semi_hard", "hard", "all"] = _field(default="semi_hard")
    distance: Literal["l2", "squared_l2", "cosine"] = _field(default="l2")
    soft_margin: bool = _field(default=False)
    swap: bool = _field(default=False)
    def __init__(
        self,
        margin: float | Moving = 1.0,
        mining: Literal["semi_hard", "hard", "all"] = "semi_hard",
        distance: Literal["l2", "squared_l2", "cosine"] = "l2",
        soft_margin: bool = False,
        swap: bool = False,
        *,
        cross_replica: bool = True,
        block_size: int | None = None,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    def kernel(self) -> blocks.Kernel: ...

class Tweedie(_RegressionLoss):
    """Deviance of amounts that are often 0 and otherwise positive, such as claims, rain or sales.

    `-y p**(1 - power) / (1 - power) + p**(2 - power) / (2 - power)`, half of the Tweedie deviance up to what depends on
    the target alone. The mean p is clipped from below at 1e-7, and a prediction below that gets no gradient: let the
    model end in `softplus` or `exponential`.

    Args:
        power: In (1, 2). That of the mean in the variance: towards 1 as for counts (Poisson), towards 2 as for
            positive amounts (gamma). Defaults to `1.5`.
        ignore_nan: Leave NaN targets out of the mean over the last axis; a row with none left weighs nothing.
            Defaults to `False`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"tweedie"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true, y_pred: `(B, ..., C)`, amounts >= 0 and positive means of them, or `(B,)`. Values: `(B, ...)`, the mean
        over C; their minimum is not 0, and they may be negative.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Jørgensen, Exponential Dispersion Models, Journal of the Royal Statistical Society B 49(2), 1987,
        doi:10.1111/j.2517-6161.1987.tb01685.x.

    Example:
        >>> loss = Tweedie()
        >>> print(f"{loss([[0.0, 4.0]], [[1.0, 4.0]]):.4f}")
        5.0000
    """

    power: float = _field(default=1.5)
    def __init__(
        self,
        power: float | Moving = 1.5,
        *,
        ignore_nan: bool = False,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    def pull_back(self, upstream: Any, y_true: Any, y_pred: Any) -> tuple[Any, Any]: ...

class UnifiedFocal(OverlapLoss):
    """Focal loss and focal Tversky loss under three parameters, for one rare class.

    The asymmetric form: `weight` times the mean over the positions of
    `(1 - delta)(1 - p_0)**gamma y_0 (-log p_0) + delta y_1 (-log p_1)`, plus `1 - weight` times the mean of `1 -
    TI_0` and `(1 - TI_1)**(1 - gamma)`, with `TI = (I + s) / (I + delta FN + (1 - delta) FP + s)`. Class 1 is the
    rare one: it is never turned down in the first part, and its misses count more in the second.

    Args:
        weight: In [0, 1]. The share of the focal part. Defaults to `0.5`.
        delta: In [0, 1]. The weight of the rare class, and of its misses against its false alarms. Defaults to
            `0.6`.
        gamma: In [0, 1]. How much the background is turned down, and the rare class turned up. Defaults to `0.5`.
        from_logits: Whether `y_pred` holds logits: of a softmax, or of sigmoids where C == 1 or `multilabel`.
            Defaults to `False`.
        multilabel: The classes do not exclude each other. Defaults to `False`.
        per_image: Sum over each image, or over the whole batch, where every image then has the loss of the batch.
            Defaults to `True`.
        include_background: Whether class 0 counts; False needs C > 1. Defaults to `True`.
        ignore_class: A whole number, or None. An id, of a class or not, whose positions are left out of the sums.
            Defaults to `None`.
        class_weights: A number or a list of numbers, >= 0, or None. One number per class that counts, for a
            weighted mean. Defaults to `None`.
        smooth: >= 0. The s of the formula. An image without a class that is predicted empty costs 0 whatever s is.
            Defaults to `1e-06`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"unified_focal"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)`. y_true: one-hot or soft targets of that shape, or ids `(B, ...)` or `(B, ..., 1)`; where
        C == 1, [1 - p, p] are the two classes. C > 2 raises. Values: `(B,)`, >= 0.
        sample_weight: `(B,)` weighs images, `(B, ...)` positions in sums and mean.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Yeung et al., Unified Focal loss, arXiv:2102.04525.

    Example:
        >>> mask, prediction = [[[1], [1], [0], [0]]], [[[1.0], [0.5], [0.5], [0.0]]]
        >>> print(f"{UnifiedFocal()(mask, prediction):.4f}")
        0.2640
    """

    weight: float = _field(default=0.5)
    delta: float = _field(default=0.6)
    gamma: float = _field(default=0.5)
    def __init__(
        self,
        weight: float | Moving = 0.5,
        delta: float | Moving = 0.6,
        gamma: float | Moving = 0.5,
        *,
        from_logits: bool = False,
        multilabel: bool = False,
        per_image: bool = True,
        include_background: bool = True,
        ignore_class: int | None = None,
        class_weights: float | Sequence[float] | _Array | Moving | None = None,
        smooth: float | Moving = 1e-06,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    @property
    def saturates(self) -> bool: ...

class VICReg(_MomentsLoss):
    """Brings two views of a sample together, and keeps the outputs spread out and uncorrelated.

    `invariance * mean (z - z')**2 + variance * (v + v') / 2 + covariance * (c + c')`, v being the mean over the outputs
    of `max(0, 1 - sqrt(var + 1e-4))` and c the sum of the squared covariances of different outputs, divided by D; both
    over the batch, and unbiased.

    Args:
        invariance: >= 0. The weight of the distance between the views of a sample. Defaults to `25.0`.
        variance: >= 0. The weight of what outputs lack to a deviation of 1. Defaults to `25.0`.
        covariance: >= 0. The weight of the covariances between different outputs. Defaults to `1.0`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"vicreg"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: two views `(B, 2, D)`, or a pair of tensors `(B, D)`; y_true: unused, of any shape.
        Values: `(B,)`, each sample's invariance term, and equal shares of what the other terms cost the batch, of all
        replicas. A sample alone, of which there is no variance, costs its invariance term. A sample of weight 0 takes
        part in no variance.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Bardes, Ponce & LeCun, VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning,
        arXiv:2105.04906.

    Example:
        >>> loss = VICReg()
        >>> print(f"{loss(None, [[[0.0, 0.1], [0.1, 0.1]], [[0.2, 0.3], [0.2, 0.2]]]):.2f}")
        22.46
    """

    invariance: float = _field(default=25.0)
    variance: float = _field(default=25.0)
    covariance: float = _field(default=1.0)
    def __init__(
        self,
        invariance: float | Moving = 25.0,
        variance: float | Moving = 25.0,
        covariance: float | Moving = 1.0,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...
    def spread(self, centred: Any, squares: Any, freedom: Any) -> Any: ...

class Varifocal(_ClassificationLoss):
    """Crossentropy with a soft quality as its target: positives weighed by their quality, easy negatives turned down.

    Every element is a binary decision of its own: `q * crossentropy(q, p)` for a quality `q > 0` and
    `alpha * p**gamma * (-log(1 - p))` for q = 0, averaged over the last axis. The whole of it is differentiated, the
    power included.

    Args:
        alpha: In [0, 1]. The weight of negatives. Defaults to `0.75`.
        gamma: >= 0. How much easy negatives are turned down. Defaults to `2.0`.
        from_logits: Whether `y_pred` holds logits, which keeps the gradient of wrong saturated predictions.
            Defaults to `False`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"varifocal"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: `(B, ..., C)` or `(B,)`. y_true: qualities in [0, 1] of the same shape (say the IoU at the true class, 0
        elsewhere), or ids `(B, ...)` for quality 1. Values: `(B, ...)`, in nats.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Zhang et al., VarifocalNet, arXiv:2008.13367.

    Example:
        >>> loss = Varifocal()
        >>> print(f"{loss([[0.8, 0.0]], [[0.5, 0.2]]):.4f}")
        0.2806
    """

    alpha: float = _field(default=0.75)
    gamma: float = _field(default=2.0)
    from_logits: bool = _field(default=False)
    def __init__(
        self,
        alpha: float | Moving = 0.75,
        gamma: float | Moving = 2.0,
        from_logits: bool = False,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class WeightedKappa(BatchLoss, _ClassificationLoss):
    """The logarithm of one minus Cohen's weighted kappa, for ordered classes: confusions cost by their distance.

    `log(O / E + epsilon)`: O the sum over the batch of `w_tj p_j`, t the true class, and E what O would be on average
    were the predictions dealt out to the samples at random.

    Args:
        weighting: `"quadratic"` or `"linear"`. w_ij is (i - j)**2, or abs(i - j). Defaults to `'quadratic'`.
        epsilon: > 0. Keeps the logarithm of a perfect prediction finite. Defaults to `1e-06`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"weighted_kappa"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_pred: probabilities `(B, C)`, the classes in their order; with C == 1 that of the second of two classes.
        y_true: one-hot or soft targets of that shape, or ids `(B,)` or `(B, 1)`.
        Values: `(B,)`, each the loss of the batch, of a replica its own, log(epsilon) at the least;
        0/0, one class that is predicted perfectly, counts as 0. A sample of weight 0 takes part in no sum.
        Targets are data: no gradient flows to `y_true`.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        de la Torre, Puig & Valls, Weighted kappa loss function for multi-class classification of ordinal data in deep
        learning, Pattern Recognition Letters 105, 2018, doi:10.1016/j.patrec.2017.05.018.

    Example:
        >>> loss = WeightedKappa()
        >>> print(f"{loss([0, 2], [[0.8, 0.1, 0.1], [0.1, 0.3, 0.6]]):.4f}")
        -1.0986
    """

    weighting: Literal["quadratic", "linear"] = _field(default="quadratic")
    epsilon: float = _field(default=1e-06)
    def __init__(
        self,
        weighting: Literal["quadratic", "linear"] = "quadratic",
        epsilon: float | Moving = 1e-06,
        *,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

class WeightedMSE(_ErrorLoss):
    """Mean squared error with a weight for each output.

    `mean(weight * (y_pred - y_true)**2)` over the last axis; the weights are not normalised.

    Args:
        weight: A number or a list of numbers, >= 0. One for all outputs, or one for each of the C outputs. Defaults
            to `1.0`.
        ignore_nan: Leave NaN targets out of the mean over the last axis; a row with none left weighs nothing.
            Defaults to `False`.
        reduction: How the values become the loss, as in `keras.losses.Loss`.
        name: Name of the instance; None means `"weighted_mse"`.
        dtype: Precision of the computation; None means Keras's `floatx`.

    Shapes:
        y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C, in that unit squared.

    Raises:
        ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
            fit, or if a target says nothing.

    Reference:
        Weighted least squares: Aitken, On Least Squares and Linear Combination of Observations, 1936,
        doi:10.1017/S0370164600014346.

    Example:
        >>> loss = WeightedMSE(weight=[1.0, 3.0])
        >>> print(f"{loss([[0.0, 0.0]], [[1.0, 2.0]]):.4f}")
        6.5000
    """

    weight: _Kept[float | list[float], float | Sequence[float] | _Array] = _field(default=1.0)
    def __init__(
        self,
        weight: float | Sequence[float] | _Array | Moving = 1.0,
        *,
        ignore_nan: bool = False,
        reduction: _Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | _DType | None = None,
    ) -> None: ...

@overload
def get(
    identifier: Literal["iou", "tfloss_ext>IoU", "IoU"],
    *,
    box_format: Literal["xyxy", "yxyx", "xywh", "cxcywh"] = "xyxy",
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> IoU: ...
@overload
def get(
    identifier: Literal["giou", "tfloss_ext>GIoU", "GIoU"],
    *,
    box_format: Literal["xyxy", "yxyx", "xywh", "cxcywh"] = "xyxy",
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> GIoU: ...
@overload
def get(
    identifier: Literal["diou", "tfloss_ext>DIoU", "DIoU"],
    *,
    box_format: Literal["xyxy", "yxyx", "xywh", "cxcywh"] = "xyxy",
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> DIoU: ...
@overload
def get(
    identifier: Literal["ciou", "tfloss_ext>CIoU", "CIoU"],
    *,
    box_format: Literal["xyxy", "yxyx", "xywh", "cxcywh"] = "xyxy",
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> CIoU: ...
@overload
def get(
    identifier: Literal["focal", "binary_focal", "tfloss_ext>Focal", "Focal"],
    *,
    gamma: float | Moving = 2.0,
    alpha: float | Moving | None = 0.25,
    from_logits: bool = False,
    label_smoothing: float | Moving = 0.0,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Focal: ...
@overload
def get(
    identifier: Literal[
        "categorical_focal",
        "sparse_categorical_focal",
        "tfloss_ext>CategoricalFocal",
        "CategoricalFocal",
    ],
    *,
    gamma: float | Moving = 2.0,
    alpha: float | Sequence[float] | _Array | Moving | None = None,
    from_logits: bool = False,
    label_smoothing: float | Moving = 0.0,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> CategoricalFocal: ...
@overload
def get(
    identifier: Literal["poly1", "tfloss_ext>Poly1", "Poly1"],
    *,
    epsilon: float | Moving = 1.0,
    from_logits: bool = False,
    label_smoothing: float | Moving = 0.0,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Poly1: ...
@overload
def get(
    identifier: Literal["logit_adjusted", "tfloss_ext>LogitAdjusted", "LogitAdjusted"],
    *,
    class_priors: Sequence[float] | _Array,
    tau: float | Moving = 1.0,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> LogitAdjusted: ...
@overload
def get(
    identifier: Literal["ldam", "tfloss_ext>LDAM", "LDAM"],
    *,
    samples_per_class: Sequence[float] | _Array,
    max_margin: float | Moving = 0.5,
    scale: float | Moving = 30.0,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> LDAM: ...
@overload
def get(
    identifier: Literal["symmetric_crossentropy", "tfloss_ext>SymmetricCrossentropy", "SymmetricCrossentropy"],
    *,
    alpha: float | Moving = 0.1,
    beta: float | Moving = 1.0,
    from_logits: bool = False,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> SymmetricCrossentropy: ...
@overload
def get(
    identifier: Literal["generalized_crossentropy", "tfloss_ext>GeneralizedCrossentropy", "GeneralizedCrossentropy"],
    *,
    q: float | Moving = 0.7,
    from_logits: bool = False,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> GeneralizedCrossentropy: ...
@overload
def get(
    identifier: Literal["asymmetric", "tfloss_ext>Asymmetric", "Asymmetric"],
    *,
    gamma_neg: float | Moving = 4.0,
    gamma_pos: float | Moving = 1.0,
    clip: float | Moving = 0.05,
    from_logits: bool = False,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Asymmetric: ...
@overload
def get(
    identifier: Literal["quality_focal", "tfloss_ext>QualityFocal", "QualityFocal"],
    *,
    beta: float | Moving = 2.0,
    from_logits: bool = False,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> QualityFocal: ...
@overload
def get(
    identifier: Literal["varifocal", "tfloss_ext>Varifocal", "Varifocal"],
    *,
    alpha: float | Moving = 0.75,
    gamma: float | Moving = 2.0,
    from_logits: bool = False,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Varifocal: ...
@overload
def get(
    identifier: Literal["coral", "tfloss_ext>Coral", "Coral"],
    *,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Coral: ...
@overload
def get(
    identifier: Literal["weighted_kappa", "tfloss_ext>WeightedKappa", "WeightedKappa"],
    *,
    weighting: Literal["quadratic", "linear"] = "quadratic",
    epsilon: float | Moving = 1e-06,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> WeightedKappa: ...
@overload
def get(
    identifier: Literal["sparsemax_loss", "tfloss_ext>Sparsemax", "Sparsemax"],
    *,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Sparsemax: ...
@overload
def get(
    identifier: Literal["bi_tempered", "tfloss_ext>BiTempered", "BiTempered"],
    *,
    t1: float | Moving = 0.8,
    t2: float | Moving = 1.2,
    label_smoothing: float | Moving = 0.0,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> BiTempered: ...
@overload
def get(
    identifier: Literal["nt_xent", "tfloss_ext>NTXent", "NTXent"],
    *,
    temperature: float | Moving | None = 0.5,
    cross_replica: bool = True,
    block_size: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> NTXent: ...
@overload
def get(
    identifier: Literal["info_nce", "clip", "tfloss_ext>InfoNCE", "InfoNCE"],
    *,
    temperature: float | Moving | None = 0.07,
    symmetric: bool = True,
    cross_replica: bool = True,
    block_size: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> InfoNCE: ...
@overload
def get(
    identifier: Literal["siglip", "tfloss_ext>SigLIP", "SigLIP"],
    *,
    temperature: float | Moving | None = 0.1,
    bias: float | Moving = -10.0,
    cross_replica: bool = True,
    block_size: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> SigLIP: ...
@overload
def get(
    identifier: Literal["contrastive", "tfloss_ext>Contrastive", "Contrastive"],
    *,
    margin: float | Moving = 1.0,
    distance: Literal["l2", "cosine"] = "l2",
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Contrastive: ...
@overload
def get(
    identifier: Literal["triplet", "tfloss_ext>Triplet", "Triplet"],
    *,
    margin: float | Moving = 1.0,
    mining: Literal["semi_hard", "hard", "all"] = "semi_hard",
    distance: Literal["l2", "squared_l2", "cosine"] = "l2",
    soft_margin: bool = False,
    swap: bool = False,
    cross_replica: bool = True,
    block_size: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Triplet: ...
@overload
def get(
    identifier: Literal["sup_con", "tfloss_ext>SupCon", "SupCon"],
    *,
    temperature: float | Moving = 0.1,
    cross_replica: bool = True,
    block_size: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> SupCon: ...
@overload
def get(
    identifier: Literal["multi_similarity", "tfloss_ext>MultiSimilarity", "MultiSimilarity"],
    *,
    alpha: float | Moving = 2.0,
    beta: float | Moving = 50.0,
    base: float | Moving = 0.5,
    epsilon: float | Moving | None = 0.1,
    cross_replica: bool = True,
    block_size: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> MultiSimilarity: ...
@overload
def get(
    identifier: Literal["circle_loss", "tfloss_ext>Circle", "Circle"],
    *,
    gamma: float | Moving = 80.0,
    margin: float | Moving = 0.4,
    cross_replica: bool = True,
    block_size: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Circle: ...
@overload
def get(
    identifier: Literal["lifted_structure", "tfloss_ext>LiftedStructure", "LiftedStructure"],
    *,
    margin: float | Moving = 1.0,
    distance: Literal["l2", "squared_l2", "cosine"] = "l2",
    cross_replica: bool = True,
    block_size: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> LiftedStructure: ...
@overload
def get(
    identifier: Literal["n_pairs", "tfloss_ext>NPairs", "NPairs"],
    *,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> NPairs: ...
@overload
def get(
    identifier: Literal["arcface", "tfloss_ext>ArcFace", "ArcFace"],
    *,
    margin: float | Moving = 0.5,
    scale: float | Moving = 64.0,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> ArcFace: ...
@overload
def get(
    identifier: Literal["cosface", "tfloss_ext>CosFace", "CosFace"],
    *,
    margin: float | Moving = 0.35,
    scale: float | Moving = 64.0,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> CosFace: ...
@overload
def get(
    identifier: Literal["soft_triple", "tfloss_ext>SoftTriple", "SoftTriple"],
    *,
    scale: float | Moving = 20.0,
    gamma: float | Moving = 0.1,
    margin: float | Moving = 0.01,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> SoftTriple: ...
@overload
def get(
    identifier: Literal["proxy_anchor", "tfloss_ext>ProxyAnchor", "ProxyAnchor"],
    *,
    margin: float | Moving = 0.1,
    alpha: float | Moving = 32.0,
    ignore_class: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> ProxyAnchor: ...
@overload
def get(
    identifier: Literal["dice_loss", "soft_dice", "tfloss_ext>Dice", "Dice"],
    *,
    squared: bool = False,
    from_logits: bool = False,
    multilabel: bool = False,
    per_image: bool = True,
    include_background: bool = True,
    ignore_class: int | None = None,
    class_weights: float | Sequence[float] | _Array | Moving | None = None,
    smooth: float | Moving = 1e-06,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Dice: ...
@overload
def get(
    identifier: Literal["jaccard", "iou_loss", "tfloss_ext>Jaccard", "Jaccard"],
    *,
    from_logits: bool = False,
    multilabel: bool = False,
    per_image: bool = True,
    include_background: bool = True,
    ignore_class: int | None = None,
    class_weights: float | Sequence[float] | _Array | Moving | None = None,
    smooth: float | Moving = 1e-06,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Jaccard: ...
@overload
def get(
    identifier: Literal["tversky_loss", "tfloss_ext>Tversky", "Tversky"],
    *,
    alpha: float | Moving = 0.3,
    beta: float | Moving = 0.7,
    from_logits: bool = False,
    multilabel: bool = False,
    per_image: bool = True,
    include_background: bool = True,
    ignore_class: int | None = None,
    class_weights: float | Sequence[float] | _Array | Moving | None = None,
    smooth: float | Moving = 1e-06,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Tversky: ...
@overload
def get(
    identifier: Literal["focal_tversky", "tfloss_ext>FocalTversky", "FocalTversky"],
    *,
    alpha: float | Moving = 0.3,
    beta: float | Moving = 0.7,
    gamma: float | Moving = 1.3333333333333333,
    from_logits: bool = False,
    multilabel: bool = False,
    per_image: bool = True,
    include_background: bool = True,
    ignore_class: int | None = None,
    class_weights: float | Sequence[float] | _Array | Moving | None = None,
    smooth: float | Moving = 1e-06,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> FocalTversky: ...
@overload
def get(
    identifier: Literal["generalized_dice", "tfloss_ext>GeneralizedDice", "GeneralizedDice"],
    *,
    weighting: Literal["square", "simple", "uniform"] = "square",
    from_logits: bool = False,
    multilabel: bool = False,
    per_image: bool = True,
    include_background: bool = True,
    ignore_class: int | None = None,
    smooth: float | Moving = 1e-06,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> GeneralizedDice: ...
@overload
def get(
    identifier: Literal["mcc", "tfloss_ext>MCC", "MCC"],
    *,
    from_logits: bool = False,
    multilabel: bool = False,
    per_image: bool = True,
    include_background: bool = True,
    ignore_class: int | None = None,
    class_weights: float | Sequence[float] | _Array | Moving | None = None,
    smooth: float | Moving = 1e-06,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> MCC: ...
@overload
def get(
    identifier: Literal["lovasz", "tfloss_ext>Lovasz", "Lovasz"],
    *,
    from_logits: bool = False,
    multilabel: bool = False,
    per_image: bool = True,
    include_background: bool = True,
    ignore_class: int | None = None,
    class_weights: float | Sequence[float] | _Array | Moving | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Lovasz: ...
@overload
def get(
    identifier: Literal["cl_dice", "tfloss_ext>ClDice", "ClDice"],
    *,
    iterations: int = 3,
    alpha: float | Moving = 0.5,
    from_logits: bool = False,
    multilabel: bool = False,
    per_image: bool = True,
    include_background: bool = True,
    ignore_class: int | None = None,
    class_weights: float | Sequence[float] | _Array | Moving | None = None,
    smooth: float | Moving = 1e-06,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> ClDice: ...
@overload
def get(
    identifier: Literal["boundary", "tfloss_ext>Boundary", "Boundary"],
    *,
    from_logits: bool = False,
    multilabel: bool = False,
    per_image: bool = True,
    include_background: bool = True,
    ignore_class: int | None = None,
    class_weights: float | Sequence[float] | _Array | Moving | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Boundary: ...
@overload
def get(
    identifier: Literal["dice_crossentropy", "dice_ce", "tfloss_ext>DiceCrossentropy", "DiceCrossentropy"],
    *,
    dice_weight: float | Moving = 1.0,
    crossentropy_weight: float | Moving = 1.0,
    from_logits: bool = False,
    multilabel: bool = False,
    per_image: bool = True,
    include_background: bool = True,
    ignore_class: int | None = None,
    class_weights: float | Sequence[float] | _Array | Moving | None = None,
    smooth: float | Moving = 1e-06,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> DiceCrossentropy: ...
@overload
def get(
    identifier: Literal["dice_focal", "tfloss_ext>DiceFocal", "DiceFocal"],
    *,
    dice_weight: float | Moving = 1.0,
    focal_weight: float | Moving = 1.0,
    gamma: float | Moving = 2.0,
    alpha: float | Sequence[float] | _Array | Moving | None = None,
    from_logits: bool = False,
    multilabel: bool = False,
    per_image: bool = True,
    include_background: bool = True,
    ignore_class: int | None = None,
    class_weights: float | Sequence[float] | _Array | Moving | None = None,
    smooth: float | Moving = 1e-06,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> DiceFocal: ...
@overload
def get(
    identifier: Literal["unified_focal", "tfloss_ext>UnifiedFocal", "UnifiedFocal"],
    *,
    weight: float | Moving = 0.5,
    delta: float | Moving = 0.6,
    gamma: float | Moving = 0.5,
    from_logits: bool = False,
    multilabel: bool = False,
    per_image: bool = True,
    include_background: bool = True,
    ignore_class: int | None = None,
    class_weights: float | Sequence[float] | _Array | Moving | None = None,
    smooth: float | Moving = 1e-06,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> UnifiedFocal: ...
@overload
def get(
    identifier: Literal["log_cosh_loss", "logcosh", "tfloss_ext>LogCosh", "LogCosh"],
    *,
    ignore_nan: bool = False,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> LogCosh: ...
@overload
def get(
    identifier: Literal["weighted_mse", "tfloss_ext>WeightedMSE", "WeightedMSE"],
    *,
    weight: float | Sequence[float] | _Array | Moving = 1.0,
    ignore_nan: bool = False,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> WeightedMSE: ...
@overload
def get(
    identifier: Literal["quantile", "pinball", "tfloss_ext>Quantile", "Quantile"],
    *,
    quantiles: float | Sequence[float] | _Array | Moving = 0.5,
    ignore_nan: bool = False,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Quantile: ...
@overload
def get(
    identifier: Literal["expectile", "tfloss_ext>Expectile", "Expectile"],
    *,
    tau: float | Moving = 0.5,
    ignore_nan: bool = False,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Expectile: ...
@overload
def get(
    identifier: Literal["charbonnier", "tfloss_ext>Charbonnier", "Charbonnier"],
    *,
    epsilon: float | Moving = 0.001,
    ignore_nan: bool = False,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Charbonnier: ...
@overload
def get(
    identifier: Literal["general_robust", "tfloss_ext>GeneralRobust", "GeneralRobust"],
    *,
    alpha: float | Literal["-inf"] | Moving = 1.0,
    scale: float | Moving = 1.0,
    ignore_nan: bool = False,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> GeneralRobust: ...
@overload
def get(
    identifier: Literal["gaussian_nll", "tfloss_ext>GaussianNLL", "GaussianNLL"],
    *,
    beta: float | Moving = 0.0,
    full: bool = False,
    ignore_nan: bool = False,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> GaussianNLL: ...
@overload
def get(
    identifier: Literal["tweedie", "tfloss_ext>Tweedie", "Tweedie"],
    *,
    power: float | Moving = 1.5,
    ignore_nan: bool = False,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> Tweedie: ...
@overload
def get(
    identifier: Literal["negative_cosine", "tfloss_ext>NegativeCosine", "NegativeCosine"],
    *,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> NegativeCosine: ...
@overload
def get(
    identifier: Literal["barlow_twins", "tfloss_ext>BarlowTwins", "BarlowTwins"],
    *,
    redundancy: float | Moving = 0.005,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> BarlowTwins: ...
@overload
def get(
    identifier: Literal["vicreg", "tfloss_ext>VICReg", "VICReg"],
    *,
    invariance: float | Moving = 25.0,
    variance: float | Moving = 25.0,
    covariance: float | Moving = 1.0,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: str | _DType | None = None,
) -> VICReg: ...
@overload
def get(
    identifier: Literal["triplet_all"],
    *,
    margin: float | Moving = 1.0,
    mining: Literal["semi_hard", "hard", "all"] = "all",
    distance: Literal["l2", "squared_l2", "cosine"] = "l2",
    soft_margin: bool = False,
    swap: bool = False,
    cross_replica: bool = True,
    block_size: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = "triplet_all",
    dtype: str | _DType | None = None,
) -> Triplet: ...
@overload
def get(
    identifier: Literal["triplet_hard"],
    *,
    margin: float | Moving = 1.0,
    mining: Literal["semi_hard", "hard", "all"] = "hard",
    distance: Literal["l2", "squared_l2", "cosine"] = "l2",
    soft_margin: bool = False,
    swap: bool = False,
    cross_replica: bool = True,
    block_size: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = "triplet_hard",
    dtype: str | _DType | None = None,
) -> Triplet: ...
@overload
def get(
    identifier: Literal["triplet_semi_hard"],
    *,
    margin: float | Moving = 1.0,
    mining: Literal["semi_hard", "hard", "all"] = "semi_hard",
    distance: Literal["l2", "squared_l2", "cosine"] = "l2",
    soft_margin: bool = False,
    swap: bool = False,
    cross_replica: bool = True,
    block_size: int | None = None,
    reduction: _Reduction | None = "sum_over_batch_size",
    name: str | None = "triplet_semi_hard",
    dtype: str | _DType | None = None,
) -> Triplet: ...
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

__all__ = [
    "LDAM",
    "MCC",
    "ArcFace",
    "Asymmetric",
    "BarlowTwins",
    "BatchLoss",
    "BiTempered",
    "Boundary",
    "CIoU",
    "CachedEncoder",
    "CategoricalFocal",
    "Charbonnier",
    "Circle",
    "ClDice",
    "ClassLoss",
    "Contrastive",
    "Coral",
    "CosFace",
    "CosineHead",
    "DIoU",
    "DeepSupervision",
    "Dice",
    "DiceCrossentropy",
    "DiceFocal",
    "DynamicWeightAverage",
    "Expectile",
    "Focal",
    "FocalTversky",
    "GIoU",
    "GaussianNLL",
    "GeneralRobust",
    "GeneralizedCrossentropy",
    "GeneralizedDice",
    "HardExamples",
    "InfoNCE",
    "IoU",
    "Jaccard",
    "LiftedStructure",
    "LogCosh",
    "LogitAdjusted",
    "LogitScale",
    "Loss",
    "LossMetric",
    "LossSum",
    "Lovasz",
    "MultiSimilarity",
    "NPairs",
    "NTXent",
    "NegativeCosine",
    "OverlapLoss",
    "PairLoss",
    "Poly1",
    "ProxyAnchor",
    "QualityFocal",
    "Quantile",
    "SampleLosses",
    "Scheduled",
    "SigLIP",
    "SoftTriple",
    "Sparsemax",
    "StepCounter",
    "SupCon",
    "SymmetricCrossentropy",
    "TaskWeight",
    "TaskWeights",
    "Triplet",
    "Tversky",
    "Tweedie",
    "UncertaintyWeights",
    "UnifiedFocal",
    "VICReg",
    "Varifocal",
    "ViewsLoss",
    "WeightedKappa",
    "WeightedMSE",
    "check_targets",
    "choice",
    "effective_number_weights",
    "flag",
    "get",
    "loss",
    "names",
    "number",
    "numbers",
    "set_compiled",
    "signed_distance_map",
    "weighted_sum",
    "whole",
    "wrap",
]

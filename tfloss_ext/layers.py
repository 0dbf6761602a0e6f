# SPDX-License-Identifier: Apache-2.0
"""Layers that hold what losses of this package learn beside the network: losses themselves hold no state."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from tfloss_ext import handing, numerics
from tfloss_ext.parameters import checked, flag, number, whole
from tfloss_ext.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class CosineHead(keras.layers.Layer):
    """The cosines between embeddings and learned centres of classes, for ArcFace and its like.

    Embeddings and centres are normalised to length 1, in float32 at least, and multiplied. A zero vector has cosines of
    0. With several centres a class has the cosine of the nearest, as in sub-center ArcFace, where noisy samples gather
    around centres of their own.

    Args:
        units: A whole number >= 1. How many classes there are.
        sub_centers: A whole number >= 1. How many centres each class has.
        pool: Whether a class of several centres has the cosine of the nearest; without, there is an axis of them, as
            SoftTriple takes it.
        kernel_initializer: Of the centres; as in `keras.layers.Dense`, like what follows.
        kernel_regularizer: Of the centres. Their length does not change the cosines.
        kernel_constraint: Of the centres.
        **kwargs: What every layer takes, such as `name` and `dtype`. Under mixed precision the cosines are of half
            precision, as the outputs of any layer, in steps of 0.0005 (float16) or 0.004 (bfloat16) near 1; with
            `dtype="float32"`, as is usual for the last layer, no margin is lost to them.

    Shapes:
        inputs: embeddings `(..., D)`. outputs: cosines `(..., units)`, or `(..., units, sub_centers)` where `pool` is
        False. A mask passes unchanged. `kernel`: `(D, units * sub_centers)`, the centres of a class beside each other.

    Raises:
        ValueError: If a parameter is out of its range, or if D is unknown.

    Reference:
        Deng et al., Sub-center ArcFace: Boosting Face Recognition by Large-scale Noisy Web Faces, ECCV 2020,
        doi:10.1007/978-3-030-58621-8_43.

    Example:
        >>> import numpy as np
        >>> head = CosineHead(10, sub_centers=3)
        >>> print(tuple(head(np.ones((2, 64))).shape))
        (2, 10)
        >>> model = keras.Sequential([keras.layers.Dense(64), CosineHead(10)])
        >>> model.compile("adam", loss="arcface")
    """

    def __init__(
        self,
        units: int,
        sub_centers: int = 1,
        pool: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        kernel_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = checked("units", units, whole(at_least=1))
        self.sub_centers = checked("sub_centers", sub_centers, whole(at_least=1))
        self.pool = checked("pool", pool, flag())
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Make the centres, as wide as the embeddings."""
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(f"Expected inputs (..., D) with a known D. Received: input_shape={tuple(input_shape)}")
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units * self.sub_centers),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The cosines of embeddings."""
        centers = ops.transpose(self._directions(ops.transpose(ops.convert_to_tensor(self.kernel))))
        # Not `ops.matmul`, which makes float32 of float64 on PyTorch.
        cosines = self._directions(inputs) @ centers
        if self.sub_centers == 1 and self.pool:
            return cosines
        cosines = ops.reshape(cosines, (*ops.shape(cosines)[:-1], self.units, self.sub_centers))
        return ops.max(cosines, axis=-1) if self.pool else cosines

    def _directions(self, vectors: Any) -> Any:
        """Vectors of length 1, which is found in float32 at least: squares leave the range of float16."""
        wide = "float64" if self.compute_dtype == "float64" else "float32"
        return ops.cast(numerics.normalize(ops.cast(vectors, wide)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`(..., units)`, or `(..., units, sub_centers)`."""
        centers = () if self.pool else (self.sub_centers,)
        return (*tuple(input_shape)[:-1], self.units, *centers)

    def get_config(self) -> dict[str, Any]:
        """Every argument of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "sub_centers": self.sub_centers,
            "pool": self.pool,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
        }


class _AtMost(keras.constraints.Constraint):
    """Keeps a weight from growing beyond a number."""

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def __call__(self, weight: Any) -> Any:
        return ops.minimum(weight, self.bound)


@keras.saving.register_keras_serializable(package=PACKAGE)
class LogitScale(keras.layers.Layer):
    """Learns the scale, one over the temperature, of a contrastive loss.

    It passes embeddings on as they are and hands its scale along with them, to `NTXent`, `InfoNCE` and `SigLIP` with
    `temperature=None`. It has to be what the loss gets its predictions from: the last layer of the model, or of that
    output.

    Args:
        initial: The scale to begin with, > 0.
        maximum: What the scale does not exceed, >= initial. The weight itself is kept below its logarithm.
        bias: The bias of the logits to begin with, for `SigLIP`; None means that none is learned.

    Shapes:
        A tensor of embeddings, such as two views `(B, 2, D)`, or a list or tuple of them, and the same comes out, of
        a list a tuple.

    Raises:
        ValueError: If `initial` or `maximum` is out of range.

    Reference:
        Radford et al., Learning Transferable Visual Models From Natural Language Supervision, arXiv:2103.00020.

    Example:
        >>> import keras
        >>> from tfloss_ext import InfoNCE, LogitScale
        >>> image, text = keras.Input((32,)), keras.Input((16,))
        >>> pair = LogitScale()([keras.layers.Dense(8)(image), keras.layers.Dense(8)(text)])
        >>> model = keras.Model([image, text], {"pair": pair})
        >>> model.compile("adam", loss={"pair": InfoNCE(temperature=None)})
    """

    def __init__(
        self, initial: float = 1 / 0.07, maximum: float = 100.0, bias: float | None = None, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self.initial = checked("initial", initial, number(above=0))
        self.maximum = checked("maximum", maximum, number(at_least=self.initial))
        self.bias = checked("bias", bias, number(optional=True))
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Make the weights: the logarithm of the scale, and the bias."""

        def weight(name: str, value: float, **arguments: Any) -> Any:
            # Not in half precision, in which a step of a scale is lost.
            return self.add_weight(
                name=name, shape=(), initializer=keras.initializers.Constant(value), autocast=False, **arguments
            )

        self.log_scale = weight("log_scale", math.log(self.initial), constraint=_AtMost(math.log(self.maximum)))
        self.learned_bias = None if self.bias is None else weight("bias", self.bias)

    @property
    def scale(self) -> Any:
        """What cosines are multiplied with now."""
        return ops.exp(ops.convert_to_tensor(self.log_scale))

    def call(self, inputs: Any) -> Any:
        """The embeddings, which know the scale."""
        if isinstance(inputs, (list, tuple)):
            return tuple(map(self.call, inputs))
        handed = {"scale": self.scale}
        if self.learned_bias is not None:
            handed["bias"] = ops.convert_to_tensor(self.learned_bias)
        return handing.passed_on(inputs, **handed)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what comes in."""
        pair = isinstance(input_shape, (list, tuple)) and any(isinstance(each, (list, tuple)) for each in input_shape)
        return tuple(map(tuple, input_shape)) if pair else tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Every argument of the constructor."""
        return {**super().get_config(), "initial": self.initial, "maximum": self.maximum, "bias": self.bias}

# SPDX-License-Identifier: Apache-2.0
"""Layers that hold what a loss learns: losses themselves have no state."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from tfloss_ext import handing, registry


class _AtMost(keras.constraints.Constraint):
    """Keeps a weight from growing beyond a number."""

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def __call__(self, weight: Any) -> Any:
        return ops.minimum(weight, self.bound)


@keras.saving.register_keras_serializable(package=registry.PACKAGE)
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
        if not initial > 0:
            raise ValueError(f"LogitScale: Expected initial > 0. Received: initial={initial}")
        if not maximum >= initial:
            raise ValueError(f"LogitScale: Expected maximum >= initial. Received: maximum={maximum}, initial={initial}")
        self.initial, self.maximum, self.bias = initial, maximum, bias
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
        return handing.hand(ops.copy(inputs), **handed)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what comes in."""
        pair = isinstance(input_shape, (list, tuple)) and any(isinstance(each, (list, tuple)) for each in input_shape)
        return tuple(map(tuple, input_shape)) if pair else tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Every argument of the constructor."""
        return {**super().get_config(), "initial": self.initial, "maximum": self.maximum, "bias": self.bias}

# SPDX-License-Identifier: Apache-2.0
"""Deep supervision: one loss over outputs of several resolutions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tfloss_ext import registry
from tfloss_ext.compose import Addable, OfLoss
from tfloss_ext.parameters import checked, numbers


@keras.saving.register_keras_serializable(package=registry.PACKAGE)
class DeepSupervision(OfLoss, Addable, keras.losses.Loss):
    """The weighted mean of a loss over outputs of several resolutions, against the same targets.

    `sum_i w_i loss(y_i, p_i) / sum_i w_i`, the weights being 1, 1/2, 1/4 and so on where none are given, as in nnU-Net.
    y_i are the targets at the resolution of the output p_i: of each position those at its middle.

    Args:
        loss: The loss at each resolution, ours or another `keras.losses.Loss`, or what `tfloss_ext.get` finds by it.
        weights: A list of numbers >= 0, or None. One for each output, in their order.
        name: Name of the instance; None means `"deep_supervision"`.

    Shapes:
        y_pred: a tuple of tensors `(B, ..., C)`, the finest usually first, with as many axes each. y_true: at any
        resolution, as the loss takes them: `(B, ...)`, `(B, ..., 1)` or `(B, ..., C)`. Weights of samples are `(B,)`,
        those of positions have the resolution of y_true. Values: what the loss gives, a scalar.

    Raises:
        ValueError: If there is not one weight for each output, if the loss is not reduced, or if the axes do not fit.

    Reference:
        Isensee et al., nnU-Net, Nature Methods 2021, doi:10.1038/s41592-020-01008-z; Lee et al., Deeply-Supervised
        Nets, arXiv:1409.5185.

    Example:
        >>> import numpy as np
        >>> loss = DeepSupervision("log_cosh_loss")
        >>> fine, coarse = np.zeros((1, 4, 4, 1)), np.ones((1, 2, 2, 1))
        >>> print(f"{loss(np.zeros((1, 4, 4, 1)), (fine, coarse)):.4f}")
        0.1446
        >>> image = keras.Input((8, 8, 1))
        >>> half = keras.layers.AveragePooling2D(2)(image)
        >>> heads = [keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x) for x in (image, half)]
        >>> model = keras.Model(image, {"mask": tuple(heads)})
        >>> model.compile("sgd", loss={"mask": DeepSupervision("dice_loss")})
        >>> logs = model.fit(np.zeros((2, 8, 8, 1)), {"mask": np.ones((2, 8, 8, 1))}, verbose=0)
    """

    def __init__(self, loss: Any, weights: Sequence[float] | None = None, name: str | None = None) -> None:
        self.loss = registry.instance(loss)
        if self.loss.reduction in (None, "none"):
            raise ValueError(f"Expected a loss that is reduced to a number. Received: {self.loss!r}")
        self.weights = checked("weights", weights, numbers(at_least=0, optional=True, single=False))
        if self.weights is not None and not any(self.weights):
            raise ValueError(f"Expected a weight above 0. Received: weights={weights!r}")
        super().__init__(name=name or "deep_supervision", reduction=self.loss.reduction)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The weighted mean of what the loss gives at each resolution."""
        outputs = y_pred if isinstance(y_pred, (list, tuple)) else [y_pred]
        weights = self.weights or [0.5**i for i in range(len(outputs))]
        if len(weights) != len(outputs):
            raise ValueError(f"Expected a weight for each of {len(outputs)} outputs. Received: weights={weights}")
        terms = []
        for weight, output in zip(weights, outputs, strict=True):
            if weight:
                sizes = tuple(output.shape)[1:-1]
                found = self.loss(_at(y_true, sizes), output, _at(sample_weight, sizes))
                terms.append(weight / sum(weights) * found)
        return functools.reduce(ops.add, terms)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The same: `__call__` knows the weights of samples."""
        return self(y_true, y_pred)


def _at(tensor: Any, sizes: Sequence[int | None]) -> Any:
    """Of `(B, ...)`, or more axes behind, what lies in the middle of each position of a grid of other sizes."""
    if tensor is None or not hasattr(tensor, "shape"):
        tensor = None if tensor is None else np.asarray(tensor)
    if tensor is None or len(tensor.shape) < 1 + len(sizes):
        return tensor  # A number, or one for each sample.
    for axis, size in enumerate(sizes, 1):
        own = tensor.shape[axis]
        if own is None or size is None:
            raise ValueError(
                f"Expected positions of known sizes. Received: targets or weights of shape {tuple(tensor.shape)} for "
                f"an output of {tuple(sizes)}"
            )
        if own != size:
            middles = ((np.arange(size) + 0.5) * own / size).astype("int32")
            tensor = ops.take(tensor, middles, axis=axis)
    return tensor

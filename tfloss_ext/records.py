# SPDX-License-Identifier: Apache-2.0
"""What each sample costs as a model is trained, and which of them look mislabelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from tfloss_ext import gradients, registry
from tfloss_ext.compose import LossSum, described
from tfloss_ext.parameters import checked, whole


class SampleLosses(keras.callbacks.Callback):
    """Records the loss of each sample at the end of every epoch, of any loss, and names the hardest ones.

    A sample that costs much in epoch after epoch, while the others are learnt, is rare, hard or mislabelled: the mean
    over the epochs finds it, where the loss of a single epoch may not. Predictions are made anew, as `evaluate` makes
    them; nothing is trained on them.

    Args:
        x: Inputs of the model, as `predict` takes them, such as those it is trained on.
        y: Their targets, an array with one entry for each.
        sample_weight: None, or weights as the loss takes them. They weigh what is recorded.
        loss: None for the loss that the model is compiled with, or a loss, or what `tfloss_ext.get` finds by it.
        output: Of a model with several outputs, the name or the number of the one that is looked at.
        batch_size: A whole number >= 1. How many samples are predicted, and compared by losses over the batch, at a
            time.
        report: A whole number >= 0. How many of the hardest are printed at the end of an epoch.

    Attributes:
        losses: An array (N,) for each epoch: of each sample the mean over its values.

    Raises:
        ValueError: If a number is out of its range, or if it is not clear which output or loss is meant.

    Reference:
        For mislabelled samples: Pleiss et al., Identifying Mislabeled Data using the Area Under the Margin Ranking,
        arXiv:2001.10528.

    Example:
        >>> import numpy as np
        >>> x, y = np.linspace(-1, 1, 32)[:, None], (np.linspace(-1, 1, 32) > 0).astype("float32")[:, None]
        >>> y[3] = 1.0
        >>> model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid", kernel_initializer="ones")])
        >>> model.compile(keras.optimizers.SGD(0.5), "binary_focal")
        >>> record = SampleLosses(x, y)
        >>> history = model.fit(x, y, epochs=3, verbose=0, callbacks=[record])
        >>> record.hardest(1)
        array([3])
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        loss: Any = None,
        output: str | int | None = None,
        batch_size: int = 32,
        report: int = 0,
    ) -> None:
        super().__init__()
        self.x, self.y, self.sample_weight = x, np.asarray(y), sample_weight
        self.loss = None if loss is None else registry.instance(loss)
        self.output = output
        self.batch_size = checked("batch_size", batch_size, whole(at_least=1))
        self.report = checked("report", report, whole(at_least=0))
        self.losses: list[np.ndarray] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget what was recorded in another training."""
        self.losses = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Predict, and record."""
        loss = self.loss or registry.instance(self._of_output(self.model.loss, "loss"))
        predictions = self._of_output(self.model.predict(self.x, batch_size=self.batch_size, verbose=0), "predictions")
        found = []
        for start in range(0, len(self.y), self.batch_size):
            part = slice(start, start + self.batch_size)
            weight = None if self.sample_weight is None else np.asarray(self.sample_weight)[part]
            found.append(_of_samples(loss, self.y[part], predictions[part], weight))
        self.losses.append(np.concatenate(found))
        if self.report:
            worst = ", ".join(f"{i} ({self.losses[-1][i]:.4g})" for i in self.hardest(self.report))
            print(f"epoch {epoch + 1}: the hardest samples are {worst}")

    def hardest(self, count: int = 10) -> np.ndarray:
        """The samples with the largest mean over the epochs, the hardest first."""
        return np.argsort(-np.mean(self.losses, axis=0), kind="stable")[:count]

    def _of_output(self, given: Any, what: str) -> Any:
        """That of the output which is looked at."""
        several = isinstance(given, (Mapping, list, tuple))
        if several and self.output is None:
            names = list(given) if isinstance(given, Mapping) else list(range(len(given)))
            raise ValueError(f"Expected output to say which of {names} is looked at. Received: several {what}")
        if not several or (what == "loss" and isinstance(given, str)):
            return given
        return given[self.output]


def _of_samples(loss: keras.losses.Loss, y_true: Any, y_pred: Any, weight: Any) -> np.ndarray:
    """Of each sample the mean of its values, whatever the loss reduces them to."""
    if isinstance(loss, LossSum):
        parts = [each.weight * _of_samples(each.loss, y_true, y_pred, weight) for each in loss.terms]
        return np.asarray(np.sum(parts, axis=0))
    values = ops.convert_to_numpy(gradients.altered(loss, {"reduction": None})(y_true, y_pred, weight))
    if not values.ndim:
        raise ValueError(f"Expected a loss with a value for each sample. Received: {described(loss)}")
    return np.asarray(values.reshape(len(values), -1).mean(axis=1))

# SPDX-License-Identifier: Apache-2.0
"""What a model holds for its losses as it is trained: the step, and how much each of its tasks weighs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from tfloss_ext import handing
from tfloss_ext.parameters import checked, number
from tfloss_ext.registry import PACKAGE


class _Identity(keras.layers.Layer):
    """A layer that passes outputs on as they are, and hands something along with them.

    Outputs are a tensor, or a dict, list or tuple of them; what is to be known of each may differ.
    """

    def __init__(self, **arguments: Any) -> None:
        # What comes in stays in its own precision, under mixed precision too.
        super().__init__(**{"autocast": False, **arguments})
        self.supports_masking = True

    def compute_output_spec(self, inputs: Any, **arguments: Any) -> Any:
        """What comes in."""
        return keras.tree.map_structure(lambda each: keras.KerasTensor(each.shape, each.dtype), inputs)

    def get_config(self) -> dict[str, Any]:
        """Every argument of the constructor."""
        return dict(super().get_config())


@keras.saving.register_keras_serializable(package=PACKAGE)
class StepCounter(_Identity):
    """Counts the steps of the training, and hands the count along, to `Scheduled` numbers of losses.

    It passes outputs on as they are, and has to be what the losses get their predictions from: one layer at the end of
    the model, over all outputs. Each call with `training=True` is a step, the first one being 0; `evaluate` and
    `predict` count none. The count is a weight of the model, which is saved and resumed with it.

    Args:
        **kwargs: What every layer takes, such as `name`.

    Shapes:
        A tensor, or a dict, list or tuple of tensors, of any shape, and the same comes out. `step`: a scalar.

    Example:
        >>> import numpy as np
        >>> import tfloss_ext
        >>> from keras.optimizers.schedules import PiecewiseConstantDecay
        >>> gamma = tfloss_ext.Scheduled(PiecewiseConstantDecay([100], [0.0, 2.0]))
        >>> counter = tfloss_ext.StepCounter()
        >>> model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid"), counter])
        >>> model.compile("sgd", loss=tfloss_ext.Focal(gamma=gamma))
        >>> logs = model.fit(np.ones((6, 2)), np.ones((6, 1)), batch_size=2, verbose=0)
        >>> int(counter.step)
        3
    """

    def build(self, input_shape: Any = None) -> None:
        """Make the count."""
        self.step = self.add_weight(
            name="step", shape=(), dtype="int32", initializer="zeros", trainable=False, aggregation="only_first_replica"
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The outputs, which know the step."""
        step = ops.convert_to_tensor(self.step) + 0  # Not the variable itself, which moves on.
        if training:
            self.step.assign(step + 1)
        return keras.tree.map_structure(lambda each: handing.passed_on(each, step=step), inputs)


class _OfTasks(_Identity):
    """A layer over several outputs, of each of which it hands a weight along."""

    def build(self, input_shape: Any) -> None:
        """Take in which outputs there are."""
        if not isinstance(input_shape, dict) and not isinstance(input_shape[0], (list, tuple, dict)):
            raise ValueError(
                f"Expected a dict, list or tuple of several outputs. Received: one of shape {tuple(input_shape)}"
            )
        self.tasks = sorted(input_shape) if isinstance(input_shape, dict) else list(range(len(input_shape)))

    def weighed(self, inputs: Any, weights: Any) -> Any:
        """The outputs, each of which knows its weight, of `(K,)` in their order."""

        def with_weight(output: Any, weight: Any) -> Any:
            return keras.tree.map_structure(lambda each: handing.passed_on(each, task_weight=weight), output)

        if isinstance(inputs, dict):
            return {task: with_weight(inputs[task], weights[i]) for i, task in enumerate(self.tasks)}
        return type(inputs)(with_weight(each, weights[i]) for i, each in enumerate(inputs))


class _HalfOfSum(keras.regularizers.Regularizer):
    """Half of the sum of a weight."""

    def __call__(self, weight: Any) -> Any:
        return 0.5 * ops.sum(weight)


@keras.saving.register_keras_serializable(package=PACKAGE)
class UncertaintyWeights(_OfTasks):
    """Learns how much each of several outputs weighs in the loss, by the uncertainty of each.

    The loss is `sum_k exp(-s_k) L_k + s_k / 2`, with a learned log-variance s_k of each output: the first factor is
    handed along to `TaskWeight()`, which each loss is to be multiplied with, the second part is added by the layer.
    That is the form of the paper for likelihoods, such as crossentropy; for its form of a squared error let that count
    half, `0.5 * TaskWeight() * wrap("mse")`. It has to be what the losses get their predictions from: the end of the
    model, over all outputs.

    Args:
        **kwargs: What every layer takes, such as `name`.

    Shapes:
        A dict, list or tuple of K outputs, each a tensor or a structure of them, and the same comes out.
        `log_variances`: `(K,)`, in the order of the outputs, or of their sorted keys.

    Raises:
        ValueError: If there is a single output.

    Reference:
        Kendall, Gal & Cipolla, Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics,
        arXiv:1705.07115.

    Example:
        >>> from tfloss_ext import TaskWeight, UncertaintyWeights, wrap
        >>> features = keras.Input((8,))
        >>> outputs = {"depth": keras.layers.Dense(1)(features), "kind": keras.layers.Dense(3, "softmax")(features)}
        >>> model = keras.Model(features, UncertaintyWeights()(outputs))
        >>> model.compile(
        ...     "adam",
        ...     loss={
        ...         "depth": 0.5 * TaskWeight() * wrap("mse"),
        ...         "kind": TaskWeight() * wrap("sparse_categorical_crossentropy"),
        ...     },
        ... )
    """

    def build(self, input_shape: Any) -> None:
        """Make a log-variance for each output."""
        super().build(input_shape)
        # The part that only depends on the weights is what Keras has regularizers for: what `add_loss` is told is lost
        # where replicas wait for each other.
        self.log_variances = self.add_weight(
            name="log_variances",
            shape=(len(self.tasks),),
            initializer="zeros",
            regularizer=_HalfOfSum(),
            autocast=False,
        )

    def call(self, inputs: Any) -> Any:
        """The outputs, each of which knows its weight."""
        return self.weighed(inputs, ops.exp(-ops.convert_to_tensor(self.log_variances)))


@keras.saving.register_keras_serializable(package=PACKAGE)
class TaskWeights(_OfTasks):
    """Holds how much each of several outputs weighs in the loss, for a callback to move: `DynamicWeightAverage`.

    It hands each output's weight along to `TaskWeight()`, which the loss of the output is to be multiplied with. Unlike
    variables in `loss_weights`, these move on every backend, and are saved and resumed with the model. It has to be
    what the losses get their predictions from: the end of the model, over all outputs.

    Args:
        **kwargs: What every layer takes, such as `name`.

    Shapes:
        A dict, list or tuple of K outputs, each a tensor or a structure of them, and the same comes out.
        `task_weights`: `(K,)`, in the order of the outputs, or of their sorted keys, 1 to begin with. `last_losses`:
        `(K,)`, for who moves them by what the losses were before.

    Raises:
        ValueError: If there is a single output.

    Example:
        >>> import tfloss_ext
        >>> features = keras.Input((8,))
        >>> weights = tfloss_ext.TaskWeights()
        >>> model = keras.Model(features, weights([keras.layers.Dense(1)(features), keras.layers.Dense(1)(features)]))
        >>> model.compile("adam", loss=[tfloss_ext.TaskWeight() * tfloss_ext.LogCosh() for _ in range(2)])
        >>> moved = weights.task_weights.assign([0.5, 2.0])
        >>> weights.task_weights.numpy().tolist()
        [0.5, 2.0]
    """

    def build(self, input_shape: Any) -> None:
        """Make a weight for each output, and what its loss was."""
        super().build(input_shape)

        def weight(name: str, initializer: str) -> Any:
            return self.add_weight(
                name=name,
                shape=(len(self.tasks),),
                initializer=initializer,
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
            )

        self.task_weights = weight("task_weights", "ones")
        self.last_losses = weight("last_losses", "zeros")

    def call(self, inputs: Any) -> Any:
        """The outputs, each of which knows its weight."""
        return self.weighed(inputs, ops.convert_to_tensor(self.task_weights))


class DynamicWeightAverage(keras.callbacks.Callback):
    """Weighs tasks by how slowly their losses fall, from epoch to epoch.

    `w_k = K exp(r_k / T) / sum_i exp(r_i / T)` with r_k the loss of the last epoch by that of the one before, from the
    logs of the training; 1 in the first two epochs. Nothing is learned, and no gradient is asked for.

    Args:
        weights: The layer `TaskWeights` of the model, which holds them, over a dict of outputs.
        temperature: A number > 0. The higher, the more equal the weights.

    Raises:
        ValueError: If the temperature is out of range, or if the logs do not hold the loss of each output.

    Reference:
        Liu, Johns & Davison, End-to-End Multi-Task Learning with Attention, arXiv:1803.10704, equation 7.

    Example:
        >>> import tfloss_ext
        >>> from tfloss_ext import TaskWeight, wrap
        >>> weights, features = tfloss_ext.TaskWeights(), keras.Input((2,))
        >>> outputs = weights({"a": keras.layers.Dense(1)(features), "b": keras.layers.Dense(1)(features)})
        >>> model = keras.Model(features, outputs)
        >>> model.compile("sgd", loss={name: TaskWeight() * wrap("mse") for name in "ab"})
        >>> x, y = np.ones((4, 2)), {"a": np.ones((4, 1)), "b": np.zeros((4, 1))}
        >>> average = tfloss_ext.DynamicWeightAverage(weights)
        >>> history = model.fit(x, y, epochs=3, verbose=0, callbacks=[average])
        >>> print(f"{weights.task_weights.numpy().sum():.1f}")
        2.0
    """

    def __init__(self, weights: TaskWeights, temperature: float = 2.0) -> None:
        super().__init__()
        if not isinstance(weights, TaskWeights):
            raise ValueError(f"Expected the layer TaskWeights of the model. Received: weights={weights!r}")
        self.weights, self.temperature = weights, checked("temperature", temperature, number(above=0))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Weigh the tasks anew."""
        weights, last = (ops.convert_to_numpy(held) for held in (self.weights.task_weights, self.weights.last_losses))
        losses = self._losses(logs or {}) / weights
        rates = np.divide(losses, last, out=np.ones_like(losses), where=last != 0) / self.temperature
        shares = np.exp(rates - rates.max())
        self.weights.last_losses.assign(losses)
        self.weights.task_weights.assign(len(shares) * shares / shares.sum())

    def _losses(self, logs: Mapping[str, Any]) -> np.ndarray:
        """That of each task, in their order. Of outputs without names, as in a list, logs do not tell them apart."""
        names = [f"{task}_loss" for task in self.weights.tasks]
        if not set(names) <= set(logs):
            raise ValueError(f"Expected logs with {', '.join(names)}. Received: {', '.join(logs)}")
        return np.array([float(logs[name]) for name in names], "float32")

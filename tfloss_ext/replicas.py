# SPDX-License-Identifier: Apache-2.0
"""What several replicas share. The only room that knows `tf.distribute`; on JAX a loss sees the global batch anyway."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
from keras import ops


def count() -> int:
    """The number of replicas that compute gradients together: 1 but under `tf.distribute`."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def _context() -> Any:
    """The replica context where more than one replica runs, else None (as in Keras's first, symbolic call)."""
    if count() == 1:
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()


def share(loss: Any) -> Any:
    """A replica's part of the mean over all of them, as Keras scales its own losses: gradients are summed."""
    replicas = count()
    return loss if replicas == 1 else loss * (1.0 / replicas)


def unshared(loss: Any, reduction: Any) -> Any:
    """What a loss reduced that way was before it was made a replica's part."""
    return loss if reduction in (None, "none", "sum") else loss * count()


def total(value: Any) -> Any:
    """The sum over all replicas."""
    context = _context()
    if context is None:
        return value
    return context.all_reduce("sum", value)


def gather(tensor: Any) -> tuple[Any, Any]:
    """The tensors of all replicas, one below the other, and the row at which this replica's own begin."""
    context = _context()
    if context is None:
        return tensor, 0
    import tensorflow as tf

    rows = context.all_gather(ops.reshape(ops.shape(tensor)[0], (1,)), 0)
    before = tf.range(tf.size(rows)) < context.replica_id_in_sync_group
    start = tf.reduce_sum(tf.where(before, rows, 0))
    # No other type travels between replicas.
    travels = tensor.dtype.is_floating or tensor.dtype in (tf.int32, tf.int64)
    gathered = tf.cast(context.all_gather(tensor if travels else tf.cast(tensor, tf.int64), 0), tensor.dtype)
    # The width, which is lost on the way.
    return tf.ensure_shape(gathered, (None, *tensor.shape[1:])), start


# Two on one machine, to see that they take the step of one


def make_two() -> None:
    """Two devices of one CPU. Before TensorFlow is asked for any."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@functools.cache
def _two_replicas() -> Any:
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def slope_on_two(loss: Any, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """The gradient by the predictions, of which each replica has half."""
    import tensorflow as tf

    strategy, half = _two_replicas(), len(y_pred) // 2
    shares = [
        strategy.experimental_distribute_values_from_function(
            lambda context, array=array: tf.convert_to_tensor(
                array[context.replica_id_in_sync_group * half : (context.replica_id_in_sync_group + 1) * half]
            )
        )
        for array in (y_true, y_pred)
    ]

    def step(y_true: Any, y_pred: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = loss(y_true, y_pred)
        return tape.gradient(value, y_pred, unconnected_gradients="zero")

    # Not as a graph, whose making takes many times as long.
    slopes = strategy.experimental_local_results(strategy.run(step, args=shares))
    return np.concatenate([each.numpy() for each in slopes])

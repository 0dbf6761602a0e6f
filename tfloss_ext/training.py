# SPDX-License-Identifier: Apache-2.0
"""What a training needs beside the loss."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops, tree

from tfloss_ext import blocks, registry
from tfloss_ext.parameters import checked, whole

# So many random numbers a chunk may ask for before it gets those of the next one.
_DRAWS = 2**12


@keras.saving.register_keras_serializable(package=registry.PACKAGE)
class CachedEncoder(keras.layers.Layer):
    """Runs an encoder over a batch in chunks, so that training holds the activations of one chunk at a time.

    A loss that compares the samples of a batch needs the embeddings of all of them, but not what lies between these and
    the inputs. The forward pass keeps the embeddings alone; the backward pass runs each chunk again and differentiates
    it there. The step is that of the whole batch, for one more forward pass. Outside training the encoder is called as
    it is.

    Dropout and all else that draws random numbers draws the same ones in both runs. A layer that changes its state in
    each call, such as `BatchNormalization`, has no whole batch to see, and is refused.

    Args:
        encoder: A layer or model, from one tensor or a structure of tensors to embeddings.
        chunk_size: Samples at a time, >= 1.

    Raises:
        ValueError: If `chunk_size` is not a whole number >= 1, or if training changes the state of the encoder.

    Reference:
        Gao et al., Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup, arXiv:2101.06983.

    Example:
        >>> import keras, numpy as np
        >>> from tfloss_ext import CachedEncoder
        >>> encoder = keras.Sequential([keras.Input((16,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(8)])
        >>> model = keras.Sequential([keras.Input((16,)), CachedEncoder(encoder, chunk_size=4)])
        >>> model.compile("adam", loss="triplet")
        >>> history = model.fit(np.random.normal(size=(12, 16)), np.arange(12) % 3, batch_size=12, verbose=0)
    """

    def __init__(self, encoder: Any, chunk_size: int = 256, **arguments: Any) -> None:
        # The encoder sees the inputs as they are, and makes of them what its own precision is.
        super().__init__(**{"autocast": False, **arguments})
        self.encoder, self.chunk_size = encoder, checked("chunk_size", chunk_size, whole(at_least=1))
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Build the encoder."""
        if not self.encoder.built:
            self.encoder.build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The embeddings."""
        if not training or registry.is_symbolic() or not self.encoder.built:
            return self.encoder(inputs)
        return self._in_chunks(inputs)

    def _in_chunks(self, inputs: Any) -> Any:
        leaves = tree.flatten(inputs)
        is_float = ["float" in keras.backend.standardize_dtype(each.dtype) for each in leaves]
        batch = ops.shape(leaves[0])[0]
        # Read once: of what is a variable still, TensorFlow would want the gradient by another way.
        weights = [ops.reshape(variable, variable.shape) for variable in self.encoder.trainable_variables]
        # Copies, as the backward pass comes when the seeds have moved on.
        state = {variable.path: ops.copy(variable) for variable in self.encoder.non_trainable_variables}
        # Not of what calls this layer, which is far when the backward pass comes.
        training = {"training": True} if "training" in inspect.signature(self.encoder.call).parameters else {}
        layout, random = None, _Random()

        def encoded(rows: Any, labels: Any, weights: Any) -> Any:
            nonlocal layout
            *labels, places = labels
            # A chunk that is not full holds its first sample again, of which nothing comes.
            real = places > 0
            floats, others = iter(rows), iter(labels)
            chunk = [_or_first(next(floats if is_a_float else others), real) for is_a_float in is_float]
            number = (places[0] - 1) // ops.shape(places)[0]
            before = _with_draws_of(state, number)
            with random.of_chunk(number):
                outputs, after = self.encoder.stateless_call(
                    list(weights), list(before.values()), tree.pack_sequence_as(inputs, chunk), **training
                )
            _refuse_changes(before, after)
            layout = tree.map_structure(lambda _: 0, outputs)
            return tuple(tree.flatten(outputs)), ()

        outputs, _ = blocks.by_blocks(
            encoded,
            [leaf for leaf, is_a_float in zip(leaves, is_float, strict=True) if is_a_float],
            [leaf for leaf, is_a_float in zip(leaves, is_float, strict=True) if not is_a_float]
            + [ops.arange(1, batch + 1, dtype="int32")],
            weights,
            self.chunk_size,
        )
        chunks = -(-batch // self.chunk_size)
        for variable in self.encoder.non_trainable_variables:
            if _is_seed(variable.path):
                variable.assign(_with_draws_of(state, chunks)[variable.path])
        return tree.pack_sequence_as(layout, list(outputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the encoder."""
        return self.encoder.compute_output_shape(input_shape)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """That of the encoder."""
        return self.encoder.compute_mask(inputs, previous_mask)

    def get_config(self) -> dict[str, Any]:
        """Every argument of the constructor."""
        encoder = keras.saving.serialize_keras_object(self.encoder)
        return {**super().get_config(), "encoder": encoder, "chunk_size": self.chunk_size}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CachedEncoder:
        """The layer that `get_config` described."""
        return cls(**{**config, "encoder": keras.saving.deserialize_keras_object(config["encoder"])})


class _Random:
    """On PyTorch, whose dropout may ask a generator that is no part of the encoder, its state before each chunk."""

    def __init__(self) -> None:
        self.before: dict[int, Any] = {}

    @contextlib.contextmanager
    def of_chunk(self, number: Any) -> Iterator[None]:
        """The first time as it comes, then as it was."""
        if keras.backend.backend() != "torch":
            yield
            return
        import torch

        number, now = int(number), (torch.get_rng_state(), torch.cuda.get_rng_state_all())
        if number not in self.before:
            self.before[number] = now
            yield
            return
        _set_random(*self.before[number])
        try:
            yield
        finally:
            _set_random(*now)


def _set_random(of_cpu: Any, of_gpus: Any) -> None:
    import torch

    torch.set_rng_state(of_cpu)
    torch.cuda.set_rng_state_all(of_gpus)


def _or_first(rows: Any, real: Any) -> Any:
    mask = ops.reshape(real, (-1, *[1] * (len(rows.shape) - 1)))
    return ops.where(mask, rows, rows[:1])


def _is_seed(path: str) -> bool:
    return path.endswith("seed_generator_state")


def _with_draws_of(state: dict[str, Any], chunk: Any) -> dict[str, Any]:
    """The state of the encoder before a chunk: of each seed, the number of draws that those before it may have made."""

    def moved(seed: Any) -> Any:
        draws = ops.cast(chunk, seed.dtype) * ops.cast(_DRAWS, seed.dtype)
        return seed + ops.stack([ops.zeros_like(draws), draws])

    return {path: moved(value) if _is_seed(path) else value for path, value in state.items()}


def _refuse_changes(before: dict[str, Any], after: Any) -> None:
    for (path, old), new in zip(before.items(), after, strict=True):
        if new is not old and not _is_seed(path):
            raise ValueError(
                "CachedEncoder: Expected an encoder whose state training does not change, such as one with "
                f"LayerNormalization in place of BatchNormalization. Received: {path}"
            )

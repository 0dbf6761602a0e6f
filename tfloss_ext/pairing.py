# SPDX-License-Identifier: Apache-2.0
"""The families of losses over embeddings: one value per sample, of two views of it or of its pairs in the batch."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from keras import ops

from tfloss_ext import blocks, numerics, registry, replicas, screening, shapes
from tfloss_ext.base import BatchLoss, Loss, is_structure
from tfloss_ext.declaration import hook
from tfloss_ext.parameters import flag, whole


class EmbeddingLoss(Loss):
    """The family of losses with one value per sample, `(B,)`, whatever the rank of the predictions."""

    task = "embeddings"

    def value_shape(self, y_pred: Any) -> tuple[int | None, ...]:
        return tuple(y_pred.shape)[:1]


class ViewsLoss(EmbeddingLoss):
    """The family of losses over two views of each sample: `(B, 2, D)`, or a pair of tensors `(B, D)`.

    There are no targets: whatever is given as such is not looked at.
    """

    predictions = "two views `(B, 2, D)`"
    targets = "unused"

    def unpacked(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
        if not is_pair(y_pred):
            if is_structure(y_pred):
                raise shapes.RefusedError(
                    f"Expected a tensor (B, 2, D) or a pair of tensors (B, D). Received: a {type(y_pred).__name__} of "
                    f"{len(y_pred)}"
                )
            return None, y_pred, registry.keras_mask(y_pred)
        views = [ops.convert_to_tensor(view, dtype=self.compute_dtype) for view in y_pred]
        if len(views[0].shape) != 2 or not shapes.fits(views[0].shape, views[1].shape):
            raise shapes.RefusedError(
                f"Expected two views of one shape (B, D). Received: {tuple(views[0].shape)} and {tuple(views[1].shape)}"
            )
        return None, ops.stack(views, axis=1), shapes.both(*map(registry.keras_mask, y_pred))

    def read_targets(self, y_true: Any) -> Any:
        return None

    def fault(self, targets: np.ndarray, classes: int | None) -> screening.Fault | None:
        return None

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        if len(y_pred.shape) != 3 or y_pred.shape[1] != 2:
            raise shapes.mismatch("two views (B, 2, D), or a pair of embeddings (B, D)", y_true, y_pred)
        return None, y_pred


class InBatchLoss(BatchLoss, EmbeddingLoss):
    """The family of losses that compare each sample with the others of its batch, and of every replica's."""

    fuses = False  # It goes by blocks and sorts.
    asks_replicas = True

    cross_replica: bool = flag(
        default=True, kw_only=True, doc="Where there are several replicas, compare with the samples of every one."
    )
    block_size: int | None = whole(
        default=None,
        at_least=1,
        optional=True,
        kw_only=True,
        doc="Anchors compared at a time; memory grows as block_size * B. None chooses: all of them in all but "
        "large batches.",
    )

    def fault(self, targets: np.ndarray, classes: int | None) -> screening.Fault | None:
        return None  # Ids of any kind, or none at all.

    def gathered(self, *tensors: Any) -> tuple[list[Any], Any]:
        """The tensors of all replicas that are compared, one below the other, and where this one's own begin."""
        if not self.cross_replica or replicas.count() == 1:
            return list(tensors), 0
        pairs = [replicas.gather(each) for each in tensors]
        return [gathered for gathered, _ in pairs], pairs[0][1]

    def spread(self, totals: Any, count: Any, batch: Any) -> Any:
        """Totals `(B,)`, scaled so that their mean over the batch is what they add up to over what is counted."""
        count, copies = ops.stop_gradient(count), 1
        if self.cross_replica and replicas.count() > 1:
            count, copies = replicas.total(count), replicas.count()
        return totals * numerics.ratio(ops.cast(batch * copies, totals.dtype), count)


class PairLoss(InBatchLoss):
    """The family of losses that form pairs in the batch: each sample, as an anchor, against all others.

    A subclass gives `kernel()`, the maths of one anchor as `blocks` describes it, whose values are (b, 2): what it sums
    and how many things those are. The loss is scaled so that its mean is the mean over all that the kernel counts.
    Of views, `(B, V, D)`, each is an anchor, and its cost that of its sample. One that needs several passes over the
    pairs defines `totals(pairs)` instead.
    """

    predictions = "embeddings"
    targets = "ids"

    distance = "similarity"  # What the kernel sees, as `blocks.PairMatrix` has it.
    scale: ClassVar[Any] = None  # What similarities are multiplied with.
    passes: ClassVar[int] = 1  # How often it goes over the pairs: a block of each is held.
    takes_views: ClassVar[bool] = False  # Whether there may be several embeddings of a sample, `(B, V, D)`.

    @hook
    def kernel(self) -> Any:
        """The maths of one anchor."""

    def totals(self, pairs: blocks.PairMatrix) -> Any:
        """Of each anchor what it sums and how many things those are, (b, 2)."""
        return pairs.rows(self.kernel())

    def read_targets(self, y_true: Any) -> Any:
        return None if y_true is None else blocks.comparable(y_true)

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        shape = tuple(y_pred.shape)
        of_views = self.takes_views and len(shape) == 3 and shape[1] is not None
        if not (len(shape) == 2 or of_views) or y_true is None:
            views = ", or (B, V, D) with a known V" if self.takes_views else ""
            raise shapes.mismatch(f"ids (B,) or (B, 1) and embeddings (B, D){views}", y_true, y_pred)
        return shapes.flat_ids(y_true, y_pred), y_pred

    def call(self, y_true: Any, y_pred: Any, kept: Any = None) -> Any:
        batch, views = ops.shape(y_pred)[0], y_pred.shape[1] if len(y_pred.shape) == 3 else 1
        kept = ops.ones((batch,), dtype="bool") if kept is None else kept
        (columns, column_ids, column_kept), start = self.gathered(y_pred, y_true, kept)

        def each_view(tensor: Any) -> Any:
            return tensor if views == 1 else ops.repeat(tensor, views, axis=0)

        def flat(x: Any) -> Any:
            return ops.reshape(x, (-1, ops.shape(x)[-1]))

        pairs = blocks.PairMatrix(
            flat(y_pred),
            flat(columns),
            each_view(y_true),
            each_view(column_ids),
            own=start * views + ops.arange(batch * views, dtype="int32"),
            anchor_kept=each_view(kept),
            column_kept=each_view(column_kept),
            distance=self.distance,
            scale=self.scale,
            block_size=self.block_size,
            passes=self.passes,
        )
        totals = self.totals(pairs)
        values = ops.sum(ops.reshape(totals[:, 0], (batch, views)), axis=1)
        return self.spread(values, ops.sum(totals[:, 1]), batch)


def is_pair(y_pred: Any) -> bool:
    """Whether predictions are two tensors, and not one."""
    return isinstance(y_pred, (list, tuple)) and len(y_pred) == 2 and all(hasattr(each, "shape") for each in y_pred)

# SPDX-License-Identifier: Apache-2.0
"""Losses that tell the views of one sample from those of all others."""

from __future__ import annotations

from typing import Any

from keras import ops

from tfloss_ext import blocks, numerics, registry, replicas, shapes
from tfloss_ext.blocks import Kernel
from tfloss_ext.declaration import hook
from tfloss_ext.pairing import InBatchLoss, ViewsLoss
from tfloss_ext.parameters import flag, number

# What is no pair: its exponential is 0.
_NEVER = -numerics.CERTAIN
# Sums of the exponentials of numbers up to this are finite, and no exponential of one down to minus this is 0.
_LARGEST = 70.0


def _temperature(default: float) -> Any:
    doc = "What cosines are divided by; None takes the scale that the layer `LogitScale` hands along with the views."
    return number(default=default, above=0, optional=True, doc=doc)


class ContrastiveLoss(ViewsLoss, InBatchLoss):
    """The family of losses that compare the views of each sample with those of all others, by their cosines.

    A subclass defines `of_views(x, y, kept)`, the value of each sample that is kept.
    """

    temperature: float | None = _temperature(0.1)

    @hook
    def of_views(self, x: Any, y: Any, kept: Any) -> Any:
        """The values from views whose products are the logits."""

    def call(self, y_true: Any, y_pred: Any, kept: Any = None) -> Any:
        batch = ops.shape(y_pred)[0]
        kept = ops.ones((batch,), dtype="bool") if kept is None else kept
        values = ops.where(kept, self.values_of(y_pred, kept), 0.0)
        return self.spread(values, ops.sum(ops.cast(kept, values.dtype)), batch)

    def values_of(self, y_pred: Any, kept: Any) -> Any:
        """The value of each sample that is kept."""
        root = self.scale**0.5 if isinstance(self.scale, float) else ops.sqrt(self.scale)
        return self.of_views(*(numerics.normalize(y_pred[:, view]) * root for view in (0, 1)), kept)

    @property
    def scale(self) -> Any:
        """What cosines are multiplied with."""
        if self.temperature is not None:
            return 1.0 / self.temperature
        if "scale" in self.handed:
            return ops.cast(self.handed["scale"], self.compute_dtype)
        if registry.is_symbolic():
            return 1.0
        raise shapes.RefusedError(
            "Expected a scale handed along with y_pred where temperature=None, as the layer LogitScale hands it. "
            "Received: none"
        )

    @property
    def bounded(self) -> bool:
        """Whether it is known beforehand that exponentials of logits neither overflow nor vanish."""
        return isinstance(self.scale, float) and self.scale <= _LARGEST

    def over_others(
        self, kernel: Kernel, x: Any, y: Any, kept: Any, *of_columns: Any, views: int = 1
    ) -> tuple[Any, Any]:
        """`blocks.over_products` of the logits of own x and the y of all replicas, but those of one sample.

        x and y hold one view, or `views` of them, one below the other, of the samples of which `kept` says which count.
        """
        own = self.gathered(kept)[1] + ops.arange(ops.shape(kept)[0], dtype="int32")
        ids, kept = ops.tile(own, (views,)), ops.tile(kept, (views,))
        (columns, column_ids, column_kept), _ = self.gathered(y, ids, kept)
        return blocks.over_products(
            kernel,
            x,
            columns,
            row_ids=ids,
            column_ids=column_ids,
            row_kept=kept,
            column_kept=column_kept,
            more=of_columns,
            size=self.block_size,
        )

    def reach(self, s: Any, others: Any) -> tuple[Any, None]:
        """A kernel: the logarithm of the sum of the others' exponentials, of each row."""
        if not self.bounded:
            return sum(numerics.logsumexp(s, others)), None
        return _log(ops.sum(ops.exp(ops.where(others, s, _NEVER)), axis=1)), None


class NTXent(ContrastiveLoss, key="nt_xent"):
    """Tells the other view of a sample from both views of all other samples, as SimCLR does.

    `-log(exp(s_ij) / sum_k exp(s_ik))` for each view i, j being the other view of its sample, k all views but i itself
    and s their cosines divided by the temperature. The value of a sample is the mean over its two views.

    Shapes:
        y_pred: two views `(B, 2, D)`, or a pair of tensors `(B, D)`. y_true: unused, of any shape.
        Values: `(B,)`, in nats. A sample of weight 0 takes part in no comparison.

    Reference:
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, arXiv:2002.05709.

    Example:
        >>> views = [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]]
        >>> print(f"{NTXent()(None, views):.4f}")
        0.2395
    """

    use = "pretraining without labels, two augmentations"

    temperature: float | None = _temperature(0.5)

    def of_views(self, x: Any, y: Any, kept: Any) -> Any:
        both = ops.concatenate([x, y], axis=0)
        others, _ = self.over_others(self.reach, both, both, kept, views=2)
        costs = numerics.softplus(ops.reshape(others, (2, -1)) - _products(x, y))
        return 0.5 * ops.sum(costs, axis=0)


class MatrixLoss(ContrastiveLoss):
    """The family of losses over the matrix of the first views of all samples against the second views.

    It may also be given as logits `(B, B)`, of which a subclass defines `of_logits(z, others, kept)`.
    """

    predictions = "two views `(B, 2, D)`, or logits `(B, B)`"

    @hook
    def of_logits(self, z: Any, others: Any, kept: Any) -> Any:
        """The values from the logits, of which `others` names those of two samples that are kept."""

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        shape = tuple(y_pred.shape)
        return (None, y_pred) if len(shape) == 2 and shapes.fits(shape, shape[::-1]) else super().align(y_true, y_pred)

    def values_of(self, y_pred: Any, kept: Any) -> Any:
        if len(y_pred.shape) == 3:
            return super().values_of(y_pred, kept)
        places = ops.arange(ops.shape(y_pred)[0], dtype="int32")
        others = ops.not_equal(ops.expand_dims(places, 1), places) & ops.expand_dims(kept, 1) & kept
        return self.of_logits(ops.where(ops.expand_dims(kept, 1) & kept, y_pred, 0.0), others, kept)


class InfoNCE(MatrixLoss, key="info_nce", aliases=("clip",)):
    """Tells the second view of a sample from those of all other samples, and the first likewise, as CLIP does.

    The crossentropy of logits s_ij, the cosine of first view i and second view j divided by the temperature, against
    i = j; `symmetric` takes the mean of both directions, along the rows and along the columns.

    Shapes:
        y_pred: two views `(B, 2, D)`, a pair of tensors `(B, D)`, or logits `(B, B)`, which are taken as they are.
        y_true: unused, of any shape. Values: `(B,)`, in nats. A sample of weight 0 takes part in no comparison.

    Reference:
        van den Oord, Li & Vinyals, Representation Learning with Contrastive Predictive Coding, arXiv:1807.03748;
        Radford et al., Learning Transferable Visual Models From Natural Language Supervision, arXiv:2103.00020; in
        blocks as Cheng et al., Breaking the Memory Barrier, arXiv:2410.17243.

    Example:
        >>> views = [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]]
        >>> print(f"{InfoNCE(temperature=0.5)(None, views):.4f}")
        0.1269
    """

    use = "two towers, such as images and their texts"

    temperature: float | None = _temperature(0.07)
    symmetric: bool = flag(default=True, doc="Compare in both directions; else only along the rows.")

    def of_logits(self, z: Any, others: Any, kept: Any) -> Any:
        rows = sum(numerics.logsumexp(z, others))
        columns = sum(numerics.logsumexp(ops.transpose(z), ops.transpose(others))) if self.symmetric else None
        return self._costs(rows, columns, ops.diagonal(z))

    def of_views(self, x: Any, y: Any, kept: Any) -> Any:
        if not self.symmetric:
            return self._costs(self.over_others(self.reach, x, y, kept)[0], None, _products(x, y))
        (top,), start = self.gathered(self._tops(x, y, kept))

        def both_ways(s: Any, others: Any, top: Any) -> tuple[Any, Any]:
            if self.bounded:
                terms = ops.exp(ops.where(others, s, _NEVER))
                return _log(ops.sum(terms, axis=1)), _over_rows(terms)
            return self.reach(s, others)[0], _over_rows(ops.exp(ops.where(others, s - top, _NEVER)))

        rows, sums = self.over_others(both_ways, x, y, kept, top)
        columns = _log(replicas.total(sums) if self.cross_replica else sums) + top
        return self._costs(rows, columns[start : start + ops.shape(x)[0]], _products(x, y))

    def _tops(self, x: Any, y: Any, kept: Any) -> Any:
        """For each own column a number below which its exponentials are finite, and not all of them 0."""
        x, y = ops.stop_gradient(x), ops.stop_gradient(y)

        def largest() -> Any:
            return self.over_others(
                lambda s, others: (ops.max(ops.where(others, s, _NEVER), axis=1), None), y, x, kept
            )[0]

        def none() -> Any:
            return ops.zeros_like(y[:, 0])

        if isinstance(self.scale, float):
            return none() if self.bounded else largest()
        return ops.cond(self.scale > _LARGEST, largest, none)

    def _costs(self, rows: Any, columns: Any, own: Any) -> Any:
        """The crossentropies, from the logarithm of the sum of the others' exponentials and the logit of the same."""
        along_rows = numerics.softplus(rows - own)
        return along_rows if columns is None else 0.5 * (along_rows + numerics.softplus(columns - own))


class SigLIP(MatrixLoss, key="siglip"):
    """Says of every two views whether they are of one sample, each pair by itself.

    `sum_ij log(1 + exp(-z_ij (s_ij / temperature + bias))) / B` over cosines s_ij, z_ij being 1 where
    i = j and -1 elsewhere.

    Shapes:
        y_pred: two views `(B, 2, D)`, a pair of tensors `(B, D)`, or logits `(B, B)`, which are taken as they are.
        y_true: unused, of any shape. Values: `(B,)`, in nats, of a first view against all second ones. A sample of
        weight 0 takes part in no pair.

    Reference:
        Zhai et al., Sigmoid Loss for Language Image Pre-Training, arXiv:2303.15343.

    Example:
        >>> views = [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]]
        >>> print(f"{SigLIP(bias=-5.0)(None, views):.4f}")
        0.0134
    """

    use = "two towers, each pair by itself"

    bias: float = number(default=-10.0, doc="Added to the logits; that of the layer `LogitScale` where it hands one.")

    def of_logits(self, z: Any, others: Any, kept: Any) -> Any:
        return self._costs(z, others)[0] + numerics.softplus(-ops.diagonal(z))

    def of_views(self, x: Any, y: Any, kept: Any) -> Any:
        handed = self.handed.get("bias") if self.temperature is None else None
        bias = ops.reshape(ops.cast(self.bias if handed is None else handed, x.dtype), (1,))
        rows, _ = self.over_others(lambda s, others, bias: self._costs(s + bias, others), x, y, kept, bias)
        return rows + numerics.softplus(-(_products(x, y) + bias))

    def _costs(self, z: Any, others: Any) -> tuple[Any, None]:
        """What the pairs of two samples cost, of each row."""
        return ops.sum(numerics.softplus(ops.where(others, z, _NEVER)), axis=1), None


def _products(x: Any, y: Any) -> Any:
    """The logits of the two views of each sample."""
    return ops.sum(x * y, axis=1)


def _over_rows(terms: Any) -> Any:
    """The sums of columns: as a product, since TensorFlow sums slowly across rows."""
    return (ops.ones((1, ops.shape(terms)[0]), dtype=terms.dtype) @ terms)[0]


def _log(sums: Any) -> Any:
    """The logarithm of sums of exponentials, of none a very small one."""
    return ops.log(numerics.at_least(sums, 1e-37))

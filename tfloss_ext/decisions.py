# SPDX-License-Identifier: Apache-2.0
"""What targets and predictions say about binary decisions, taken apart once for all that is computed of them."""

from __future__ import annotations

import functools
import math
from typing import Any

import keras
from keras import ops

from tfloss_ext.gradients import LARGE, fused, with_gradient
from tfloss_ext.numerics import CERTAIN, EPSILON, at_least, at_most, certain, log, softly, softplus


def of(y: Any, x: Any, *, from_logits: bool) -> Decisions:
    """What targets y say about x, probabilities of 1 or their logits."""
    if not from_logits:
        return Decisions(y, x)
    return (KernelDecisions if _by_kernels(x) else LogitDecisions)(y, x)


def _by_kernels(x: Any) -> bool:
    """Whether few kernels are better than cheap ones: on PyTorch, and where arrays are small."""
    if keras.backend.backend() == "torch":
        return True
    return not fused() and None not in tuple(x.shape) and math.prod(x.shape) < LARGE


class Decisions:
    """What targets and probabilities say about binary decisions, each exact in proportion to itself.

    Args:
        y: Targets in [0, 1], numbers of the type of p.
        p: Probabilities of 1.
    """

    def __init__(self, y: Any, p: Any) -> None:
        self.y, self.p = y, p

    @functools.cached_property
    def rest(self) -> Any:
        """1 - p."""
        return 1.0 - self.p

    @functools.cached_property
    def error(self) -> Any:
        """p - y."""
        return self.p - self.y

    @functools.cached_property
    def wrong(self) -> Any:
        """y (1 - p) + (1 - y) p."""
        return self.y * self.rest + (1.0 - self.y) * self.p

    @functools.cached_property
    def crossentropy(self) -> Any:
        """-y log p - (1 - y) log(1 - p)."""
        y, rest = self.y, 1.0 - self.y

        def slope(upstream: Any, p: Any) -> Any:
            p, other = at_least(p, EPSILON), at_least(1.0 - p, EPSILON)
            return upstream * ((rest * p - y * other) / (p * other))

        # By hand, as PyTorch would keep each step of it.
        return with_gradient(
            lambda p: -(y * ops.log(at_least(p, EPSILON)) + rest * ops.log(at_least(1.0 - p, EPSILON))), slope
        )(self.p)

    @functools.cached_property
    def nll(self) -> Any:
        """-log p."""
        return -log(self.p)

    @functools.cached_property
    def nll_of_rest(self) -> Any:
        """-log(1 - p)."""
        return -log(1.0 - self.p)


class LogitDecisions(Decisions):
    """The same from logits z, p being their sigmoid.

    Of abs(z), infinite ones made finite, the probabilities of that and of its opposite, and how far y is from what the
    logit says. All else are sums of what is positive, so that nothing is lost.
    """

    def __init__(self, y: Any, z: Any) -> None:
        self.y, self.positive = y, ops.greater(z, 0)
        self.size = at_most(ops.where(self.positive, z, -z), CERTAIN)

    @functools.cached_property
    def small(self) -> Any:
        return ops.sigmoid(-self.size)

    @functools.cached_property
    def large(self) -> Any:
        return 1.0 - self.small

    @functools.cached_property
    def distance(self) -> Any:
        return ops.where(self.positive, 1.0 - self.y, self.y)

    @functools.cached_property
    def softly(self) -> Any:
        return softly(self.large, self.small)

    @functools.cached_property
    def p(self) -> Any:
        return ops.where(self.positive, self.large, self.small)

    @functools.cached_property
    def rest(self) -> Any:
        return ops.where(self.positive, self.small, self.large)

    @functools.cached_property
    def error(self) -> Any:
        error = self.distance - self.small
        return ops.where(self.positive, error, -error)

    @functools.cached_property
    def wrong(self) -> Any:
        return self.small + self.distance * (self.large - self.small)

    @functools.cached_property
    def crossentropy(self) -> Any:
        return self.size * self.distance + self.softly

    @functools.cached_property
    def nll(self) -> Any:
        return ops.where(self.positive, 0.0, self.size) + self.softly

    @functools.cached_property
    def nll_of_rest(self) -> Any:
        return ops.where(self.positive, self.size, 0.0) + self.softly


class KernelDecisions(Decisions):
    """The same from logits by few kernels. On PyTorch a choice takes as long as ten products."""

    def __init__(self, y: Any, z: Any) -> None:
        self.y, self.z = y, certain(z)

    @functools.cached_property
    def p(self) -> Any:
        return ops.sigmoid(self.z)

    @functools.cached_property
    def rest(self) -> Any:
        return ops.sigmoid(-self.z)

    @functools.cached_property
    def error(self) -> Any:
        return (1.0 - self.y) * self.p - self.y * self.rest

    @functools.cached_property
    def crossentropy(self) -> Any:
        y, rest = self.y, 1.0 - self.y
        return with_gradient(
            lambda z: -(y * ops.log_sigmoid(z) + rest * ops.log_sigmoid(-z)),
            lambda upstream, z: upstream * (rest * ops.sigmoid(z) - y * ops.sigmoid(-z)),
        )(self.z)

    @functools.cached_property
    def nll(self) -> Any:
        return -ops.log_sigmoid(self.z)

    @functools.cached_property
    def nll_of_rest(self) -> Any:
        return -ops.log_sigmoid(-self.z)


class HardDecisions:
    """The same from logits for y of exactly 0 or 1, where 1 - p_t is the sigmoid of one signed logit."""

    def __init__(self, y: Any, z: Any) -> None:
        self.signed = at_most((1.0 - 2.0 * y) * z, CERTAIN)

    @functools.cached_property
    def wrong(self) -> Any:
        """1 - p_t."""
        return ops.sigmoid(self.signed)

    @functools.cached_property
    def crossentropy(self) -> Any:
        """-log p_t."""
        return softplus(self.signed)

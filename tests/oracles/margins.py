# SPDX-License-Identifier: Apache-2.0
"""References of the losses over cosines to classes."""

from __future__ import annotations

import numpy as np

from oracles.common import one_hot, oracle


def _targets(y, s, ignored):
    """Dense targets of one sample or position a row, cosines of one a row, and which of them count."""
    s = np.asarray(s, "float64")
    s = s[:, None] if s.ndim == 1 else s
    y = one_hot(y, s.shape[-1])
    known = np.ones(s.shape[:-1], bool)
    if ignored is not None:
        # An id that is no class has no share in any.
        known = (y.sum(-1) > 0) & (y.argmax(-1) != ignored) if s.shape[-1] > 1 else np.round(y[..., 0]) != ignored
    return y, s, known


def _crossentropy(y, s, ignored, scale, with_margin):
    y, s, known = _targets(y, s, ignored)
    if s.shape[-1] == 1:
        y, s = np.concatenate([1 - y, y], -1), np.concatenate([0 * s, s], -1)
    values = np.zeros(known.shape)
    for place in np.ndindex(values.shape):
        if known[place]:
            z = [
                scale * (share * with_margin(c) + (1 - share) * c) if share else scale * c
                for share, c in zip(y[place], s[place], strict=True)
            ]
            largest = max(z)
            total = largest + np.log(sum(np.exp(other - largest) for other in z))
            values[place] = sum(share * (total - own) for share, own in zip(y[place], z, strict=True))
    return values


@oracle("arcface")
def arcface(y, s, *, margin=0.5, scale=64.0, ignore_class=None):
    def with_margin(cosine):
        theta = np.arccos(np.clip(cosine, -1.0, 1.0))
        return np.cos(theta + margin) if theta + margin <= np.pi else cosine - margin * np.sin(margin)

    return _crossentropy(y, s, ignore_class, scale, with_margin)


@oracle("cosface")
def cosface(y, s, *, margin=0.35, scale=64.0, ignore_class=None):
    return _crossentropy(y, s, ignore_class, scale, lambda cosine: cosine - margin)


@oracle("soft_triple")
def soft_triple(y, s, *, scale=20.0, gamma=0.1, margin=0.01, ignore_class=None):
    s = np.asarray(s, "float64")
    similarity = np.zeros(s.shape[:2])
    for i, c in np.ndindex(*similarity.shape):
        weights = np.exp((s[i, c] - s[i, c].max()) / gamma)
        similarity[i, c] = (weights / weights.sum() * s[i, c]).sum()
    return _crossentropy(y, similarity, ignore_class, scale, lambda cosine: cosine - margin)


@oracle("proxy_anchor")
def proxy_anchor(y, s, *, held, margin=0.1, alpha=32.0, ignore_class=None):
    """`held`: cosines by which a term is credited to its samples."""
    y, s, known = _targets(y, s, ignore_class)
    held = np.asarray(held, "float64").reshape(s.shape)
    samples, proxies = s.shape
    values, batch = np.zeros(samples), [i for i in range(samples) if known[i]]
    present = [p for p in range(proxies) if any(y[i, p] > 0 for i in batch)]

    def positive(cosine):
        return np.exp(-alpha * (cosine - margin))

    def negative(cosine):
        return np.exp(alpha * (cosine + margin))

    for p in range(proxies):
        for term, shares, count in ((positive, y[:, p], len(present)), (negative, 1 - y[:, p], proxies)):
            whole = np.log(1 + sum(shares[i] * term(s[i, p]) for i in batch))
            owed = {i: shares[i] * term(held[i, p]) for i in batch if shares[i] > 0}
            for i, part in owed.items():
                values[i] += part / sum(owed.values()) * whole / count
    return values * samples

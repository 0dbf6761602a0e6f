# SPDX-License-Identifier: Apache-2.0
"""Cases of the embedding losses."""

from __future__ import annotations

import numpy as np

from cases.common import Case, cases_of


@cases_of("contrastive")
def _contrastive(rng):
    y, d, pairs = rng.integers(0, 2, 6), rng.random(6) * 2, rng.normal(size=(6, 2, 3))
    return [
        Case("contrastive", y, d),
        Case("contrastive", y[:, None] * 1.0, d, {"margin": 0.5}),
        Case("contrastive", y, d[:, None], {"margin": 0.0}),
        Case("contrastive", y, pairs, {"margin": 2.5}),
        Case("contrastive", y, pairs, {"distance": "cosine"}),
    ]


@cases_of("triplet")
def _triplet(rng):
    ids, x, given = rng.integers(0, 4, 12), rng.normal(size=(12, 3)), rng.normal(size=(5, 3, 4))
    lone = np.array([0, 0, 1, 1, 1, 2, 3, 4, 4, 5, 6, 7])
    minings = [
        Case("triplet", ids, x, {"mining": mining, "distance": distance, "soft_margin": soft}, couples=True)
        for mining in ("semi_hard", "hard", "all")
        for distance in ("l2", "squared_l2", "cosine")
        for soft in (False, True)
    ]
    blocks = [
        Case("triplet", ids, x, {"mining": mining, "block_size": size}, couples=True)
        for mining in ("semi_hard", "hard", "all")
        for size in (1, 5)
    ]
    givens = [
        Case("triplet", np.zeros(5), given, {"distance": distance, "soft_margin": soft, "swap": soft})
        for distance in ("l2", "squared_l2", "cosine")
        for soft in (False, True)
    ]
    return [
        *minings,
        *blocks,
        *givens,
        Case("triplet", lone[:, None], x, {"margin": 0.3}, couples=True),
        Case("triplet", lone, x, {"margin": 3.0, "mining": "all"}, couples=True),
        Case("triplet", np.zeros((5, 7)), given, {"swap": True, "margin": 2.0}),
    ]


@cases_of("sup_con")
def _sup_con(rng):
    ids, x, views = rng.integers(0, 4, 12), rng.normal(size=(12, 3)), rng.normal(size=(7, 2, 3))
    # Each view is an anchor, also where no other sample has its id.
    lone = np.array([0, 0, 1, 2, 2, 2, 3])
    return [
        Case("sup_con", ids, x, couples=True),
        Case("sup_con", ids[:, None], x, {"temperature": 0.5, "block_size": 5}, couples=True),
        Case("sup_con", lone, views, {"temperature": 0.7}, couples=True),
        Case("sup_con", lone, views, {"temperature": 0.2, "block_size": 4}, couples=True),
        Case("sup_con", lone, views[:, :1], couples=True),
        Case("sup_con", np.arange(7), views[:, 0], couples=True),
    ]

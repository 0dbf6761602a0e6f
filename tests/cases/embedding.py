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


@cases_of("multi_similarity")
def _multi_similarity(rng):
    ids, x = rng.integers(0, 4, 12), rng.normal(size=(12, 3))
    lone = np.array([0, 0, 1, 1, 1, 2, 3, 4, 4, 5, 6, 7])
    return [
        Case("multi_similarity", ids, x, couples=True),
        Case("multi_similarity", ids[:, None], x, {"epsilon": None, "block_size": 5}, couples=True),
        Case("multi_similarity", lone, x, {"alpha": 1.0, "beta": 5.0, "base": 0.2, "epsilon": 1.0}, couples=True),
        Case("multi_similarity", lone, x, {"epsilon": None}, couples=True),
        Case("multi_similarity", np.zeros(12), x, couples=True),
        Case("multi_similarity", ids, x, {"block_size": 1}, couples=True),
    ]


@cases_of("circle_loss")
def _circle(rng):
    ids, x = rng.integers(0, 4, 12), rng.normal(size=(12, 3))
    lone = np.array([0, 0, 1, 1, 1, 2, 3, 4, 4, 5, 6, 7])
    return [
        Case("circle_loss", ids, x, {"gamma": 4.0, "margin": 0.2}, couples=True),
        Case("circle_loss", ids[:, None], x, {"block_size": 5}, couples=True),
        Case("circle_loss", lone, x, {"gamma": 4.0, "block_size": 1}, couples=True),
        Case("circle_loss", lone, x, {"gamma": 0.0}, couples=True),
        Case("circle_loss", np.arange(12), x, couples=True),
        Case("circle_loss", ids, x, {"gamma": 10.0, "margin": 1.5}, couples=True),
    ]


@cases_of("lifted_structure")
def _lifted_structure(rng):
    ids, x = rng.integers(0, 4, 12), rng.normal(size=(12, 3))
    lone = np.array([0, 0, 1, 1, 1, 2, 3, 4, 4, 5, 6, 7])
    return [
        *(
            Case("lifted_structure", ids, x, {"distance": kind}, couples=True)
            for kind in ("l2", "squared_l2", "cosine")
        ),
        Case("lifted_structure", lone[:, None], x, {"margin": 0.3, "block_size": 5}, couples=True),
        Case("lifted_structure", lone, x, {"margin": 0.0, "distance": "squared_l2"}, couples=True),
        Case("lifted_structure", ids, x, {"margin": 2.0, "block_size": 1}, couples=True),
        Case("lifted_structure", np.zeros(12), x, couples=True),
    ]


@cases_of("n_pairs")
def _n_pairs(rng):
    ids, x = rng.integers(0, 4, 8), rng.normal(size=(8, 8))
    return [
        Case("n_pairs", ids, x, couples=True, square=True),
        Case("n_pairs", np.arange(8)[:, None], 3 * x, couples=True, square=True),
        Case("n_pairs", np.zeros(8), x, couples=True, square=True),
    ]

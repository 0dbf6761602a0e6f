# SPDX-License-Identifier: Apache-2.0
"""Losses over embeddings of other packages on PyTorch, in an environment of its own.

    python3.11 -m venv peers
    peers/bin/pip install torch torchvision pytorch-metric-learning lightly sentence-transformers
    peers/bin/python benchmarks/embedding_peers.py [--only sup_con]

Prints the median time of forward plus backward in milliseconds as JSON, `{our key: {package: ms}}`: of 1,024 embeddings
of 128 numbers, eight of each id, or of two views of 1,024 samples. Where a package mines, the miner is timed along.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from lightly import loss as lightly
from pytorch_metric_learning import distances, losses, miners
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from timing import race

BATCH, WIDTH, PER_ID = 1024, 128, 8
CLASSES = BATCH // PER_ID

Loss = Callable[[Any, Any], Any]

_METRIC, _LIGHTLY, _SENTENCES = "pytorch-metric-learning", "lightly", "sentence-transformers"
_BOTH_WAYS = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}


def mined(loss: Any, miner: Any) -> Loss:
    return lambda x, ids: loss(x, ids, miner(x, ids))


def of_views(loss: Any) -> Loss:
    return lambda x, _: loss(x[:, 0], x[:, 1])


def with_references(loss: Any) -> Loss:
    return lambda x, _: loss(x[:, 0], ref_emb=x[:, 1])


def in_batch_negatives() -> Loss:
    loss = MultipleNegativesRankingLoss(None, scale=20.0, **_BOTH_WAYS)
    return lambda x, _: loss.compute_loss_from_embeddings([x[:, 0], x[:, 1]], None)


def triplets(mining: str) -> Loss:
    loss = losses.TripletMarginLoss(margin=1.0, distance=distances.LpDistance(normalize_embeddings=False))
    if mining == "hard":
        return mined(loss, miners.BatchHardMiner(distance=loss.distance))
    return mined(loss, miners.TripletMarginMiner(1.0, type_of_triplets=mining, distance=loss.distance))


WORKS: dict[str, dict[str, Callable[[], Loss]]] = {
    "triplet_hard": {_METRIC: lambda: triplets("hard")},
    "triplet_semi_hard": {_METRIC: lambda: triplets("semihard")},
    "triplet_all": {_METRIC: lambda: triplets("all")},
    "sup_con": {_METRIC: lambda: losses.SupConLoss(temperature=0.1)},
    "multi_similarity": {
        _METRIC: lambda: mined(losses.MultiSimilarityLoss(alpha=2, beta=50, base=0.5), miners.MultiSimilarityMiner(0.1))
    },
    "circle_loss": {_METRIC: lambda: losses.CircleLoss(m=0.4, gamma=80)},
    "lifted_structure": {_METRIC: lambda: losses.GeneralizedLiftedStructureLoss()},
    "arcface": {_METRIC: lambda: losses.ArcFaceLoss(CLASSES, WIDTH)},
    "cosface": {_METRIC: lambda: losses.CosFaceLoss(CLASSES, WIDTH)},
    "proxy_anchor": {_METRIC: lambda: losses.ProxyAnchorLoss(CLASSES, WIDTH)},
    "soft_triple": {_METRIC: lambda: losses.SoftTripleLoss(CLASSES, WIDTH, centers_per_class=10)},
    # That of pytorch-metric-learning asks for 34 GB.
    "nt_xent": {_LIGHTLY: lambda: of_views(lightly.NTXentLoss(temperature=0.5))},
    "info_nce": {_SENTENCES: in_batch_negatives},
    "barlow_twins": {_LIGHTLY: lambda: of_views(lightly.BarlowTwinsLoss())},
    "vicreg": {
        _METRIC: lambda: with_references(losses.VICRegLoss()),
        _LIGHTLY: lambda: of_views(lightly.VICRegLoss()),
    },
    "negative_cosine": {_LIGHTLY: lambda: of_views(lightly.NegativeCosineSimilarity())},
}


def step(loss: Loss, views: bool) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(BATCH, *((2,) * views), WIDTH)).astype("float32"), requires_grad=True)
    ids = torch.arange(BATCH) // PER_ID

    def run() -> None:
        x.grad = None
        loss(x, ids).backward()

    return run


VIEWS = {"nt_xent", "info_nce", "barlow_twins", "vicreg", "negative_cosine"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(WORKS), help="keys of our losses")
    arguments = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for key in arguments.only:
        for package, make in WORKS[key].items():
            (milliseconds,) = race([step(make(), key in VIEWS)])
            found.setdefault(key, {})[package] = round(milliseconds, 2)
            print(key, package, found[key][package], file=sys.stderr, flush=True)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

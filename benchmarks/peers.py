# SPDX-License-Identifier: Apache-2.0
"""Losses of MONAI, segmentation-models-pytorch and entmax on PyTorch, in an environment of its own.

    python3.11 -m venv peers && peers/bin/pip install torch==2.13.0 monai segmentation-models-pytorch entmax
    peers/bin/python benchmarks/peers.py [--only dice lovasz]

Prints the median time of forward plus backward in milliseconds as JSON, by the titles of `peer_works` in `work.py`,
from logits and ids. Maps have their channels in front, as PyTorch likes them. Of BiTempered no package is known: here
is the algorithm of its authors, five fixed-point iterations and the gradient in closed form.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from entmax import SparsemaxLoss
from monai.losses import DiceCELoss, DiceFocalLoss, DiceLoss, SoftDiceclDiceLoss
from segmentation_models_pytorch.losses import LovaszLoss

Loss = Callable[[Any, Any], Any]


class BiTempered(torch.autograd.Function):
    """The mean over the rows of the bi-tempered loss for t1 = 0.8 and t2 = 1.2."""

    T1, T2, ITERATIONS = 0.8, 1.2, 5

    @classmethod
    def log(cls, x: Any) -> Any:
        return (x ** (1.0 - cls.T1) - 1.0) / (1.0 - cls.T1)

    @classmethod
    def exp(cls, x: Any) -> Any:
        return torch.relu(1.0 + (1.0 - cls.T2) * x) ** (1.0 / (1.0 - cls.T2))

    @classmethod
    def probabilities(cls, logits: Any) -> Any:
        largest = logits.max(-1, keepdim=True).values
        relative = scaled = logits - largest
        for _ in range(cls.ITERATIONS):
            scaled = relative * cls.exp(scaled).sum(-1, keepdim=True) ** (1.0 - cls.T2)
        total = cls.exp(scaled).sum(-1, keepdim=True)
        normaliser = (total ** (cls.T2 - 1.0) - 1.0) / (cls.T2 - 1.0)
        return cls.exp(relative - normaliser)

    @staticmethod
    def forward(context: Any, logits: Any, ids: Any) -> Any:
        cls = BiTempered
        p, y = cls.probabilities(logits), torch.nn.functional.one_hot(ids, logits.shape[-1]).to(logits.dtype)
        context.save_for_backward(p, y)
        power = 2.0 - cls.T1
        return (y * (cls.log(y + 1e-10) - cls.log(p)) - (y**power - p**power) / power).sum(-1).mean()

    @staticmethod
    def backward(context: Any, upstream: Any) -> tuple[Any, None]:  # type: ignore[override]
        cls, (p, y) = BiTempered, context.saved_tensors
        escort = p**cls.T2
        direct = (p - y) * p ** (cls.T2 - cls.T1)
        found = direct - escort / escort.sum(-1, keepdim=True) * direct.sum(-1, keepdim=True)
        return upstream / len(p) * found, None


def cl_dice(logits: Any, ids: Any) -> Any:
    one_hot = torch.nn.functional.one_hot(ids[:, 0], logits.shape[1]).movedim(-1, 1).to(logits.dtype)
    return _cl_dice(one_hot, torch.softmax(logits, 1))


_cl_dice = SoftDiceclDiceLoss(iter_=3)
_lovasz = LovaszLoss("multiclass", per_image=True, from_logits=True)
_sparsemax = SparsemaxLoss(reduction="elementwise_mean")
_monai = {"softmax": True, "to_onehot_y": True}

MAPS, VOLUMES, ROWS = (8, 256, 256, 4), (2, 96, 96, 96, 3), [(4096, 1000), (65536, 10), (256, 10)]
WORKS: dict[str, tuple[Loss, list[tuple[int, ...]]]] = {
    "Dice": (DiceLoss(**_monai), [MAPS, VOLUMES]),
    "DiceCrossentropy": (DiceCELoss(**_monai), [MAPS, VOLUMES]),
    "DiceFocal": (DiceFocalLoss(**_monai), [MAPS, VOLUMES]),
    "ClDice": (cl_dice, [MAPS]),
    "Lovasz": (lambda logits, ids: _lovasz(logits, ids[:, 0]), [MAPS]),
    "Sparsemax": (_sparsemax, ROWS),
    "BiTempered": (BiTempered.apply, ROWS),
}


def median_time(loss: Loss, shape: tuple[int, ...], rounds: int) -> float:
    """In milliseconds."""
    rng = np.random.default_rng(0)
    ids = torch.tensor(rng.integers(0, shape[-1], shape[:-1]))
    logits = rng.normal(size=shape).astype("float32") * 2
    if len(shape) > 2:
        ids, logits = ids[:, None], np.ascontiguousarray(np.moveaxis(logits, -1, 1))
    leaf, times = torch.tensor(logits, requires_grad=True), []
    end = time.perf_counter() + 20
    while len(times) < rounds and (len(times) < 3 or time.perf_counter() < end):
        leaf.grad = None
        start = time.perf_counter()
        loss(leaf, ids).backward()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[len(times) // 8 :])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="names of losses, in small letters")
    parser.add_argument("--rounds", type=int, default=24)
    arguments = parser.parse_args()
    found = {}
    for name, (loss, shapes) in WORKS.items():
        for shape in shapes if name.lower() in (arguments.only or [name.lower()]) else []:
            title = f"{name}, {' x '.join(map(str, shape))}"
            found[title] = round(median_time(loss, shape, arguments.rounds), 2)
            print(title, found[title], file=sys.stderr, flush=True)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

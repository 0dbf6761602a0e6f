# SPDX-License-Identifier: Apache-2.0
"""MONAI's losses on PyTorch, in an environment of its own.

    python3.11 -m venv monai && monai/bin/pip install torch==2.13.0 monai
    monai/bin/python benchmarks/monai_dice.py

Prints the median time of forward plus backward in milliseconds, from logits and ids, with channels in front as PyTorch
likes them.
"""

from __future__ import annotations

import os
import statistics
import time

import numpy as np
import torch
from monai.losses import DiceCELoss, DiceFocalLoss, DiceLoss

torch.set_num_threads(os.cpu_count() or 1)


def median_time(loss: torch.nn.Module, shape: tuple[int, ...], rounds: int = 21) -> float:
    """In milliseconds."""
    rng = np.random.default_rng(0)
    ids = torch.tensor(rng.integers(0, shape[-1], shape[:-1]))[:, None]
    logits = np.moveaxis(rng.normal(size=shape).astype("float32") * 2, -1, 1)
    leaf = torch.tensor(np.ascontiguousarray(logits), requires_grad=True)
    times = []
    for _ in range(rounds + 3):
        leaf.grad = None
        start = time.perf_counter()
        loss(leaf, ids).backward()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[3:])


for shape in ((8, 256, 256, 4), (2, 96, 96, 96, 3)):
    for loss in (DiceLoss, DiceCELoss, DiceFocalLoss):
        milliseconds = median_time(loss(softmax=True, to_onehot_y=True), shape)
        print(f"{loss.__name__}, {' x '.join(map(str, shape))} {milliseconds:.1f}", flush=True)

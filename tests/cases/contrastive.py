# SPDX-License-Identifier: Apache-2.0
"""Cases of the losses that tell the views of one sample from those of others."""

from __future__ import annotations

import numpy as np

from cases.common import Case, cases_of


def _of(key, rng, *parameters, square=False):
    views, unused = 20 * rng.normal(size=(7, 2, 3)), np.zeros(7)
    found = [Case(key, unused, views, more, couples=True) for more in parameters]
    found += [Case(key, unused, views, {"block_size": size}, couples=True) for size in (1, 4)]
    if square:
        found.append(Case(key, unused[:5], 3 * rng.normal(size=(5, 5)), couples=True, square=True))
    return found


@cases_of("nt_xent")
def _nt_xent(rng):
    return _of("nt_xent", rng, {}, {"temperature": 0.1}, {"temperature": 0.01})


@cases_of("info_nce")
def _info_nce(rng):
    one_way = {"symmetric": False}
    sharp = {"temperature": 0.01}
    return _of("info_nce", rng, {}, one_way, sharp, {**sharp, **one_way}, {**sharp, "block_size": 3}, square=True)


@cases_of("siglip")
def _siglip(rng):
    return _of("siglip", rng, {}, {"temperature": 1.0, "bias": -1.0}, {"temperature": 0.05, "bias": 2.0}, square=True)

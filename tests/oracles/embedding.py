# SPDX-License-Identifier: Apache-2.0
"""References of the embedding losses."""

from __future__ import annotations

from itertools import product

import numpy as np

from oracles.common import oracle


def between(a, b, kind):
    if kind == "cosine":
        length = np.linalg.norm(a) * np.linalg.norm(b)
        return 1 - (a @ b / length if length else 0.0)
    return np.linalg.norm(a - b) ** (2 if kind == "squared_l2" else 1)


@oracle("contrastive")
def contrastive(y, p, *, margin=1.0, distance="l2"):
    p, y = np.asarray(p, "float64"), np.asarray(y, "float64").reshape(-1)
    d = np.array([between(a, b, distance) for a, b in p]) if p.ndim == 3 else p.reshape(-1)
    return y * d**2 + (1 - y) * np.maximum(margin - d, 0) ** 2


@oracle("triplet")
def triplet(
    y,
    p,
    *,
    margin=1.0,
    mining="semi_hard",
    distance="l2",
    soft_margin=False,
    swap=False,
    cross_replica=True,
    block_size=None,
):
    """Every rule spelt out with loops over anchors, positives and negatives."""

    def hinge(near, far):
        return np.logaddexp(0, near - far) if soft_margin else max(near - far + margin, 0.0)

    p = np.asarray(p, "float64")
    if p.ndim == 3:
        values = []
        for anchor, positive, negative in p:
            far = between(anchor, negative, distance)
            if swap:
                far = min(far, between(positive, negative, distance))
            values.append(hinge(between(anchor, positive, distance), far))
        return np.array(values)
    ids = np.asarray(y).reshape(-1)
    n = len(p)
    d = np.array([[between(a, b, distance) for b in p] for a in p])
    totals, count = np.zeros(n), 0
    for a in range(n):
        positives = [j for j in range(n) if j != a and ids[j] == ids[a]]
        negatives = [j for j in range(n) if ids[j] != ids[a]]
        if not positives or not negatives:
            continue
        if mining == "hard":
            terms = [hinge(max(d[a, positives]), min(d[a, negatives]))]
            count += 1
        elif mining == "all":
            terms = [hinge(d[a, i], d[a, j]) for i, j in product(positives, negatives)]
            count += sum(term > 0 for term in terms)
        else:
            terms = []
            for i in positives:
                farther = [d[a, j] for j in negatives if d[a, j] > d[a, i]]
                terms.append(hinge(d[a, i], min(farther) if farther else max(d[a, negatives])))
            count += len(terms)
        totals[a] = sum(terms)
    return totals * n / max(count, 1)


def cosine(a, b):
    return 1 - between(a, b, "cosine")


def others_of(a, ids):
    """The positives and the negatives of an anchor."""
    others = [j for j in range(len(ids)) if j != a]
    return [j for j in others if ids[j] == ids[a]], [j for j in others if ids[j] != ids[a]]


@oracle("sup_con")
def sup_con(y, p, *, temperature=0.1, cross_replica=True, block_size=None):
    p, ids = np.asarray(p, "float64"), np.asarray(y).reshape(-1)
    views = p.reshape(len(p), -1, p.shape[-1])
    samples = [i for i in range(len(p)) for _ in views[i]]
    x, ids = np.concatenate(list(views)), ids[samples]
    totals, count = np.zeros(len(p)), 0
    for a in range(len(x)):
        positives, negatives = others_of(a, ids)
        if not positives:
            continue
        e = {j: np.exp(cosine(x[a], x[j]) / temperature) for j in positives + negatives}
        totals[samples[a]] -= np.mean([np.log(e[j] / sum(e.values())) for j in positives])
        count += 1
    return totals * len(p) / max(count, 1)


@oracle("multi_similarity")
def multi_similarity(y, p, *, alpha=2.0, beta=50.0, base=0.5, epsilon=0.1, cross_replica=True, block_size=None):
    p, ids = np.asarray(p, "float64"), np.asarray(y).reshape(-1)
    values = np.zeros(len(p))
    for a in range(len(p)):
        positives, negatives = ([cosine(p[a], p[j]) for j in others] for others in others_of(a, ids))
        if not positives or not negatives:
            continue
        if epsilon is not None:
            positives, negatives = (
                [s for s in positives if s < max(negatives) + epsilon],
                [s for s in negatives if s > min(positives) - epsilon],
            )
        values[a] += np.log(1 + sum(np.exp(-alpha * (s - base)) for s in positives)) / alpha
        values[a] += np.log(1 + sum(np.exp(beta * (s - base)) for s in negatives)) / beta
    return values


@oracle("circle_loss")
def circle(y, p, *, gamma=80.0, margin=0.4, held=None, cross_replica=True, block_size=None):
    """`held`: the embeddings that the weights of pairs come from, which carry no gradient."""
    p, ids = np.asarray(p, "float64"), np.asarray(y).reshape(-1)
    held = p if held is None else np.asarray(held, "float64")
    values, count = np.zeros(len(p)), 0
    for a in range(len(p)):
        positives, negatives = others_of(a, ids)
        if not positives or not negatives:
            continue
        far = near = 0.0
        for j in negatives:
            weight = max(cosine(held[a], held[j]) + margin, 0.0)
            far += np.exp(gamma * weight * (cosine(p[a], p[j]) - margin))
        for j in positives:
            weight = max(1 + margin - cosine(held[a], held[j]), 0.0)
            near += np.exp(-gamma * weight * (cosine(p[a], p[j]) - (1 - margin)))
        values[a], count = np.log(1 + far * near), count + 1
    return values * len(p) / max(count, 1)


@oracle("lifted_structure")
def lifted_structure(y, p, *, margin=1.0, distance="l2", cross_replica=True, block_size=None):
    p, ids = np.asarray(p, "float64"), np.asarray(y).reshape(-1)
    totals, pairs = np.zeros(len(p)), 0
    for i in range(len(p)):
        positives, negatives = others_of(i, ids)
        for j in positives:
            pairs += 1
            if not negatives:
                continue
            terms = [np.exp(margin - between(p[i], p[k], distance)) for k in negatives]
            terms += [np.exp(margin - between(p[j], p[k], distance)) for k in negatives]
            totals[i] += max(np.log(sum(terms)) + between(p[i], p[j], distance), 0.0) ** 2 / 2
    return totals * len(p) / max(pairs, 1)


@oracle("n_pairs")
def n_pairs(y, p):
    p, ids = np.asarray(p, "float64"), np.asarray(y).reshape(-1)
    values = np.zeros(len(p))
    for i, own in enumerate(ids):
        shares = (ids == own) / (ids == own).sum()
        values[i] = -(shares * np.log(np.exp(p[i]) / np.exp(p[i]).sum())).sum()
    return values

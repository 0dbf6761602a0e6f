# SPDX-License-Identifier: Apache-2.0
"""References of the box losses: one box at a time, corners x1, y1, x2, y2."""

from __future__ import annotations

import math

import numpy as np

from oracles.common import oracle


@oracle("iou")
def iou(y, p, *, box_format="xyxy"):
    return _each(lambda true, pred, _: 1 - _iou(true, pred)[0], y, p, p, box_format)


@oracle("giou")
def giou(y, p, *, box_format="xyxy"):
    def loss(true, pred, _):
        overlap, union = _iou(true, pred)
        width, height = _hull(true, pred)
        return 1 - overlap + _ratio(width * height - union, width * height)

    return _each(loss, y, p, p, box_format)


@oracle("diou")
def diou(y, p, *, box_format="xyxy"):
    return _each(lambda true, pred, _: 1 - _iou(true, pred)[0] + _distance(true, pred), y, p, p, box_format)


@oracle("ciou")
def ciou(y, p, *, held, box_format="xyxy"):
    def aspect(true, pred):
        angles = []
        for box in (true, pred):
            width, height = max(box[2] - box[0], 0), max(box[3] - box[1], 0)
            angles.append(math.atan(width / height) if height else math.pi / 2 if width else 0.0)
        return 4 / math.pi**2 * (angles[0] - angles[1]) ** 2

    def loss(true, pred, held):
        v = aspect(true, held)
        alpha = _ratio(v, 1 - _iou(true, held)[0] + v)
        return 1 - _iou(true, pred)[0] + _distance(true, pred) + alpha * aspect(true, pred)

    return _each(loss, y, p, held, box_format)


def _each(loss, y, p, held, box_format):
    rows = zip(*(np.reshape(boxes, (-1, 4)).astype("float64") for boxes in (y, p, held)), strict=True)
    values = [loss(*(_corners(box, box_format) for box in row)) for row in rows]
    return np.reshape(values, np.shape(p)[:-1])


def _corners(box, box_format):
    a, b, c, d = (float(number) for number in box)
    return {
        "xyxy": (a, b, c, d),
        "yxyx": (b, a, d, c),
        "xywh": (a, b, a + c, b + d),
        "cxcywh": (a - c / 2, b - d / 2, a + c / 2, b + d / 2),
    }[box_format]


def _area(box):
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def _iou(true, pred):
    inner = (max(true[0], pred[0]), max(true[1], pred[1]), min(true[2], pred[2]), min(true[3], pred[3]))
    union = _area(true) + _area(pred) - _area(inner)
    return _ratio(_area(inner), union), union


def _hull(true, pred):
    xs, ys = (true[0], true[2], pred[0], pred[2]), (true[1], true[3], pred[1], pred[3])
    return max(xs) - min(xs), max(ys) - min(ys)


def _distance(true, pred):
    width, height = _hull(true, pred)
    dx = (true[0] + true[2]) / 2 - (pred[0] + pred[2]) / 2
    dy = (true[1] + true[3]) / 2 - (pred[1] + pred[3]) / 2
    return _ratio(dx**2 + dy**2, width**2 + height**2)


def _ratio(numerator, denominator):
    return numerator / denominator if denominator else 0.0

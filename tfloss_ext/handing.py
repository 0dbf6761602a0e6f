# SPDX-License-Identifier: Apache-2.0
"""What a layer hands to a loss along with a tensor, as Keras hands a mask: it is known where that very tensor is."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfloss_ext import registry

_ATTRIBUTE = "_tfloss_ext_handed"


def hand(tensor: Any, **what: Any) -> Any:
    """The tensor, with what a loss that gets it is to know beside it."""
    registry.set_attribute(tensor, _ATTRIBUTE, what)
    return tensor


def passed_on(tensor: Any, **what: Any) -> Any:
    """A tensor like this one, with this and with all that was handed along with it before."""
    return hand(ops.copy(tensor), **{**handed(tensor), **what})


def handed(tensors: Any) -> dict[str, Any]:
    """All that was handed along with any tensor of a structure."""
    found: dict[str, Any] = {}
    for tensor in keras.tree.flatten(tensors):
        found |= registry.attribute(tensor, _ATTRIBUTE) or {}
    return found

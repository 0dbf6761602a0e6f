# SPDX-License-Identifier: Apache-2.0
"""What a layer hands to a loss along with a tensor, as Keras hands a mask: it is known where that very tensor is."""

from __future__ import annotations

from typing import Any

from tfloss_ext import registry

_ATTRIBUTE = "_tfloss_ext_handed"


def hand(tensor: Any, **what: Any) -> Any:
    """The tensor, with what a loss that gets it is to know beside it."""
    registry.set_attribute(tensor, _ATTRIBUTE, what)
    return tensor


def handed(*tensors: Any) -> dict[str, Any]:
    """All that was handed along with any of these tensors."""
    found: dict[str, Any] = {}
    for tensor in tensors:
        found |= registry.attribute(tensor, _ATTRIBUTE) or {}
    return found

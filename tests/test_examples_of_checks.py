# SPDX-License-Identifier: Apache-2.0
"""Every check of `tfloss_ext.testing` holds of every registered loss, over the examples that the kit makes for it."""

from __future__ import annotations

import pytest
from cases import required

import tfloss_ext
from tfloss_ext import registry, testing


@pytest.mark.slow
@testing.parametrize_with_checks([tfloss_ext.get(key, **required(key)) for key in sorted(registry.classes())])
def test_every_check_holds(check):
    check()

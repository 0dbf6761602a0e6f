# SPDX-License-Identifier: Apache-2.0
"""The package as a whole: what it shows."""

from __future__ import annotations

import tfloss_ext


def test_dir_lists_the_public_names_alone():
    shown = dir(tfloss_ext)
    assert {name for name in shown if not name.startswith("__")} == set(tfloss_ext.__all__)
    assert {"__all__", "__doc__", "__version__"} <= set(shown)
    assert all(hasattr(tfloss_ext, name) for name in shown)

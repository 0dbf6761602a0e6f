# SPDX-License-Identifier: Apache-2.0
"""What type checkers see of the package is what it is. What they say of it, `tools/check_types.py` looks at."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras

ROOT = Path(__file__).parents[1]


def test_the_stub_is_up_to_date():
    spec = importlib.util.spec_from_file_location("stubs", ROOT / "tools" / "stubs.py")
    stubs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stubs)
    assert stubs.STUB.read_text() == stubs.stub(), "run `python tools/stubs.py`"


def test_what_type_checkers_accept_runs():
    # In a process of its own, for it registers names.
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "typing" / "right_uses.py")],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]

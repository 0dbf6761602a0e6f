# SPDX-License-Identifier: Apache-2.0
"""Every script in `examples/` runs from start to end, without a warning, and prints its table."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

FOLDER = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if not path.name.startswith("_"))
# Arguments that make a script quick.
SETTINGS = {
    "boxes.py": "--epochs 1 --samples 64 --steps 2",
    "custom_training_loop.py": "--epochs 1",
    "imbalanced_classification.py": "--epochs 1 --splits 1",
    "long_tailed_classification.py": "--epochs 1 --splits 1",
    "metric_learning.py": "--epochs 1 --samples 128",
    "multi_output.py": "--epochs 1",
    "noisy_labels.py": "--epochs 1 --splits 1 --rates 0.4",
    "ordinal_ratings.py": "--epochs 1 --splits 1",
    "probabilistic_regression.py": "--epochs 1 --splits 1 --out new/intervals.png",
    "quickstart.py": "--epochs 1 --samples 128 --out new/picture.png",
    "segmentation.py": "--epochs 1 --samples 16 --held-out 16 --out new/masks.png",
    "segmentation_study.py": "--epochs 1 --samples 16 --held-out 16 --seeds 1 --tables smooth",
}
# A title, then a rule, the names of the columns, a rule, at least two rows, a rule.
TABLE = re.compile(r"^\S.*\n(-{10,})\n.+\n\1\n(.+\n){2,}\1$", re.MULTILINE)


@pytest.mark.tensorflow
@pytest.mark.parametrize("script", SCRIPTS)
def test_example(script: str, tmp_path: Path) -> None:
    assert script in SETTINGS, f"Expected arguments that make examples/{script} quick. Add them to SETTINGS."
    arguments = SETTINGS[script].split()
    # Warnings are errors in the script; what Keras and TensorFlow import may warn.
    command = [sys.executable, "-W", "error:::__main__", str(FOLDER / script), *arguments]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    assert "Warning" not in run.stderr, run.stderr[-4000:]
    assert TABLE.search(run.stdout), run.stdout
    for picture in (tmp_path / argument for argument in arguments if argument.endswith(".png")):
        assert picture.read_bytes().startswith(b"\x89PNG")
    if script == "quickstart.py":
        assert "The reloaded model evaluates equally." in run.stdout


def test_settings_name_scripts() -> None:
    assert set(SETTINGS) <= set(SCRIPTS)

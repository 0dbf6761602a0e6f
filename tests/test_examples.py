# SPDX-License-Identifier: Apache-2.0
"""Every script in `examples/` runs from start to end, in silence but for its table, and `--help` does so at once."""

from __future__ import annotations

import os
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
    "metric_learning.py": "--steps 2 --seeds 1 --losses triplet proxy_anchor --out new/letters.png",
    "multi_output.py": "--epochs 1",
    "noisy_labels.py": "--epochs 1 --splits 1 --rates 0.4",
    "ordinal_ratings.py": "--epochs 1 --splits 1",
    "probabilistic_regression.py": "--epochs 1 --splits 1 --out new/intervals.png",
    "quickstart.py": "--epochs 1 --samples 128 --seeds 1 --out new/picture.png",
    "segmentation.py": "--epochs 1 --samples 16 --held-out 16 --out new/masks.png",
    "segmentation_study.py": "--epochs 1 --samples 16 --held-out 16 --seeds 1 --tables smooth",
    "self_supervised.py": "--steps 2 --seeds 1 --draws 1 --out new/views.png",
    "two_towers.py": "--epochs 1 --seeds 1 --losses InfoNCE(temperature=None) --out new/halves.png",
}
# A title, then a rule, the names of the columns, a rule, at least two rows, a rule.
TABLE = re.compile(r"^\S.*\n(-{10,})\n.+\n\1\n(.+\n){2,}\1$", re.MULTILINE)


# The first that a newcomer runs; the others take minutes together.
USUAL = ["quickstart.py"]


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "script", [pytest.param(script, marks=() if script in USUAL else pytest.mark.slow) for script in SCRIPTS]
)
def test_example(script: str, tmp_path: Path) -> None:
    assert script in SETTINGS, f"Expected arguments that make examples/{script} quick. Add them to SETTINGS."
    arguments = SETTINGS[script].split()
    # Warnings are errors in the script; what Keras and TensorFlow import may warn.
    command = [sys.executable, "-W", "error:::__main__", str(FOLDER / script), *arguments]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    assert run.stderr == "", run.stderr[-4000:]
    assert TABLE.search(run.stdout), run.stdout
    for picture in (tmp_path / argument for argument in arguments if argument.endswith(".png")):
        assert picture.read_bytes().startswith(b"\x89PNG")
    if script == "quickstart.py":
        assert "The reloaded model evaluates equally." in run.stdout


# Runs a script with its arguments, and says which of the packages that take long to import it has imported.
WATCHED = """
import runpy, sys
from pathlib import Path

del sys.argv[0]
script = sys.argv[0]
sys.path.insert(0, str(Path(script).parent))
try:
    runpy.run_path(script, run_name="__main__")
finally:
    slow = {"jax", "keras", "matplotlib", "numpy", "sklearn", "tensorflow", "tfloss_ext", "torch"}
    print("imported:", *sorted(slow & set(sys.modules)))
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_imports_nothing_slow_and_shows_the_defaults(script: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WATCHED, str(FOLDER / script), "--help"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert run.stdout.endswith("imported:\n"), run.stdout
    # Up to the next option, the words of one.
    options = re.findall(r"^  (--[\w-]+) (.*?)(?=^  --|^imported)", run.stdout, re.MULTILINE | re.DOTALL)
    assert options
    for name, words in options:
        assert "(default:" in words, name


def test_an_option_that_does_not_exist_is_refused_before_anything_is_imported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WATCHED, str(FOLDER / "quickstart.py"), "--no-such-option"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stdout == "imported:\n"


def test_what_goes_wrong_in_the_import_is_shown(tmp_path: Path) -> None:
    environment = {**os.environ, "KERAS_BACKEND": "none"}
    command = [sys.executable, str(FOLDER / "multi_output.py")]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert run.returncode == 1
    assert "none" in run.stderr.splitlines()[-1], run.stderr


def test_settings_name_scripts() -> None:
    assert set(SETTINGS) <= set(SCRIPTS)

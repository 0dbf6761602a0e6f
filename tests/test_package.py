# SPDX-License-Identifier: Apache-2.0
"""The package as a whole: what it shows, and what it asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import tfloss_ext

ROOT = Path(__file__).parent.parent


def test_dir_lists_the_public_names_alone():
    shown = dir(tfloss_ext)
    assert {name for name in shown if not name.startswith("__")} == set(tfloss_ext.__all__)
    assert {"__all__", "__doc__", "__version__"} <= set(shown)
    assert all(hasattr(tfloss_ext, name) for name in shown)


def test_the_lower_bounds_are_versions_that_the_tests_have_passed_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    rows = re.findall(r"^\| oldest-(\w+) \|(.+?)\|$", (ROOT / "docs" / "versions.md").read_text(encoding="utf-8"), re.M)
    tested = {backend: [cell.strip() for cell in cells.split("|")] for backend, cells in rows}
    assert set(tested) == {"tensorflow", "jax", "torch"}
    for backend, (python, keras, numpy, version, *_) in tested.items():
        assert project["requires-python"] == f">={python}"
        bounds = [*project["dependencies"], *project["optional-dependencies"][backend]]
        for name, passed in {"keras": keras, "numpy": numpy, backend: version}.items():
            (bound,) = (bound.removeprefix(f"{name}>=") for bound in bounds if bound.startswith(f"{name}>="))
            assert f"{passed}.".startswith(f"{bound}."), (name, bound, passed)

# SPDX-License-Identifier: Apache-2.0
"""The README's code runs, its table names what there is, and what it and the pages of `docs/` link to exists."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import tfloss_ext
from tfloss_ext import registry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_code_runs_and_its_models_train(monkeypatch):
    scope: dict = {}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), scope)
        model = scope["model"]
        x = np.zeros((4, 8), "float32")
        y = {name: np.zeros(4, "int32") for name in ("rare", "kind")} | {"size": np.zeros((4, 2))}
        model.fit(x, np.zeros((4, 1)) if isinstance(model, keras.Sequential) else y, verbose=0)
    assert type(keras.losses.get("cauchy")) is scope["Cauchy"]
    assert len(BLOCKS) == 3
    for name in ("cauchy", "Custom>Cauchy"):
        registry.unregister(name)


def test_the_table_names_every_loss():
    rows = re.findall(r"^\| (`.*?`) \| `(\w+)` \|", README, re.MULTILINE)
    listed = {cls: set(re.findall(r"`(\w+)`", names)) for names, cls in rows}
    assert set(listed) == {
        cls.__name__ for cls in registry.classes().values() if cls.__module__.startswith("tfloss_ext")
    }
    assert set().union(*listed.values()) == set(tfloss_ext.names())


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_linked_exists(page):
    for target in re.findall(r"\]\((?!http)(.*?)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target.partition("#")[0]).exists(), target

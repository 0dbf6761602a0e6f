# SPDX-License-Identifier: Apache-2.0
"""The README's code runs, its table names what there is, and what it and the pages of `docs/` link to exists."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
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
    assert type(keras.losses.get("lopsided")) is scope["lopsided"]
    assert len(BLOCKS) == 4
    for name in ("cauchy", "Custom>Cauchy", "lopsided", "Custom>lopsided"):
        registry.unregister(name)


def test_the_table_names_every_loss():
    rows = re.findall(r"^\| (`.*?`) \| `(\w+)(?:\(.*?\))?` \|", README, re.MULTILINE)
    listed = {cls: set(re.findall(r"`(\w+)`", names)) for names, cls in rows}
    assert set(listed) == {
        cls.__name__ for cls in registry.classes().values() if cls.__module__.startswith("tfloss_ext")
    }
    assert set().union(*listed.values()) == set(tfloss_ext.names())


def test_the_table_is_what_the_declarations_say():
    check = subprocess.run([sys.executable, ROOT / "tools" / "readme.py", "--check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize(
    "key", [key for key, cls in registry.classes().items() if cls.targets.startswith("ids, one-hot")]
)
def test_ids_and_one_hot_targets_are_taken_alike(key):
    # An even number, and two of a class, so that it is no special case of any.
    ids = np.array([0, 1, 1, 0])
    y_pred = np.array([[0.7, 0.3], [0.4, 0.6], [0.2, 0.8], [0.9, 0.1]], "float32")
    if key == "cl_dice":
        ids, y_pred = ids.reshape(1, 2, 2), y_pred.reshape(1, 2, 2, 2)
    if key == "soft_triple":
        y_pred = np.stack([y_pred, y_pred / 2], axis=-1)
    loss = tfloss_ext.get(key, reduction=None, **required(key, 2))
    expected = keras.ops.convert_to_numpy(loss(ids, y_pred))
    for targets in (
        np.eye(2, dtype="int32")[ids],
        np.eye(2, dtype="float32")[ids],
        ids[..., None],
        ids.astype("float32"),
    ):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(loss(targets, y_pred)), expected, rtol=1e-5, atol=1e-7)


def required(key: str, classes: int) -> dict:
    parameters = inspect.signature(registry.classes()[key]).parameters.values()
    return {p.name: [1.0] * classes for p in parameters if p.default is inspect.Parameter.empty}


@pytest.mark.parametrize("loss", [tfloss_ext.Focal(reduction=None), tfloss_ext.Dice(reduction=None)], ids=repr)
def test_a_loss_works_as_a_metric(loss):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="sigmoid")])
    model.compile("sgd", "mse", metrics=[loss])
    x, y = np.ones((5, 3)), np.array([[0.0, 1.0]] * 5)
    found = model.evaluate(x, y, batch_size=2, return_dict=True, verbose=0)
    expected = keras.ops.convert_to_numpy(loss(y, model.predict(x, verbose=0))).mean()
    np.testing.assert_allclose([value for name, value in found.items() if name != "loss"], [expected], rtol=1e-5)


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_linked_exists(page):
    for target in re.findall(r"\]\((?!http)(.*?)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target.partition("#")[0]).exists(), target

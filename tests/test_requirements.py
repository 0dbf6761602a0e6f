# SPDX-License-Identifier: Apache-2.0
"""What must be so around the package: a Keras 3 that is new enough, and not Keras 2 where Keras 3 is expected."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import keras
import pytest

from tfloss_ext import requirements

ROOT = Path(__file__).parent.parent


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh process that finds this package where this one does."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("value", ["1", "true", "True"])
def test_a_legacy_tf_keras_is_refused_with_what_to_do(value):
    done = run("import tfloss_ext", TF_USE_LEGACY_KERAS=value, KERAS_BACKEND="tensorflow")
    assert done.returncode
    for said in (
        f"ImportError: Expected tf.keras to be Keras 3. Received: TF_USE_LEGACY_KERAS={value}, ",
        "Unset the variable before TensorFlow is imported",
        "`import keras` above `import tfloss_ext`",
    ):
        assert said in done.stderr


def test_who_imports_keras_3_may_keep_the_variable():
    done = run("import keras, tfloss_ext; print(keras.losses.get('focal'))", TF_USE_LEGACY_KERAS="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Focal()\n"


@pytest.mark.tensorflow
def test_tensorflow_does_not_import_keras_3_where_the_variable_is_set():
    done = run("import sys, tensorflow; print('keras' in sys.modules)", TF_USE_LEGACY_KERAS="1")
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TF_USE_LEGACY_KERAS": "0"},
        {"TF_USE_LEGACY_KERAS": "yes"},
        {"TF_USE_LEGACY_KERAS": "1", "KERAS_BACKEND": "jax"},
    ],
    ids=str,
)
def test_where_tf_keras_is_keras_3_or_not_used_nothing_is_refused(monkeypatch, environment):
    for name in ("TF_USE_LEGACY_KERAS", "KERAS_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "keras")
    requirements.check_legacy()


def test_keras_2_is_refused(tmp_path):
    (tmp_path / "keras.py").write_text('__version__ = "2.15.0"')
    done = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import tfloss_ext")
    assert done.returncode
    assert "ImportError: Expected Keras 3.12 or later. Received: Keras 2.15.0, where no loss" in done.stderr
    assert "pip install 'keras>=3.12'" in done.stderr


def test_an_old_keras_3_warns_where_the_package_is_imported():
    done = run("import keras\nkeras.__version__ = '3.11.3'\nimport tfloss_ext\nprint(tfloss_ext.Focal())")
    assert done.stdout == "Focal()\n", done.stderr
    said = "RuntimeWarning: Expected Keras 3.12 or later. Received: Keras 3.11.3, on which tfloss_ext is not tested"
    assert re.search(rf"^<string>:3: {re.escape(said)}", done.stderr, re.MULTILINE), done.stderr


@pytest.mark.parametrize("version", ["3.12.0", "3.15.1", "3.16.0.dev2026010203", "3.13rc0", "4.0.0"])
def test_what_is_new_enough_passes_in_silence(monkeypatch, version):
    monkeypatch.setattr(keras, "__version__", version)
    with warnings.catch_warnings(record=True) as caught:
        requirements.check_keras()
    assert caught == []


def test_the_oldest_keras_is_that_of_the_project():
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert f"keras>={'.'.join(map(str, requirements.OLDEST_KERAS))}" in dependencies

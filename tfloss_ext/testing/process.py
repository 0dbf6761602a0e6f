# SPDX-License-Identifier: Apache-2.0
"""A fresh process that reloads losses, and lets two replicas run them; one for all the losses of a run."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfloss_ext import replicas
from tfloss_ext.testing.subject import Subject, as_json, classes_inside, config_of, numpy, reduced, single, told
from tfloss_ext.testing.traits import Pair


def goes_over_replicas(subject: Subject) -> bool:
    traits, batch = subject.traits, len(subject.pairs[0][1])
    return (not traits.couples or traits.asks_replicas) and not subject.square and batch % 2 == 0


# The fresh process


class Process:
    """A fresh process that answers for all the losses that were added, asked when the first answer is wanted."""

    def __init__(self) -> None:
        self._subjects: list[Subject] = []
        self._answers: list[dict[str, Any]] | None = None

    def add(self, subject: Subject) -> None:
        """Let it reload this loss too."""
        self._subjects.append(subject)

    def answer(self, subject: Subject) -> dict[str, Any]:
        """What it found of a loss."""
        if self._answers is None or len(self._answers) < len(self._subjects):
            self._answers = _asked(self._subjects)
        place = next(i for i, each in enumerate(self._subjects) if each is subject)
        return self._answers[place]


def _asked(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    answers, entries = [_question(subject) for subject in subjects], []
    with tempfile.TemporaryDirectory() as folder:
        for index, (subject, answer) in enumerate(zip(subjects, answers, strict=True)):
            if "config" in answer:
                y_true, y_pred = single(subject.pairs[0])
                np.savez(Path(folder) / f"{index}.npz", y_true=y_true, y_pred=y_pred)
                entries.append({"index": index, **answer})
        if entries:
            for place, found in _ask(Path(folder), entries).items():
                answers[int(place)] = found
    return answers


def _question(subject: Subject) -> dict[str, Any]:
    """What a fresh process needs to know of a loss, or why it is not asked."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = json.loads(json.dumps(keras.saving.serialize_keras_object(subject.loss)))
    except Exception as error:
        return {"error": told(error)}
    classes = [type(subject.loss), *classes_inside(subject.loss)]
    for cls in classes:
        if cls.__module__ == "__main__":
            return {"skip": f"{cls.__name__} is of __main__, which another process cannot import: put it in a module"}
        if "<locals>" in cls.__qualname__:
            return {"skip": f"{cls.__name__} is made inside a function, where no import finds it"}
    modules = [(cls.__module__, getattr(sys.modules.get(cls.__module__), "__file__", None)) for cls in classes]
    return {"config": config, "modules": modules, "replicas": goes_over_replicas(subject)}


def _ask(folder: Path, entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    (folder / "questions.json").write_text(json.dumps(entries), encoding="utf-8")
    environment = {
        **os.environ,
        "KERAS_BACKEND": keras.backend.backend(),
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    command = [sys.executable, "-c", "from tfloss_ext.testing.process import reload; reload()", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)  # noqa: S603
    answers = folder / "answers.json"
    if not answers.exists():
        return {str(entry["index"]): {"error": done.stderr[-400:]} for entry in entries}
    found: dict[str, dict[str, Any]] = json.loads(answers.read_text(encoding="utf-8"))
    return found


def reload() -> None:
    """Answer, as the fresh process."""
    folder = Path(sys.argv[1])
    if keras.backend.backend() == "tensorflow":
        replicas.make_two()  # Before anything asks for a device.
    found = {}
    for entry in json.loads((folder / "questions.json").read_text(encoding="utf-8")):
        with np.load(folder / f"{entry['index']}.npz") as arrays:
            pair = arrays["y_true"], arrays["y_pred"]
        try:
            found[entry["index"]] = _reloaded(entry, pair)
        except Exception as error:
            found[entry["index"]] = {"error": told(error)}
    (folder / "answers.json").write_text(json.dumps(found), encoding="utf-8")


def _reloaded(entry: Mapping[str, Any], pair: Pair) -> dict[str, Any]:
    for name, file in entry["modules"]:
        _import(name, file)
    loss = keras.saving.deserialize_keras_object(entry["config"])
    answer: dict[str, Any] = {
        "config": as_json(config_of(loss)),
        "values": numpy(reduced(loss, None)(*pair)).tolist(),
    }
    if entry["replicas"] and keras.backend.backend() == "tensorflow":
        try:
            answer["replicas"] = replicas.slope_on_two(reduced(loss, "sum_over_batch_size"), *pair).tolist()
        except Exception as error:
            answer["replicas_error"] = told(error)
    return answer


def _import(name: str, file: str | None) -> None:
    """Import a module by its name, or from its file where no path leads there."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        spec = importlib.util.spec_from_file_location(name, file) if file else None
        if spec is None or spec.loader is None:
            raise
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)

# SPDX-License-Identifier: Apache-2.0
"""What is saved comes back the same: configs, copies, and files that another process loads, with the package or not."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from cases import of_each_family
from keras import ops

import tfloss_ext
from tfloss_ext import parameters, registry

CLASSES = registry.classes()
RNG = np.random.default_rng(5)
IDS = np.array([0, 1, 2, 0, 1, 2])

pytestmark = [
    # h5py (saving) and PyTorch (fit) ask the arrays of Keras for what NumPy 2 has renamed.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context and return_scalar:DeprecationWarning"),
]


def probabilities(*shape: int) -> np.ndarray:
    raw = RNG.random(shape).astype("float32") + 0.1
    return raw / raw.sum(-1, keepdims=True)


# Targets and predictions that a loss may ask for. A loss is given the first of these that it accepts.
INPUTS = [
    (np.eye(3, dtype="float32")[IDS], probabilities(6, 3)),
    (IDS, probabilities(6, 3)),
    ((IDS > 0).astype("float32"), probabilities(6, 2, 3)),
    (IDS, probabilities(6, 3, 2)),
    (RNG.random((6, 4)).astype("float32"), RNG.random((6, 4)).astype("float32")),
    (np.eye(3, dtype="float32")[np.stack([IDS, IDS])].swapaxes(0, 1), probabilities(6, 2, 3)),
    (RNG.random((6, 1)).astype("float32"), probabilities(6, 1)),
    (np.tile(IDS[:, None, None], (1, 3, 4)), probabilities(6, 3, 4, 3)),
    (np.tile(IDS[:, None, None], (1, 3, 4)) % 2, probabilities(6, 3, 4, 2)),
    (RNG.random((6, 1)).astype("float32"), probabilities(6, 2)),
    (IDS, probabilities(6, 6)),
]
# Values that differ from one another; a parameter takes the first that it allows and that is not its default.
VALUES = [[0.3, 0.7, 0.5], [0.3, 0.7], 0.3, 0.7, 1.3, 1, 2, 30, True, False]
COMMON = {"reduction": "sum", "name": "mine", "dtype": "float16"}


def inputs_of(cls: type, arguments: dict) -> tuple[np.ndarray, np.ndarray] | None:
    """The first of INPUTS that the loss with these arguments accepts."""
    for y_true, y_pred in INPUTS:
        try:
            cls(**arguments)(y_true, y_pred)
        except ValueError:
            continue
        return y_true, y_pred
    return None


def changes(field: dataclasses.Field) -> list:
    """What the field may be instead of its default."""
    found = []
    for value in [*VALUES, *getattr(field.metadata["spec"], "options", ())]:
        try:
            checked = parameters.check(field, value)
        except ValueError:
            continue
        if checked != field.default:
            found.append(checked)
    return found


def changed(cls: type) -> dict:
    """Arguments of which every one differs from its default, and that go together."""
    return copy.deepcopy(_changed(cls))


@functools.cache
def _changed(cls: type) -> dict:
    required = [field for field in cls._fields.values() if field.default is parameters.REQUIRED]
    given = {field.name: changes(field)[0] for field in required}
    arguments = together(cls, list(cls._fields.values()), given)
    assert arguments is not None, f"{cls.__name__}: no values in VALUES, or no input in INPUTS, fit"
    return {**arguments, **COMMON}


def together(cls: type, fields: list, arguments: dict) -> dict | None:
    """These arguments and a changed value for each of the fields, such that the loss accepts some input."""
    if not fields:
        return arguments
    for value in changes(fields[0]):
        some = {**arguments, fields[0].name: value}
        found = together(cls, fields[1:], some) if inputs_of(cls, some) else None
        if found is not None:
            return found
    return None


@pytest.fixture(params=CLASSES)
def other(request) -> tfloss_ext.Loss:
    """Each loss with every parameter away from its default."""
    cls = CLASSES[request.param]
    return cls(**changed(cls))


def same(one: keras.losses.Loss, two: keras.losses.Loss) -> bool:
    return type(one) is type(two) and one.get_config() == two.get_config() and one.dtype == two.dtype


# Configs and copies


def test_the_config_has_every_argument_and_no_default_is_left(other):
    config = other.get_config()
    assert list(config) == [*(field.name for field in other._fields.values()), "reduction", "name", "dtype"]
    usual = {field.name: field.default for field in other._fields.values()}
    usual |= {"reduction": "sum_over_batch_size", "name": other.key, "dtype": None}
    assert [name for name in config if config[name] == usual[name]] == []
    assert config == changed(type(other))


def test_the_config_is_plain_json(other):
    config = other.get_config()
    assert json.loads(json.dumps(config, allow_nan=False)) == config
    assert same(type(other).from_config(config), other)


def test_the_config_belongs_to_the_reader(other):
    config = other.get_config()
    for value in config.values():
        if isinstance(value, list):
            value.clear()
    assert other.get_config() == changed(type(other))


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        lambda loss: pickle.loads(pickle.dumps(loss)),
        lambda loss: keras.losses.deserialize(json.loads(json.dumps(keras.losses.serialize(loss)))),
        lambda loss: keras.losses.get(keras.losses.serialize(loss)),
        lambda loss: keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss)),
    ],
    ids=["copy", "deepcopy", "pickle", "deserialize", "get", "deserialize_keras_object"],
)
def test_a_copy_is_the_same_loss(other, copied):
    assert same(copied(other), other)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", keras.DTypePolicy("mixed_bfloat16")], ids=str)
def test_a_dtype_comes_back(dtype):
    loss = tfloss_ext.Focal(dtype=dtype)
    assert same(tfloss_ext.Focal.from_config(json.loads(json.dumps(loss.get_config()))), loss)
    assert loss.get_config()["dtype"] == getattr(dtype, "name", dtype)


# Models


def identity(y_pred: np.ndarray, loss) -> keras.Model:
    """A model with weights that gives back what it is given."""
    inputs = keras.Input(y_pred.shape[1:])
    layer = keras.layers.Dense(y_pred.shape[-1], kernel_initializer="identity", name="score")
    model = keras.Model(inputs, layer(inputs))
    model.compile("sgd", loss, run_eagerly=True, jit_compile=False)
    return model


def evaluated(model: keras.Model, y_true: np.ndarray, y_pred: np.ndarray) -> float:
    model.run_eagerly = True  # Legacy files do not say so.
    return float(model.evaluate(y_pred, y_true, verbose=0))


@pytest.mark.parametrize("loss", ["focal", tfloss_ext.Focal(gamma=3.0)], ids=["string", "instance"])
def test_the_compile_config_compiles_another_model(loss):
    y_true, y_pred = INPUTS[0]
    model = identity(y_pred, loss)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    clone.compile_from_config(json.loads(json.dumps(model.get_compile_config())))
    assert clone.get_compile_config() == model.get_compile_config()
    assert evaluated(clone, y_true, y_pred) == evaluated(model, y_true, y_pred)


def test_a_clone_takes_the_same_loss():
    y_true, y_pred = INPUTS[0]
    model = identity(y_pred, tfloss_ext.Dice(squared=True))
    clone = keras.models.clone_model(model)
    clone.compile("sgd", model.loss)
    assert clone.loss is model.loss
    assert evaluated(clone, y_true, y_pred) == pytest.approx(evaluated(model, y_true, y_pred), rel=1e-6)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_of_a_model_has_the_same_loss(copied):
    y_true, y_pred = INPUTS[0]
    losses = {"score": tfloss_ext.Focal(gamma=3.0)}
    model = identity(y_pred, losses)
    twin = copied(model)
    assert same(twin.loss["score"], losses["score"])
    assert evaluated(twin, y_true, y_pred) == evaluated(model, y_true, y_pred)


def test_weights_alone_are_saved_and_loaded(tmp_path):
    y_true, y_pred = INPUTS[0]
    model = identity(y_pred, "focal")
    model.set_weights([array * 0.5 for array in model.get_weights()])
    model.save_weights(tmp_path / "model.weights.h5")
    other = identity(y_pred, "focal")
    other.load_weights(tmp_path / "model.weights.h5")
    assert evaluated(other, y_true, y_pred) == evaluated(model, y_true, y_pred)


# Files that a fresh process loads

LOAD = """
import json, sys, traceback
import keras
import numpy as np
import tfloss_ext

found = {}
for entry in json.loads(sys.stdin.read()):
    path = entry["path"]
    try:
        model = keras.models.load_model(path)
        # Read before it is used, which is when Keras makes an instance of a string.
        kept = model.get_compile_config()["loss"]
        loss = keras.losses.get(model.loss)
        data = np.load(entry["data"])
        model.run_eagerly = True
        result = {"class": type(loss).__name__, "config": loss.get_config(), "kept": kept}
        result["evaluated"] = float(model.evaluate(data["y_pred"], data["y_true"], verbose=0))
        again = path.replace("/first/", "/second/")
        model.save(again)
        result["again"] = keras.models.load_model(again).get_compile_config()["loss"]
        found[entry["id"]] = result
    except Exception as error:
        found[entry["id"]] = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()[-2000:]}
print("FOUND" + json.dumps(found))
"""

WITHOUT_PACKAGE = """
import json, sys
import keras
import numpy as np

x = np.load(sys.argv[2])
found = {}

def attempt(name, function):
    try:
        found[name] = function()
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}"

def load(name, **arguments):
    return keras.models.load_model(f"{sys.argv[1]}/{name}", **arguments)

def used(name):
    return load(name).evaluate(x, x, verbose=0)

def predicted(model):
    return np.asarray(keras.ops.convert_to_numpy(model(x))).tolist()

for ending in ("keras", "h5"):
    attempt(f"instance {ending}", lambda: type(load(f"instance.{ending}")).__name__)
    attempt(f"instance {ending} uncompiled", lambda: predicted(load(f"instance.{ending}", compile=False)))
attempt("string keras", lambda: type(load("string.keras")).__name__)
attempt("string h5", lambda: type(load("string.h5")).__name__)
attempt("string keras used", lambda: used("string.keras"))
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    def serve():
        loaded = tf.saved_model.load(f"{sys.argv[1]}/export")
        return loaded.serve(tf.constant(x)).numpy().tolist()

    def signature():
        loaded = tf.saved_model.load(f"{sys.argv[1]}/saved_model")
        return next(iter(loaded.signatures["serving_default"](tf.constant(x)).values())).numpy().tolist()

    attempt("export", serve)
    attempt("saved_model", signature)
found["imported"] = [name for name in sys.modules if name.startswith("tfloss_ext")]
print("FOUND" + json.dumps(found))
"""


def run(script: str, *arguments: str, stdin: str = "") -> dict:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        input=stdin,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend(), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.split("FOUND")[1])


def string_works(name: str) -> bool:
    try:
        keras.losses.get(name)
    except TypeError:
        return False
    return True


OURS = {key: cls for key, cls in CLASSES.items() if cls.__module__.startswith("tfloss_ext.")}
STRINGS = [
    name
    for name in tfloss_ext.names()
    if registry._owners[name][-1].__module__.startswith("tfloss_ext.") and string_works(name)
]
FILES = [
    (kind, name, ending)
    for kind, names in (("instance", OURS), ("string", STRINGS))
    for name in names
    for ending in ("keras", "h5")
]
REGISTERED = ("string", "tfloss_ext>Focal", "keras")


@dataclasses.dataclass(frozen=True)
class Saved:
    """What this process has saved, and what another found."""

    loss: keras.losses.Loss
    evaluated: float
    found: dict


def save(file: tuple[str, str, str], path: Path) -> tuple[keras.losses.Loss, float]:
    """Saves a model with this loss, and beside it the data that the loss accepts."""
    kind, name, _ = file
    loss = CLASSES[name](**changed(CLASSES[name])) if kind == "instance" else keras.losses.get(name)
    y_true, y_pred = inputs_of(type(loss), loss.get_config())
    model = identity(y_pred, loss if kind == "instance" else name)
    model.save(path)
    np.savez(path.with_suffix(".npz"), y_true=y_true, y_pred=y_pred)
    return loss, evaluated(model, y_true, y_pred)


def saved_and_found(files: list, folder: Path) -> dict[tuple[str, str, str], Saved | str]:
    for name in ("first", "second"):
        (folder / name).mkdir()
    here, entries = {}, []
    for index, file in enumerate(files):
        path = folder / "first" / f"{index}.{file[2]}"
        try:
            here[file] = save(file, path)
        except Exception as error:  # The others are still told.
            here[file] = repr(error)
            continue
        entries.append({"id": said(file), "path": str(path), "data": str(path.with_suffix(".npz"))})
    found = run(LOAD, stdin=json.dumps(entries))
    return {file: Saved(*of, found[said(file)]) if isinstance(of, tuple) else of for file, of in here.items()}


def said(file: tuple[str, str, str]) -> str:
    return "-".join(file)


def wrong_of(file: tuple[str, str, str], saved: Saved | str) -> str:
    """What another process did not find as it was saved, or nothing."""
    if not isinstance(saved, Saved) or "error" in saved.found:
        return str(saved)
    kind, name, ending = file
    expected, found = saved.loss, saved.found
    right = {
        "class": found["class"] == type(expected).__name__,
        "config": found["config"] == expected.get_config(),
        "evaluated": found["evaluated"] == pytest.approx(saved.evaluated, rel=1e-5, abs=1e-7),
        "again": found["again"] == found["kept"],
        "kept": found["kept"] == name or (kind, ending) != ("string", "keras"),
    }
    return str({part: found.get(part) for part, is_right in right.items() if not is_right} or "")


# Each loss in the files of Keras in every run, and in the old ones one of each family; the slow tests hold the rest.
USUAL = [file for file in FILES if file[2] == "keras" or file[1] in of_each_family()]


@pytest.mark.parametrize(
    "files",
    [USUAL, pytest.param([file for file in FILES if file not in USUAL], marks=pytest.mark.slow)],
    ids=["usual", "rest"],
)
def test_a_fresh_process_finds_the_same_losses_and_numbers_and_saves_them_again(files, tmp_path):
    # In one, as a process that imports Keras takes ten seconds.
    assert len(files) > 50
    found = {said(file): wrong_of(file, of) for file, of in saved_and_found(files, tmp_path).items()}
    assert {file: wrong for file, wrong in found.items() if wrong} == {}


@pytest.mark.slow
@pytest.mark.xfail(reason="Keras takes the string for the custom object of that name: the class becomes the loss")
def test_a_model_compiled_with_a_registered_name_reloads(tmp_path):
    found = saved_and_found([REGISTERED], tmp_path)[REGISTERED].found
    assert found.get("kept") == "tfloss_ext>Focal"
    assert found["again"] == found["kept"]


# Without the package

X = INPUTS[0][1]


@pytest.fixture(scope="module")
def without_package(tmp_path_factory) -> dict:
    folder: Path = tmp_path_factory.mktemp("without")
    np.save(folder / "x.npy", X)
    for name, loss in {"instance": tfloss_ext.Focal(gamma=3.0), "string": "focal"}.items():
        model = identity(X, loss)
        model.set_weights([array * 0.5 for array in model.get_weights()])
        for ending in ("keras", "h5"):
            model.save(folder / f"{name}.{ending}")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        trained = identity(X, tfloss_ext.Focal(gamma=3.0))
        trained.fit(X, X, verbose=0)
        trained.export(folder / "export", verbose=False)
        tf.saved_model.save(trained, str(folder / "saved_model"))
        np.save(folder / "trained.npy", ops.convert_to_numpy(trained(X)))
    found = run(WITHOUT_PACKAGE, str(folder), str(folder / "x.npy"))
    if keras.backend.backend() == "tensorflow":
        found["trained"] = np.load(folder / "trained.npy").tolist()
    return found


def test_nothing_imports_the_package_by_itself(without_package):
    assert without_package["imported"] == []


def test_an_instance_needs_the_package_to_load(without_package):
    assert without_package["instance keras"].startswith("TypeError: Could not locate class 'Focal'")
    assert without_package["instance h5"].startswith("ValueError: Could not interpret loss identifier")
    assert without_package["string h5"].startswith("TypeError")


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_any_model_loads_uncompiled_without_the_package(without_package, ending):
    np.testing.assert_allclose(without_package[f"instance {ending} uncompiled"], X * 0.5, rtol=1e-6)


def test_a_string_needs_the_package_only_when_it_is_used(without_package):
    assert without_package["string keras"] == "Functional"
    assert without_package["string keras used"] == "ValueError: Could not interpret loss identifier: focal"


@pytest.mark.tensorflow
@pytest.mark.parametrize("way", ["export", "saved_model"])
def test_an_exported_model_serves_without_the_package(without_package, way):
    np.testing.assert_allclose(without_package[way], without_package["trained"], rtol=1e-6)

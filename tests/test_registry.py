# SPDX-License-Identifier: Apache-2.0
"""Names: which ones Keras knows, whose they are, and what happens when one is wrong, taken or nowhere to be put."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from keras import ops
from keras.src import losses as private

import tfloss_ext
from tfloss_ext import registry

TABLE = private.ALL_OBJECTS_DICT
CLASSES = registry.classes()
# The contract: what the catalogue promises, whatever else comes.
KEYS = {
    "ArcFace": ["arcface"],
    "Asymmetric": ["asymmetric"],
    "BarlowTwins": ["barlow_twins"],
    "BiTempered": ["bi_tempered"],
    "Boundary": ["boundary"],
    "CategoricalFocal": ["categorical_focal", "sparse_categorical_focal"],
    "Charbonnier": ["charbonnier"],
    "CIoU": ["ciou"],
    "Circle": ["circle_loss"],
    "ClDice": ["cl_dice"],
    "Contrastive": ["contrastive"],
    "Coral": ["coral"],
    "Dice": ["dice_loss", "soft_dice"],
    "DiceCrossentropy": ["dice_crossentropy", "dice_ce"],
    "DiceFocal": ["dice_focal"],
    "CosFace": ["cosface"],
    "DIoU": ["diou"],
    "Expectile": ["expectile"],
    "Focal": ["focal", "binary_focal"],
    "FocalTversky": ["focal_tversky"],
    "GaussianNLL": ["gaussian_nll"],
    "GeneralizedCrossentropy": ["generalized_crossentropy"],
    "GeneralizedDice": ["generalized_dice"],
    "GeneralRobust": ["general_robust"],
    "GIoU": ["giou"],
    "IoU": ["iou"],
    "Jaccard": ["jaccard", "iou_loss"],
    "LDAM": ["ldam"],
    "LiftedStructure": ["lifted_structure"],
    "LogCosh": ["log_cosh_loss", "logcosh"],
    "LogitAdjusted": ["logit_adjusted"],
    "Lovasz": ["lovasz"],
    "MCC": ["mcc"],
    "NegativeCosine": ["negative_cosine"],
    "MultiSimilarity": ["multi_similarity"],
    "NPairs": ["n_pairs"],
    "Poly1": ["poly1"],
    "ProxyAnchor": ["proxy_anchor"],
    "QualityFocal": ["quality_focal"],
    "Quantile": ["quantile", "pinball"],
    "SoftTriple": ["soft_triple"],
    "Sparsemax": ["sparsemax_loss"],
    "SupCon": ["sup_con"],
    "SymmetricCrossentropy": ["symmetric_crossentropy"],
    "Triplet": ["triplet"],
    "Tversky": ["tversky_loss"],
    "Tweedie": ["tweedie"],
    "UnifiedFocal": ["unified_focal"],
    "Varifocal": ["varifocal"],
    "VICReg": ["vicreg"],
    "WeightedKappa": ["weighted_kappa"],
    "WeightedMSE": ["weighted_mse"],
}
PRESETS = {"triplet_semi_hard": "semi_hard", "triplet_hard": "hard", "triplet_all": "all"}


def one_output_fit(loss):
    """What a string in `compile` comes to."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", loss, run_eagerly=True)
    model.fit(np.zeros((2, 2)), np.zeros(2), verbose=0)


def needs_arguments(name: str) -> bool:
    parameters = inspect.signature(registry._owners[name][-1]).parameters.values()
    return any(parameter.default is inspect.Parameter.empty for parameter in parameters)


BY_STRING = [key for key in CLASSES if not needs_arguments(key)]


@pytest.fixture(autouse=True)
def _names_left_as_they_were():
    """Takes out again what a test has registered."""
    places = [TABLE, registry._owners, registry._keys, keras.saving.get_custom_objects()]
    before = [{name: list(x) if isinstance(x, list) else x for name, x in place.items()} for place in places]
    yield
    for place, content in zip(places, before, strict=True):
        place.clear()
        place.update(content)


def define(name: str = "Probe", module: str = "notebook", **arguments) -> type:
    """A loss class as a cell of a notebook, or a module of a user, defines it."""

    def call(self, y_true, y_pred):
        return self.scale * ops.mean(ops.square(y_pred - y_true), axis=-1)

    body = {"call": call, "scale": tfloss_ext.number(default=1.0), "__annotations__": {"scale": float}}
    body |= {"__module__": module, "__qualname__": name}
    return types.new_class(name, (tfloss_ext.Loss,), {"key": "probe", **arguments}, lambda space: space.update(body))


# The names of this package


@pytest.mark.parametrize(("cls", "name"), [(cls, name) for cls, names in KEYS.items() for name in names])
def test_the_names_of_the_catalogue_give_their_class(cls, name):
    if needs_arguments(name):
        pytest.skip("cannot be had by its name alone")
    for get in (keras.losses.get, tfloss_ext.get):
        loss = get(name)
        assert type(loss) is getattr(tfloss_ext, cls)
        assert loss.name == KEYS[cls][0]


@pytest.mark.parametrize(("name", "needed"), [("ldam", "samples_per_class"), ("logit_adjusted", "class_priors")])
@pytest.mark.parametrize("get", [keras.losses.get, tfloss_ext.get, lambda name: CLASSES[name](), one_output_fit])
def test_a_name_alone_says_what_else_is_needed_and_shows_the_call(get, name, needed):
    for error in (TypeError, ValueError):
        with pytest.raises(error, match=rf"Expected {needed}, .*tfloss_ext.get\('{name}', {needed}=\.\.\.\)"):
            get(name)


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_of_triplet_give_their_mining(name):
    for get in (keras.losses.get, tfloss_ext.get):
        loss = get(name)
        assert type(loss) is tfloss_ext.Triplet
        assert (loss.mining, loss.name) == (PRESETS[name], name)


@pytest.mark.parametrize("key", BY_STRING)
def test_every_key_and_alias_and_registered_name_gives_the_class(key):
    cls = CLASSES[key]
    for name in (key, *cls.aliases, keras.saving.get_registered_name(cls)):
        assert type(keras.losses.get(name)) is cls
        assert type(tfloss_ext.get(name)) is cls


@pytest.mark.parametrize("key", CLASSES)
def test_the_registered_name_is_the_class_in_this_package(key):
    cls = CLASSES[key]
    if cls.__module__.startswith("tfloss_ext"):
        assert keras.saving.get_registered_name(cls) == f"tfloss_ext>{cls.__name__}"
        assert getattr(tfloss_ext, cls.__name__) is cls
    assert keras.saving.get_registered_object(keras.saving.get_registered_name(cls)) is cls


@pytest.mark.parametrize("get", [keras.losses.get, keras.losses.deserialize, tfloss_ext.get])
def test_a_config_with_the_registered_name_gives_its_parameters(get):
    loss = get({"class_name": "tfloss_ext>Focal", "config": {"gamma": 3.0}})
    assert type(loss) is tfloss_ext.Focal
    assert loss.gamma == 3.0


@pytest.mark.parametrize("key", BY_STRING)
def test_the_default_name_is_the_key(key):
    assert CLASSES[key]().name == key


def test_names_are_sorted_and_bare_and_all_known_to_keras():
    names = tfloss_ext.names()
    assert names == sorted(set(names))
    assert {name for names in KEYS.values() for name in names} | set(PRESETS) <= set(names)
    assert not [name for name in names if ">" in name]
    assert all(TABLE[name] is registry._owners[name][-1] for name in names)


def test_classes_cannot_be_changed_through_the_answer():
    registry.classes().clear()
    assert registry.classes() == CLASSES


# get


def test_get_passes_parameters_to_the_class_behind_a_name():
    for name in ("focal", "binary_focal", "tfloss_ext>Focal", tfloss_ext.Focal):
        loss = tfloss_ext.get(name, gamma=3.0, reduction="sum", name="mine")
        assert (loss.gamma, loss.reduction, loss.name) == (3.0, "sum", "mine")


def test_get_overrides_what_a_preset_says():
    loss = tfloss_ext.get("triplet_hard", margin=0.3)
    assert (loss.mining, loss.margin) == ("hard", 0.3)
    assert tfloss_ext.get("triplet_hard", mining="all", name="mine").get_config()["mining"] == "all"


def test_get_knows_the_names_of_keras():
    assert tfloss_ext.get("mse") is keras.losses.mean_squared_error
    assert tfloss_ext.get("Huber", delta=2.0).name == "huber_loss"


@pytest.mark.parametrize("name", ["huber", "Huber", keras.losses.huber, keras.losses.Huber])
def test_get_passes_parameters_on_to_the_losses_of_keras(name):
    loss = tfloss_ext.get(name, delta=2.0, reduction=None)
    np.testing.assert_allclose(loss([[0.0]], [[5.0]]), [2.0 * 5.0 - 0.5 * 4.0])


def test_every_function_of_keras_that_has_a_class_takes_parameters():
    functions = {name: loss for name, loss in TABLE.items() if inspect.isfunction(loss)}
    classes = {loss.__name__ for loss in private.ALL_OBJECTS if inspect.isclass(loss)}
    assert len(functions) > 25
    for name, function in functions.items():
        assert type(tfloss_ext.get(name, reduction="sum")).__name__ in classes, (name, function)


@pytest.mark.parametrize("key", BY_STRING)
def test_get_takes_the_name_of_a_class_ours_first(key):
    assert type(tfloss_ext.get(CLASSES[key].__name__)) is CLASSES[key]
    assert CLASSES[key].__name__ not in tfloss_ext.names()


def test_get_returns_what_already_is_a_loss():
    loss = tfloss_ext.Focal(gamma=3.0)
    assert tfloss_ext.get(loss) is loss
    assert tfloss_ext.get(keras.losses.mean_squared_error) is keras.losses.mean_squared_error
    assert tfloss_ext.get(None) is None


@pytest.mark.parametrize(
    "identifier", [len, tfloss_ext.Focal(), {"class_name": "tfloss_ext>Focal", "config": {}}], ids=repr
)
def test_get_refuses_parameters_for_what_takes_none(identifier):
    with pytest.raises(ValueError, match="Expected a name or a class with parameters"):
        tfloss_ext.get(identifier, gamma=3.0)


def test_get_checks_the_parameters():
    with pytest.raises(ValueError, match=re.escape("Expected gamma >= 0. Received: gamma=-1")):
        tfloss_ext.get("focal", gamma=-1)
    with pytest.raises(TypeError, match="Did you mean gamma"):
        tfloss_ext.get("focal", gama=1)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("focl", "focal"),
        ("dice_los", "dice_loss"),
        ("triplet_semihard", "triplet_semi_hard"),
        ("mean_squared_eror", "mean_squared_error"),
        ("tfloss_ext>Foca", "tfloss_ext>Focal"),
        ("focal_loss", "focal"),
        ("FocalLoss", "focal"),
        ("Fokal", "focal"),
        ("dice loss", "dice_loss"),
    ],
)
def test_an_unknown_name_lists_the_nearest_ones_first(wrong, meant):
    with pytest.raises(ValueError, match=f"^Unknown loss: '{wrong}'. The nearest names are: '{meant}'"):
        tfloss_ext.get(wrong)


@pytest.mark.parametrize("wrong", ["Fokal", "focl", "triplet_lss", "dicee", "mean_squared_eror"])
def test_no_loss_is_listed_twice(wrong):
    with pytest.raises(ValueError, match="The nearest names are") as caught:
        tfloss_ext.get(wrong)
    hints = re.findall("'([^']+)'", str(caught.value).split(": ", 2)[2])
    assert 1 <= len(hints) <= 3
    found = [TABLE[hint] for hint in hints]
    assert len(set(map(id, found))) == len(found)


@pytest.mark.parametrize("wrong", ["#", "ssim"])
def test_a_name_like_no_other_lists_all(wrong):
    with pytest.raises(ValueError, match="Unknown loss") as caught:
        tfloss_ext.get(wrong)
    assert all(f"'{name}'" in str(caught.value) for name in tfloss_ext.names())
    assert "'Loss'" not in str(caught.value)


# The names of Keras


def test_no_name_of_keras_is_replaced():
    ours = set(registry._owners)
    assert not ours & {loss.__name__ for loss in private.ALL_OBJECTS}
    assert all(TABLE[loss.__name__] is loss for loss in private.ALL_OBJECTS)
    others = {name: value.__module__ for name, value in TABLE.items() if name not in ours}
    assert len(others) > 40
    assert {name for name, module in others.items() if not module.startswith("keras.src.losses")} == set()
    assert {TABLE[name].__module__.split(".")[0] for name in ours}.isdisjoint({"keras"})


@pytest.mark.parametrize("key", CLASSES)
def test_a_bare_class_name_is_no_key(key):
    name = CLASSES[key].__name__
    if name in TABLE:
        assert TABLE[name].__module__.startswith("keras.src.losses")
    else:
        with pytest.raises(ValueError, match="Could not interpret loss identifier"):
            keras.losses.get(name)
    assert name not in keras.saving.get_custom_objects()


def test_dice_and_tversky_and_their_kind_stay_those_of_keras():
    assert type(keras.losses.get("Dice")) is keras.losses.Dice
    assert type(tfloss_ext.get("Dice")) is tfloss_ext.Dice
    assert type(keras.losses.get("LogCosh")) is keras.losses.LogCosh
    assert keras.losses.get("dice") is keras.losses.dice
    assert keras.losses.get("log_cosh") is keras.losses.log_cosh


@pytest.mark.parametrize("name", ["mse", "Huber", "dice"])
def test_a_key_of_keras_warns_and_stays_its_own(name):
    before = TABLE[name]
    with pytest.warns(RuntimeWarning, match=f"Keras has a loss named '{name}' of its own, which stays") as caught:

        class Probe(tfloss_ext.Loss, key=name):
            """A loss with a name that is taken."""

            def call(self, y_true, y_pred):
                return ops.mean(y_pred - y_true, axis=-1)

    assert caught[0].filename == __file__
    assert TABLE[name] is before
    assert type(tfloss_ext.get(name)) is Probe
    assert type(keras.losses.get("Custom>Probe")) is Probe


def test_an_alias_of_keras_warns_and_the_key_works():
    with pytest.warns(RuntimeWarning, match="'mae'"):
        cls = define(aliases=("mae",))
    assert keras.losses.get("mae") is keras.losses.mean_absolute_error
    assert type(keras.losses.get("probe")) is cls


# The names of a user


def test_a_new_class_works_by_every_name():
    cls = define(aliases=("probing",), presets={"probe_large": {"scale": 3.0}})
    for name in ("probe", "probing", "Custom>Probe"):
        assert type(keras.losses.get(name)) is cls
    large = keras.losses.get("probe_large")
    assert (type(large), large.scale, large.name) == (cls, 3.0, "probe_large")
    assert {"probe", "probing", "probe_large"} <= set(tfloss_ext.names())
    assert registry.classes()["probe"] is cls


def test_a_package_becomes_the_first_part_of_the_registered_name():
    cls = define(package="mine")
    assert keras.saving.get_registered_name(cls) == "mine>Probe"
    assert type(keras.losses.get("mine>Probe")) is cls


def test_a_class_without_a_key_has_no_name():
    before = set(TABLE), set(keras.saving.get_custom_objects())
    assert define(key=None).key == ""
    assert (set(TABLE), set(keras.saving.get_custom_objects())) == before


def test_a_cell_that_runs_again_replaces_its_class():
    arguments = {"aliases": ("probing",), "presets": {"probe_large": {"scale": 3.0}}}
    first, second = define(**arguments), define(**arguments)
    assert first is not second
    for name in ("probe", "probing", "probe_large", "Custom>Probe"):
        assert type(keras.losses.get(name)) is second
    assert registry.classes()["probe"] is second
    assert keras.saving.get_registered_object("Custom>Probe") is second


@pytest.mark.parametrize(
    "arguments", [{}, {"key": "other", "aliases": ("probe",)}, {"key": "o", "presets": {"probe": {}}}]
)
def test_a_name_that_another_class_has_goes_to_the_new_one_with_a_warning_and_comes_back(arguments):
    first = define()
    with pytest.warns(RuntimeWarning, match=r"notebook.Probe .*'probe'.* elsewhere.Other") as caught:
        second = define("Other", module="elsewhere", **arguments)
    assert len(caught) == 1
    for get in (keras.losses.get, tfloss_ext.get):
        assert type(get("probe")) is second
        assert type(get("Custom>Probe")) is first
    registry.unregister("probe")
    for get in (keras.losses.get, tfloss_ext.get):
        assert type(get("probe")) is first
        assert type(get("Custom>Other")) is second
    assert registry.classes()["probe"] is first


def test_a_key_of_this_package_can_be_taken_and_given_back():
    with pytest.warns(RuntimeWarning, match=r"tfloss_ext.classification.Focal by the name of 'focal'") as caught:
        mine = define("Focal", key="focal")
    assert len(caught) == 1
    assert type(keras.losses.get("focal")) is mine
    assert type(tfloss_ext.get("binary_focal")) is tfloss_ext.Focal
    assert registry.classes()["focal"] is mine
    registry.unregister("focal")
    assert type(keras.losses.get("focal")) is tfloss_ext.Focal
    assert registry.classes() == CLASSES


def test_a_script_that_is_also_imported_may_define_its_loss_twice():
    define(module="__main__")
    with pytest.warns(RuntimeWarning, match="What was __main__.Probe by the name of 'probe', 'Custom>Probe' is now"):
        second = define(module="script")
    assert type(keras.losses.get("probe")) is second
    assert keras.saving.get_registered_object("Custom>Probe") is second
    registry.unregister("Custom>Probe")
    assert keras.saving.get_registered_object("Custom>Probe").__module__ == "__main__"


def test_a_name_that_no_other_class_had_is_free_again():
    define(aliases=("probing",))
    for name in ("probe", "Custom>Probe"):
        registry.unregister(name)
        assert name not in TABLE
        assert name not in keras.saving.get_custom_objects()
        with pytest.raises(ValueError, match="Unknown loss"):
            tfloss_ext.get(name)
    assert "probe" not in registry.classes()
    assert type(keras.losses.get("probing")).__name__ == "Probe"


def test_a_cell_that_runs_again_leaves_one_owner():
    for _ in range(3):
        define()
    registry.unregister("probe")
    assert "probe" not in tfloss_ext.names()


@pytest.mark.parametrize("name", ["mse", "nothing"])
def test_only_names_of_this_package_can_be_taken_back(name):
    with pytest.raises(
        ValueError, match=f"Expected a name that this package or a loss declared with it has. Received: '{name}'"
    ):
        registry.unregister(name)
    assert TABLE["mse"] is keras.losses.mean_squared_error


# A Keras that keeps its losses elsewhere


@pytest.mark.parametrize("table", [types.MappingProxyType(TABLE), {}, None], ids=["read-only", "other content", "none"])
def test_a_table_that_is_not_as_expected_is_left_alone_with_a_warning(monkeypatch, table):
    monkeypatch.setattr(private, "ALL_OBJECTS_DICT", table)
    with pytest.warns(RuntimeWarning, match="bare names such as .* will not work. Everything else does"):
        assert registry._find_table() is None


WITHOUT_TABLE = """
import json, sys, types, warnings
import keras
import numpy as np
from keras.src import losses as private

# The functions of Keras find the table elsewhere; this package does not.
elsewhere = dict(vars(private))
for name in ("get", "deserialize"):
    function = getattr(private, name)
    elsewhere[name] = types.FunctionType(function.__code__, elsewhere, name, function.__defaults__)
    setattr(private, name, elsewhere[name])
    setattr(keras.losses, name, elsewhere[name])
del private.ALL_OBJECTS_DICT

found = {}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import tfloss_ext
caught = [item for item in caught if "tfloss_ext" in str(item.message)]
found["warnings"] = [(item.category.__name__, str(item.message)) for item in caught]

def attempt(name, function):
    try:
        found[name] = function()
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}"

def compiled(loss):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="score")(inputs))
    model.compile("sgd", loss)
    return model

def saved_and_reloaded():
    compiled(tfloss_ext.Focal(gamma=3.0)).save(sys.argv[1])
    return repr(keras.models.load_model(sys.argv[1])._compile_loss._user_loss)

x, y = np.ones((4, 2)), np.ones((4, 1))
attempt("bare", lambda: repr(keras.losses.get("focal")))
attempt("of keras", lambda: keras.losses.get("mse").__name__)
attempt("get", lambda: repr(tfloss_ext.get("focal", gamma=3.0)))
attempt("get of keras", lambda: tfloss_ext.get("mse").__name__)
attempt("names", lambda: "focal" in tfloss_ext.names())
attempt("config", lambda: repr(keras.losses.get({"class_name": "tfloss_ext>Focal", "config": {"gamma": 3.0}})))
attempt("fit", lambda: sorted(compiled(tfloss_ext.Focal()).fit(x, y, verbose=0).history))
attempt("fit by get", lambda: sorted(compiled(tfloss_ext.get("focal")).fit(x, y, verbose=0).history))
attempt("saved", saved_and_reloaded)
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def without_table(tmp_path_factory) -> dict:
    """What a fresh process reports in which the table of Keras has moved."""
    path = tmp_path_factory.mktemp("without_table") / "model.keras"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TABLE, str(path)],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.split("FOUND")[1])


def test_without_the_table_one_warning_says_what_still_works(without_table):
    (category, message) = without_table["warnings"][0]
    assert len(without_table["warnings"]) == 1
    assert category == "RuntimeWarning"
    for said in ("keras.losses.get('focal') will not work", "tfloss_ext.Focal()", "tfloss_ext.get('focal')", "saving"):
        assert said in message


@pytest.mark.parametrize(
    ("what", "result"),
    [
        ("bare", "ValueError: Could not interpret loss identifier: focal"),
        ("of keras", "mean_squared_error"),
        ("get", "Focal(gamma=3.0)"),
        ("get of keras", "mean_squared_error"),
        ("names", True),
        ("config", "Focal(gamma=3.0)"),
        ("fit", ["loss"]),
        ("fit by get", ["loss"]),
        ("saved", "Focal(gamma=3.0)"),
    ],
)
def test_without_the_table_everything_but_bare_names_works(without_table, what, result):
    assert without_table[what] == result


def test_a_key_trains():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    define()
    model.compile("sgd", "probe")
    assert np.isfinite(float(model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))))

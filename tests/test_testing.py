# SPDX-License-Identifier: Apache-2.0
"""The checks of `tfloss_ext.testing`: each catches the mistake it is for, and right losses pass them all."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import broken
import keras
import numpy as np
import pytest
from support import BACKEND

import tfloss_ext
from tfloss_ext import testing
from tfloss_ext.testing import SkipCheck, Traits, checks
from tfloss_ext.testing.process import Process
from tfloss_ext.testing.subject import label, subject_of

pytestmark = [
    # What is not registered is told by the checks, and by Keras's serializer on its way.
    pytest.mark.filterwarnings("ignore:Keras will not find:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

ROOT = Path(__file__).parent.parent

PLAIN = ["ranks", "mismatch", "nan_at_zero_weight", "nan_under_mask"]
LEFT_IN = ["zero_weight", "nan_at_zero_weight", "mask", "nan_under_mask"]
# Every check that catches a loss.
CAUGHT = {
    "PlainKeras": PLAIN,
    "Squared": ["copies", "fresh_process", "replicas"],
    "TakesAnyReduction": ["construction", *PLAIN],
    "ForgetsItsName": ["names", "config", "fresh_process"],
    "ForgetsAParameter": ["config", "parameters"],
    "DropsAParameter": ["parameters"],
    "ForgetsItsPrecision": ["dtype"],
    "RemembersThisProcess": ["fresh_process", "replicas"],
    "MeanOverTheBatch": ["values", "sample_weight", *LEFT_IN, "coupling"],
    "DoesNotAlign": ["ranks"],
    "Broadcasts": ["mismatch"],
    "DividesByOneLess": ["batch_of_one", *LEFT_IN],
    "CostsOfNothing": ["empty_batch"],
    "HalvesItsMean": ["reductions"],
    "WeightsOnTheRight": ["sample_weight", "zero_weight", "nan_at_zero_weight"],
    "TakesAnyWeights": ["weight_shape"],
    "KeepsWhatWeighsNothing": LEFT_IN,
    "LetsNaNThrough": ["nan_at_zero_weight", "nan_under_mask"],
    "SeesNoMask": ["mask", "nan_under_mask"],
    "RootAtNothing": ["extremes"],
    "RoundsHalfInputs": ["half_inputs"],
    "OverflowsInHalf": [*PLAIN, "float16"],
    "LosesSmallDifferences": [*PLAIN, "float16", "bfloat16"],
    "HoldsAFactor": ["gradient"],
    "ClipsLogits": ["gradient_when_wrong"],
    "ReadsTheBatchSize": ["modes", "gradient_modes"],
    "DependsOnTheOrder": [*LEFT_IN, "permutation"],
    "CouplesUndeclared": [*LEFT_IN, "coupling"],
    "NotAShareOfReplicas": [*PLAIN, "replicas"],
    "DoublesItsGradient": ["gradient", "oracle_gradient"],
    "WrongFormula": ["oracle", "oracle_gradient"],
}
RIGHT = ["RightPerSample", "RightClasses", "RightOverlap", "RightInBatch"]


def reference(y_true, y_pred):
    return np.log1p((y_pred - y_true) ** 2).mean(-1)


# In one, as a process that imports Keras takes ten seconds.
PROCESS = Process()
ORACLES = {"WrongFormula": reference, "DoublesItsGradient": reference, "RightPerSample": reference}
SUBJECTS = {
    name: subject_of(
        getattr(broken, name),
        ORACLES.get(name),
        None,
        None,
        None if name in ("ReadsTheBatchSize", "RightPerSample", "RightClasses") else ["eager"],
        PROCESS,
    )
    for name in (*CAUGHT, *RIGHT)
}


@pytest.fixture(autouse=True)
def _of_this_process():
    broken.RemembersThisProcess.factor = 2.0
    yield
    broken.RemembersThisProcess.factor = 1.0


def results(name: str) -> dict[str, testing.CheckResult]:
    found = [testing.result_of(check) for check in testing._checks(SUBJECTS[name])]
    return {result.name: result for result in found}


def caught(name: str) -> list[str]:
    return [result.name for result in results(name).values() if result.status == "failed"]


def here(names) -> list[str]:
    """Those that there are on this backend."""
    lacking = () if BACKEND == "tensorflow" else ("replicas", "modes", "gradient_modes")
    return sorted(name for name in names if name not in lacking)


def test_each_check_has_a_loss_that_it_catches():
    assert set().union(*CAUGHT.values()) == set(testing.check_names())


@pytest.mark.parametrize("name", CAUGHT)
def test_a_mistake_is_caught_by_these_checks_and_no_other(name):
    assert sorted(caught(name)) == here(CAUGHT[name])


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_loss_passes(name):
    found = results(name)
    assert {name: result.reason for name, result in found.items() if result.status == "failed"} == {}
    passed = {name for name, result in found.items() if result.status == "passed"}
    missing = {"gradient_when_wrong", "coupling", "oracle", "oracle_gradient", "ranks"}
    assert set(here(testing.check_names())) - {"modes", "gradient_modes"} <= passed | missing


def test_a_message_says_what_was_expected_and_what_was_received():
    reasons = {name: result.reason for name, result in results("ForgetsAParameter").items()}
    assert (
        reasons["config"] == "Expected get_config() to hold every argument of the constructor. Received: none of scale"
    )
    assert reasons["parameters"].startswith("Expected get_config() to hold scale=")
    # What a loss itself raises comes with the sentence of the check.
    (reason,) = [r.reason for r in results("MeanOverTheBatch").values() if r.name == "mask"]
    assert reason.startswith("Expected of every loss: A sample that the Keras mask")
    assert "Received: ValueError: MeanOverTheBatch: Expected call" in reason


# check_loss


def quick(monkeypatch):
    """Only the checks of configs, and no other process."""
    chosen = [each for each in checks.CHECKS if each.__name__ in ("_check_config", "_check_names", "_check_values")]
    monkeypatch.setattr(testing, "CHECKS", chosen)


def test_a_right_loss_gives_the_results(monkeypatch):
    quick(monkeypatch)
    found = testing.check_loss(tfloss_ext.Focal())
    assert [(result.name, result.status) for result in found] == [
        ("names", "passed"),
        ("config", "passed"),
        ("values", "passed"),
    ]


def test_one_error_names_all_that_fails(monkeypatch):
    quick(monkeypatch)
    loss = keras.losses.Tversky(alpha=0.3)
    monkeypatch.setattr(keras.losses.Tversky, "get_config", lambda self: {"name": self.name})
    with pytest.raises(testing.ChecksFailedError, match=r"fails 2 of 3 checks:\n  config: .*\n  values: .*") as info:
        testing.check_loss(loss)
    assert [result.status for result in info.value.results] == ["passed", "failed", "failed"]
    assert isinstance(info.value, AssertionError)


def test_on_fail(monkeypatch):
    quick(monkeypatch)
    with pytest.warns(RuntimeWarning, match=r"Dice\(\) fails 1 of 3 checks"):
        testing.check_loss(keras.losses.Dice(), on_fail="warn")
    assert [result.status for result in testing.check_loss(keras.losses.Dice(), on_fail=None)][-1] == "failed"
    with pytest.raises(ValueError, match=r"Expected on_fail to be 'raise', 'warn' or None\. Received: 'stop'"):
        testing.check_loss(keras.losses.Dice(), on_fail="stop")


def test_expected_failures(monkeypatch):
    quick(monkeypatch)
    *_, values = testing.check_loss(keras.losses.Dice(), expected_failed_checks={"values": "as Keras has it"})
    assert (values.status, values.reason) == ("xfail", "as Keras has it")
    with pytest.raises(testing.ChecksFailedError, match=r"Expected the check to fail: why\. Received: it passes"):
        testing.check_loss(keras.losses.Huber(), expected_failed_checks={"names": "why", "config": "delta"})
    with pytest.raises(ValueError, match=r"Received: 'value'. Did you mean 'values'\?"):
        testing.check_loss(keras.losses.Dice(), expected_failed_checks={"value": ""})


def test_what_is_no_loss_raises():
    for wrong in (3, len, keras.losses.mean_squared_error):
        with pytest.raises(ValueError, match=r"Expected a keras\.losses\.Loss"):
            testing.check_loss(wrong)
    with pytest.raises(ValueError, match="Expected an instance of LDAM"):
        testing.check_loss(tfloss_ext.LDAM)
    with pytest.raises(ValueError, match="Expected modes of"):
        list(testing.loss_checks(tfloss_ext.Focal(), modes=["fast"]))


@pytest.mark.parametrize(
    "inputs",
    [3, (np.zeros(3), np.zeros(4)), (np.zeros(3), np.zeros(3, int)), [np.zeros(3)], (np.zeros(()), np.zeros(()))],
)
def test_inputs_that_make_no_sense_raise(inputs):
    with pytest.raises(ValueError, match="Expected inputs"):
        list(testing.loss_checks(tfloss_ext.Focal(), inputs=inputs))


def test_inputs_of_ones_own_and_several():
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(3, 2)), rng.normal(size=(3, 2))), (rng.normal(size=(2, 5)), rng.normal(size=(2, 5)))]
    for inputs in (pairs[0], pairs):
        for check in testing.loss_checks(tfloss_ext.LogCosh(), inputs=inputs, modes=["eager"]):
            if check.name not in ("fresh_process", "replicas"):
                assert testing.result_of(check).status in ("passed", "skipped")


# Traits


def test_traits_are_what_they_may_be():
    with pytest.raises(ValueError, match=r"Expected targets to be one of numbers, .* Received: 'labels'"):
        Traits(targets="labels")
    with pytest.raises(ValueError, match=r"Expected predictions to be one of .* Received: 'scores'"):
        Traits(predictions="scores")


def test_traits_come_from_the_loss_the_table_or_the_defaults():
    class Mine(keras.losses.Loss):
        pass

    class Said(keras.losses.Loss):
        traits = Traits("ids", "logits")

    assert testing.traits_of(Mine()) == Traits()
    assert testing.traits_of(Said()) == Traits("ids", "logits")
    assert testing.traits_of(keras.losses.BinaryCrossentropy(from_logits=True)) == Traits("binary", "logits")
    assert testing.traits_of(tfloss_ext.Dice(per_image=False)).couples
    sum_of_two = testing.traits_of(tfloss_ext.Focal() + tfloss_ext.Dice())
    assert (sum_of_two.sums, sum_of_two.couples, len(sum_of_two.shape)) == (True, False, 1)
    assert testing.traits_of(tfloss_ext.HardExamples(tfloss_ext.LogCosh())).couples


@pytest.mark.parametrize("kind", ["targets", "predictions"])
def test_there_is_an_example_of_every_kind(kind):
    from tfloss_ext.testing import traits as kinds

    for name in {"targets": kinds.TARGETS, "predictions": kinds.PREDICTIONS}[kind]:
        for y_true, y_pred in kinds.examples(Traits(**{kind: name})):
            assert len(y_true) == len(y_pred) > 1
            assert np.isfinite(y_pred).all()


def test_a_parameter_whose_values_nobody_knows_asks_for_one():
    loss = broken.OfAMode()
    (check,) = [check for check in testing.loss_checks(loss) if check.name == "parameters"]
    with pytest.raises(AssertionError, match=r"traits=Traits\(changes=\{'mode': ...\}\)"):
        check()
    traits = Traits(changes={"mode": "squared"})
    (check,) = [check for check in testing.loss_checks(loss, traits=traits) if check.name == "parameters"]
    check()


def test_what_no_other_process_can_import_is_skipped_with_the_reason(monkeypatch):
    class Local(tfloss_ext.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)

    (check,) = [check for check in testing.loss_checks(Local()) if check.name == "fresh_process"]
    with pytest.raises(SkipCheck, match="Local is made inside a function"):
        check()
    monkeypatch.setattr(broken.RightPerSample, "__module__", "__main__")
    (check,) = [check for check in testing.loss_checks(broken.RightPerSample()) if check.name == "fresh_process"]
    with pytest.raises(SkipCheck, match="RightPerSample is of __main__"):
        check()


# pytest


@testing.parametrize_with_checks(
    [broken.RightClasses(from_logits=True), (broken.RightPerSample, {"oracle": reference}), broken.PlainKeras()],
    expected_failed_checks=lambda loss: dict.fromkeys(PLAIN, "as Keras has it") if loss.name == "plain_keras" else {},
    modes=["eager"],
)
def test_losses_pass_as_tests_but_for_what_is_expected(check):
    check()


def test_marks_and_names_of_the_tests():
    loss = tfloss_ext.Focal(gamma=3.0)
    found = testing.parametrize_with_checks(
        [loss, keras.losses.Huber], expected_failed_checks={"config": "no delta"}
    ).args[1]
    assert [each.id for each in found][:3] == [f"Focal(gamma=3.0)-{name}" for name in testing.check_names()[:3]]
    assert found[-1].id == "Huber()-oracle_gradient"
    (mark,) = found[2].marks
    assert (mark.name, mark.kwargs) == ("xfail", {"reason": "no delta", "strict": True})
    assert not found[0].marks
    assert repr(found[0].values[0]) == "Check('construction', Focal(gamma=3.0))"


def test_names_hold_no_address():
    class Held(keras.losses.Loss):
        def __init__(self, fn=len, name="held"):
            super().__init__(name=name)
            self.fn = fn

        def get_config(self):
            return {"fn": object(), "name": self.name}

    class Fails(keras.losses.Loss):
        def get_config(self):
            raise NotImplementedError

    assert label(Held()) == "Held"
    assert label(Fails()) == "Fails"


def test_without_pytest_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(ImportError, match="Expected pytest to be installed"):
        testing.parametrize_with_checks([tfloss_ext.Focal()])


def test_nothing_in_the_package_imports_it():
    folder = Path(tfloss_ext.__file__).parent
    for module in folder.glob("*.py"):
        lines = module.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if "import" in line and "testing" in line], module.name


# The page on Keras's own losses


def page_tool():
    spec = importlib.util.spec_from_file_location("keras_losses_tool", ROOT / "tools" / "keras_losses.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


@pytest.mark.tensorflow
def test_the_page_on_the_losses_of_keras_says_what_is_found():
    tool, text = page_tool(), (ROOT / "docs" / "keras_losses.md").read_text(encoding="utf-8")
    if f"of Keras {keras.__version__} " not in " ".join(text.split()):
        pytest.skip("written for another Keras")
    shown = tool.statuses(text)
    assert list(shown) == [label(loss) for loss in tool.losses()]
    # Of a few losses what takes no time; `python tools/keras_losses.py --check` holds it all.
    names = ["config", "dtype", "values", "ranks", "mismatch", "sample_weight", "zero_weight", "mask", "float16"]
    places = [place for place, name in enumerate(testing.check_names()) if name in names]
    chosen = [
        keras.losses.Huber(),
        keras.losses.Circle(),
        keras.losses.Dice(),
        keras.losses.CategoricalGeneralizedCrossEntropy(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ]
    for loss, results in tool.found_in(chosen, names).items():
        assert [tool.SIGNS[result.status] for result in results] == [shown[loss][place] for place in places], loss

# SPDX-License-Identifier: Apache-2.0
"""Checks that hold any Keras loss to what a loss should do: values, weights, masks, precision, gradients, saving.

Nothing in the package imports this. It runs a loss in every way there is; how that is done on a backend, `gradients`
and `replicas` know.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tfloss_ext.parameters import nearest
from tfloss_ext.testing.checks import CHECKS
from tfloss_ext.testing.process import Process
from tfloss_ext.testing.subject import Oracle, SkipCheck, Subject, label, subject_of, told
from tfloss_ext.testing.traits import Pair, Traits, traits_of

__all__ = [
    "Check",
    "CheckResult",
    "ChecksFailedError",
    "SkipCheck",
    "Traits",
    "check_loss",
    "check_names",
    "loss_checks",
    "parametrize_with_checks",
    "traits_of",
]


class ChecksFailedError(AssertionError):
    """Names every check that a loss did not pass.

    Attributes:
        results: What each check gave, those that passed too.
    """

    def __init__(self, message: str, results: list[CheckResult]) -> None:
        super().__init__(message)
        self.results = results


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """What a check of a loss gave.

    Attributes:
        name: That of the check.
        status: `"passed"`, `"failed"`, `"skipped"`, or `"xfail"` where it failed and was expected to.
        exception: What was raised, or None.
        reason: Why it was skipped, was expected to fail, or failed.
    """

    name: str
    status: str
    exception: BaseException | None = None
    reason: str = ""


class Check:
    """One check of one loss; calling it raises `AssertionError` if it fails, `SkipCheck` if it does not apply.

    Attributes:
        name: What the check is called.
        loss: The loss that it holds.
    """

    def __init__(self, function: Callable[[Subject], None], subject: Subject) -> None:
        self.name, self.loss = function.__name__.removeprefix("_check_"), subject.loss
        self.__doc__ = function.__doc__
        self._function, self._subject = function, subject

    def __call__(self) -> None:
        """Hold the loss to the check."""
        try:
            self._function(self._subject)
        except (AssertionError, SkipCheck):
            raise
        except Exception as error:
            raise AssertionError(f"{self._text} Received: {told(error)}") from error

    @property
    def _text(self) -> str:
        return f"Expected of every loss: {(self.__doc__ or '').splitlines()[0]}"

    def __repr__(self) -> str:
        return f"Check({self.name!r}, {label(self.loss)})"


# Checking


def check_loss(
    loss: Any,
    *,
    oracle: Oracle | None = None,
    inputs: Pair | Sequence[Pair] | None = None,
    traits: Traits | None = None,
    expected_failed_checks: Mapping[str, str] | None = None,
    on_fail: str | None = "raise",
) -> list[CheckResult]:
    """Hold any Keras loss to what a loss should do, in about ten seconds.

    Args:
        loss: A `keras.losses.Loss`, or the class of one whose constructor needs nothing.
        oracle: `oracle(y_true, y_pred)`, a reference in NumPy: one float64 value per sample or position, before weights
            and reductions. Its slope is compared with the gradient too. None compares with nothing.
        inputs: `(y_true, y_pred)` as NumPy arrays, or several such pairs, of at least two samples for most checks. None
            takes examples of what `traits` says.
        traits: What the loss takes and couples. None takes what its attribute `traits`, or a declaration of this
            package, says; of Keras's own losses what is known; else numbers against numbers, `Traits()`.
        expected_failed_checks: Names of checks that are to fail, each with the reason. One that passes fails.
        on_fail: `"raise"` one error that names all that failed, `"warn"` of it, or None.

    Returns:
        A result for each check.

    Raises:
        ChecksFailedError: If a check failed and `on_fail` is `"raise"`.
        ValueError: If an argument is none of what it may be.

    Example:
        >>> import keras
        >>> from tfloss_ext import testing
        >>> class Scaled(keras.losses.Loss):
        ...     def __init__(self, scale=2.0, name="scaled", **kwargs):
        ...         super().__init__(name=name, **kwargs)
        ...         self.scale = scale
        ...
        ...     def call(self, y_true, y_pred):
        ...         return self.scale * keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)
        >>> found = {result.name: result for result in testing.check_loss(Scaled(), on_fail=None)}
        >>> found["gradient"].status
        'passed'
        >>> found["config"].reason
        'Expected get_config() to hold every argument of the constructor. Received: none of scale'
    """
    if on_fail not in ("raise", "warn", None):
        raise ValueError(f"Expected on_fail to be 'raise', 'warn' or None. Received: {on_fail!r}")
    expected = _known_checks(expected_failed_checks or {})
    checks = list(loss_checks(loss, inputs=inputs, traits=traits, oracle=oracle))
    results = [result_of(check, expected.get(check.name)) for check in checks]
    failed = [result for result in results if result.status == "failed"]
    if failed and on_fail:
        lines = "\n".join(f"  {result.name}: {result.reason}" for result in failed)
        message = f"{label(checks[0].loss)} fails {len(failed)} of {len(results)} checks:\n{lines}"
        if on_fail == "raise":
            raise ChecksFailedError(message, results) from failed[0].exception
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    return results


def loss_checks(
    loss: Any,
    *,
    oracle: Oracle | None = None,
    inputs: Pair | Sequence[Pair] | None = None,
    traits: Traits | None = None,
    modes: Sequence[str] | None = None,
) -> Iterator[Check]:
    """The checks of a loss, each with a name and callable without arguments.

    Args:
        loss: As `check_loss` takes it, and so `oracle`, `inputs` and `traits`.
        modes: How the loss is run: some of `"eager"`, `"graph"` and `"xla"`, None meaning all that the backend has.

    Raises:
        ValueError: If an argument is none of what it may be.

    Example:
        >>> import keras
        >>> from tfloss_ext import testing
        >>> checks = {check.name: check for check in testing.loss_checks(keras.losses.MeanSquaredError())}
        >>> checks["permutation"].__doc__
        'The samples of a batch may come in any order.'
        >>> checks["permutation"]()
    """
    yield from _checks(subject_of(loss, oracle, inputs, traits, modes, Process()))


def check_names() -> list[str]:
    """The names of all checks, in the order in which they come.

    Example:
        >>> from tfloss_ext import testing
        >>> testing.check_names()[:3]
        ['construction', 'names', 'config']
    """
    return [function.__name__.removeprefix("_check_") for function in CHECKS]


def parametrize_with_checks(
    losses: Sequence[Any],
    *,
    expected_failed_checks: Mapping[str, str] | Callable[[Any], Mapping[str, str]] | None = None,
    modes: Sequence[str] | None = None,
) -> Any:
    """Make a pytest test of each check of each loss: `def test_losses(check): check()`.

    Losses are reloaded in one fresh process for all of them, which imports the modules of their classes: a class must
    be in a module that can be imported, such as that of the tests.

    Args:
        losses: Losses as `check_loss` takes them, or `(loss, arguments)` with a dict of `oracle`, `inputs` or `traits`.
        expected_failed_checks: Names of checks that are to fail, each with the reason; or a function of the loss that
            gives them. They are strict: one that passes fails.
        modes: As in `loss_checks`.

    Raises:
        ImportError: If there is no pytest.
        ValueError: If an argument is none of what it may be.

    Example:
        >>> import keras
        >>> from tfloss_ext import Focal, testing
        >>> @testing.parametrize_with_checks([Focal(gamma=3.0), keras.losses.Huber])
        ... def test_losses(check):
        ...     check()
    """
    try:
        import pytest
    except ImportError as error:
        raise ImportError("Expected pytest to be installed for parametrize_with_checks. Received: none") from error
    process, found = Process(), []
    for given in losses:
        loss, arguments = given if isinstance(given, tuple) else (given, {})
        oracle, inputs, traits = (arguments.get(name) for name in ("oracle", "inputs", "traits"))
        subject = subject_of(loss, oracle, inputs, traits, modes, process)
        expected = expected_failed_checks
        expected = _known_checks((expected(subject.loss) if callable(expected) else expected) or {})
        for check in _checks(subject):
            marks = [pytest.mark.xfail(reason=expected[check.name], strict=True)] if check.name in expected else []
            found.append(pytest.param(check, id=f"{label(subject.loss)}-{check.name}", marks=marks))
    return pytest.mark.parametrize("check", found)


def _checks(subject: Subject) -> Iterator[Check]:
    for function in CHECKS:
        yield Check(function, subject)


def _known_checks(expected: Mapping[str, str]) -> Mapping[str, str]:
    for name in expected:
        if name not in check_names():
            meant = "".join(f" Did you mean {hint!r}?" for hint in nearest(name, check_names(), 1))
            raise ValueError(f"Expected the name of a check, one of check_names(). Received: {name!r}.{meant}")
    return expected


def result_of(check: Check, expected: str | None = None) -> CheckResult:
    """What a check gives, of which it is expected to fail where there is a reason."""
    try:
        check()
    except SkipCheck as skip:
        return CheckResult(check.name, "skipped", skip, str(skip))
    except AssertionError as error:
        return CheckResult(check.name, "failed" if expected is None else "xfail", error, expected or str(error))
    if expected is None:
        return CheckResult(check.name, "passed")
    unexpected = AssertionError(f"Expected the check to fail: {expected}. Received: it passes")
    return CheckResult(check.name, "failed", unexpected, str(unexpected))

# SPDX-License-Identifier: Apache-2.0
"""Writes docs/keras_losses.md: what the checks of `tfloss_ext.testing` find in each of Keras's own losses.

python tools/keras_losses.py          runs every check of every loss, in about two minutes
python tools/keras_losses.py --check  fails if a check passes, fails or does not apply where the page says otherwise
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402

from tfloss_ext import testing  # noqa: E402
from tfloss_ext.testing.process import Process  # noqa: E402
from tfloss_ext.testing.subject import label, subject_of  # noqa: E402

PAGE = ROOT / "docs" / "keras_losses.md"
SIGNS = {"passed": "+", "failed": "**x**", "skipped": ""}
# These need a reference, which is not given here.
LEFT_OUT = ("oracle", "oracle_gradient")

INTRODUCTION = """\
# What the checks find in Keras's own losses

Written by `python tools/keras_losses.py`, which runs every check of `tfloss_ext.testing` on every public class of
`keras.losses`, here of Keras {version} on {backend}; from logits too where a loss takes them, and over each image
where it has an `axis` to sum over. The inputs are what each loss asks for by its documentation
(`tfloss_ext.testing.traits_of` says it): classes one-hot or as ids, distributions that add up to 1, amounts above 0,
embeddings of length 1.

These sentences are what this package holds its own losses to ([how to hold yours](writing_a_loss.md)). A loss that
does without one is not wrong for those who know it; what follows is what to know. In short:

* **`sample_weight` of shape `(B,)` is aligned on the right.** Of values `(B, T)` it weighs steps, silently where B ==
  T; else it raises. Give weights of the shape of the values.
* **A NaN under a weight of 0 or a mask stays NaN,** as 0 * NaN is. Replace it before the loss.
* **Targets broadcast.** One target against a batch is compared with every sample, but for the crossentropies that the
  backend checks.
* **`get_config` drops `dtype`,** of every loss, and the `delta` of `Huber` and the `axis` of `CosineSimilarity` and
  `SparseCategoricalCrossentropy`: a saved model comes back with the defaults. Of `CategoricalGeneralizedCrossEntropy`
  `keras.losses.deserialize` gives the name, a string.
* **`Dice` and `Tversky` give a scalar** unless `axis` leaves the batch out: weights are then a mere factor, a mask is
  not seen, and a batch of nothing costs 1.
* **`Circle` keeps samples of weight 0, and masked ones, in its pairs.**
* **`CategoricalFocalCrossentropy` from logits clips the probability:** a confident mistake has no gradient at all.
* **`CategoricalGeneralizedCrossEntropy`** reads ids `(B, 1)` as `B` targets for each sample, `(B, B)` values, and has
  a gradient of NaN where the probability of the right class is 0.
* **`CosineSimilarity` of a vector of zeros** has a gradient of NaN under XLA.
* **In half precision** (`dtype="float16"`, `"bfloat16"`) the small number that keeps the logarithm of 0 away is lost,
  and squares and percentages overflow.
* **`CTC` and `CategoricalHinge` raise** on a batch without a sample.
"""


def losses() -> list[keras.losses.Loss]:
    """Every public class with its defaults, and in what other ways it computes."""
    found = []
    for name, cls in sorted(vars(keras.losses).items()):
        if not inspect.isclass(cls) or cls is keras.losses.Loss:
            continue
        found.append(cls())
        parameters = inspect.signature(cls).parameters
        if "from_logits" in parameters:
            found.append(cls(from_logits=True))
        if name in ("Dice", "Tversky"):
            found.append(cls(axis=(1, 2, 3)))
    return found


Found = dict[str, list[testing.CheckResult]]


def found_in(chosen: Iterable[keras.losses.Loss], names: Sequence[str] | None = None) -> Found:
    """What each check gives of each loss, or each of these checks."""
    process = Process()
    subjects = [subject_of(loss, None, None, None, None, process) for loss in chosen]
    found: Found = {}
    for subject in subjects:
        checks = (testing.Check(function, subject) for function in testing.CHECKS)
        kept = [check for check in checks if check.name not in LEFT_OUT and (names is None or check.name in names)]
        found[label(subject.loss)] = [testing.result_of(check) for check in kept]
    return found


def page(found: Found) -> str:
    """The page, of what was found."""
    functions = {function.__name__.removeprefix("_check_"): function for function in testing.CHECKS}
    names = [name for name in functions if name not in LEFT_OUT]
    backend = keras.backend.backend()
    version = f"{ {'tensorflow': 'TensorFlow', 'jax': 'JAX', 'torch': 'PyTorch'}[backend] } {_version(backend)}"
    parts = [INTRODUCTION.format(version=keras.__version__, backend=version)]
    parts.append(
        "## Every loss by every check\n\n`+` passed, **x** failed, nothing: it does not apply. The checks are:\n"
    )
    parts.append("\n".join(f"{i}. `{name}`: {_sentence(functions[name])}" for i, name in enumerate(names, 1)) + "\n")
    head = "| loss | " + " | ".join(str(i) for i in range(1, len(names) + 1)) + " |"
    rows = [head, "|---" * (len(names) + 1) + "|"]
    for loss, results in found.items():
        rows.append(f"| `{loss}` | " + " | ".join(SIGNS[result.status] for result in results) + " |")
    parts.append("\n".join(rows) + "\n")
    parts.append("## What failed, and how\n")
    for place, name in enumerate(names):
        failed = {loss: results[place].reason for loss, results in found.items() if results[place].status == "failed"}
        if failed:
            parts.append(f"### `{name}`\n\n{_sentence(functions[name])}\n")
            parts.append(
                "\n".join(["| loss | finding |", "|---|---|", *(f"| `{k}` | {_cell(v)} |" for k, v in failed.items())])
                + "\n"
            )
    return "\n".join(parts)


def _version(backend: str) -> str:
    from importlib.metadata import version

    return version(backend)


def _sentence(function: object) -> str:
    return (function.__doc__ or "").splitlines()[0]


def _cell(reason: str) -> str:
    # The sentence of the check stands above already.
    text = re.sub(r"^Expected of every loss: .*? Received: ", "Received: ", " ".join(reason.split()))
    return re.sub(r"\{\{.*?\}\}", "", text)[:220].replace("|", "\\|")


def statuses(text: str) -> dict[str, list[str]]:
    """The rows of the table of a page."""
    rows = re.findall(r"^\| `(.*?)` \| ((?:(?:\+|\*\*x\*\*|) \| ?)+)$", text, re.MULTILINE)
    return {loss: [cell.strip() for cell in cells.rstrip().removesuffix("|").split("|")] for loss, cells in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if something passes or fails now")
    should = page(found_in(losses()))
    if not parser.parse_args().check:
        PAGE.write_text(should, encoding="utf-8")
    elif statuses(PAGE.read_text(encoding="utf-8")) != statuses(should):
        sys.exit("Expected docs/keras_losses.md as `python tools/keras_losses.py` writes it. Received: another one")


if __name__ == "__main__":
    main()

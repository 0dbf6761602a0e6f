# SPDX-License-Identifier: Apache-2.0
"""The tests on the oldest, a middle and the newest versions of what is underneath; too long for every change.

nox -s versions               all of them, each in an environment of its own
nox -s "versions(oldest-jax)" one of them
"""

from __future__ import annotations

import re

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["versions"]
# A session that did not run has shown nothing.
nox.options.error_on_missing_interpreters = True

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
BACKENDS = ("tensorflow", "jax", "torch")
PYTHONS = {"oldest": "3.11", "middle": "3.12", "newest": "3.13"}
VERSIONS = {
    "middle": {"keras": "3.13.2", "numpy": "2.1.3", "tensorflow": "2.19.1", "jax": "0.7.2", "torch": "2.13.0"},
    "newest": {"keras": "3.15.1", "numpy": "2.4.6", "tensorflow": "2.21.0", "jax": "0.10.2", "torch": "2.13.0"},
}
TESTS = ["conformance", "keras_contract", "oracles", "registry", "saving"]


def python(versions: str, backend: str) -> str:
    # The one PyTorch that comes without several GB of CUDA packages is for the oldest Python.
    return PYTHONS["oldest" if backend == "torch" else versions]


@nox.session
@nox.parametrize(
    ("python", "versions", "backend"),
    [
        nox.param(python(versions, backend), versions, backend, id=f"{versions}-{backend}")
        for versions in PYTHONS
        for backend in BACKENDS
    ],
)
def versions(session: nox.Session, versions: str, backend: str) -> None:
    """Conformance, references, names, saving. After `--`: arguments for pytest in place of these files."""
    extras = PROJECT["optional-dependencies"]
    needed = [*PROJECT["dependencies"], *extras[backend], *extras["segmentation"], *extras["test"]]
    needed = [requirement for requirement in needed if not requirement.startswith("tfloss_ext")]
    if versions == "oldest":
        # Every lower bound is what is installed.
        needed = [requirement.replace(">=", "==") for requirement in needed]
    else:
        pins = VERSIONS[versions]
        names = [re.split("[>=<]", requirement)[0] for requirement in needed]
        needed = [f"{name}=={pins[name]}" if name in pins else name for name in names]
    session.install(f".[{backend},segmentation]", *needed)
    session.run("python", "-m", "pip", "list")
    session.run(
        "pytest",
        "-q",
        *(session.posargs or [f"tests/test_{name}.py" for name in TESTS]),
        env={"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


@nox.session(python=PYTHONS["oldest"])
def loggers(session: nox.Session) -> None:
    """The terms of a sum in the loggers that people use."""
    session.install(".[tensorflow,test]", "tensorboard", "wandb", "mlflow")
    session.run("pytest", "-q", "tests/test_loggers.py", env={"TF_CPP_MIN_LOG_LEVEL": "3"})

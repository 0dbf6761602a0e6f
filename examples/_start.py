# SPDX-License-Identifier: Apache-2.0
"""What every example does first: read the command line, which is quick, then import Keras, quietly, which is slow."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """The description as it is written, and the default of every option."""


def command_line(description: str) -> argparse.ArgumentParser:
    """A parser whose `--help` says what the example says at its top."""
    return argparse.ArgumentParser(description=description, formatter_class=_Help)


def read_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options given on the command line; Keras is imported once they are known to be right."""
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("MPLBACKEND", "Agg")
    # An example trains model after model and uses each a few times. TensorFlow, which traces every one of them once,
    # takes that for one model traced over and over.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _held_back():
        import keras  # noqa: F401
    return options


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Standard error, shown only if something fails: there is no setting that keeps TensorFlow's import quiet."""
    sys.stderr.flush()
    usual = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        except BaseException:
            os.lseek(written.fileno(), 0, os.SEEK_SET)
            os.write(usual, written.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(usual, 2)
            os.close(usual)

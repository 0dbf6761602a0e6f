# SPDX-License-Identifier: Apache-2.0
"""What mypy and pyright say about `tests/typing`: every line that is marked E is rejected, by both, and no other.

python tools/check_types.py
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "typing"
FILES = sorted(FOLDER.glob("*.py"))

# The messages about a line, by file and line.
Found = dict[tuple[str, int], list[str]]


def marked() -> set[tuple[str, int]]:
    """The lines that have to be rejected."""
    return {
        (path.name, number)
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.endswith("# E")
    }


def mypy() -> Found:
    """What mypy rejects."""
    found: Found = defaultdict(list)
    for line in _output("mypy", "--no-error-summary", "--hide-error-context", *map(str, FILES)).splitlines():
        match = re.match(r"(?P<path>.+?):(?P<line>\d+): error: (?P<text>.*)", line)
        if match:
            found[Path(match["path"]).name, int(match["line"])].append(match["text"])
    return found


def pyright() -> Found:
    """What pyright rejects, in the stub too."""
    output = _output("pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(FOLDER))
    found: Found = defaultdict(list)
    for item in json.loads(output)["generalDiagnostics"]:
        found[Path(item["file"]).name, item["range"]["start"]["line"] + 1].append(item["message"])
    return found


def _output(module: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True)  # noqa: S603
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{module} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> int:
    """Print where a checker and the marks differ."""
    expected, wrong = marked(), 0
    for checker in (mypy, pyright):
        found = checker()
        for name, line in sorted(expected ^ set(found)):
            wrong += 1
            what = " ".join(found[name, line]) if (name, line) in found else "accepted, but marked E"
            print(f"{checker.__name__}: {name}:{line}: {what}", file=sys.stderr)
    print(f"{len(expected)} wrong uses, {wrong} surprises")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())

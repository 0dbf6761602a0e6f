# SPDX-License-Identifier: Apache-2.0
"""Writes the table of the losses in README.md from their declarations.

python tools/readme.py          after a loss was added, or its names, parameters or words changed
python tools/readme.py --check  fails if the table is not what it would write
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tfloss_ext import registry  # noqa: E402

README = ROOT / "README.md"
TASKS = ("classification", "segmentation", "boxes", "embeddings", "regression")
BEGIN, END = "<!-- The losses: written by `python tools/readme.py`. -->", "<!-- The end of the losses. -->"
HEAD = "| name | class | `y_pred` | `y_true` | when to use it | paper |\n|---|---|---|---|---|---|"


def table() -> str:
    """A row for each loss of this package, task by task."""
    classes = [cls for cls in registry.classes().values() if cls.__module__.split(".")[0] == registry.PACKAGE]
    rows = [row(cls) for task in TASKS for cls in classes if cls.task == task]
    if len(rows) != len(classes):
        raise ValueError(f"Expected a task of {TASKS} on every loss. Received: {sorted({cls.task for cls in classes})}")
    return "\n".join([BEGIN, HEAD, *rows, END])


def row(cls: type) -> str:
    names = (cls.key, *cls.aliases, *cls.presets)
    parameters = inspect.signature(cls).parameters.values()
    needed = ", ".join(p.name for p in parameters if p.default is inspect.Parameter.empty)
    predictions = f"{cls.predictions} or logits" if "from_logits" in cls._fields else cls.predictions
    cells = (
        ", ".join(f"`{name}`" for name in names),
        f"`{cls.__name__}({needed})`" if needed else f"`{cls.__name__}`",
        predictions,
        cls.targets,
        cls.use,
        ", ".join(papers(cls.__doc__ or "")),
    )
    return f"| {' | '.join(cells)} |"


def papers(docstring: str) -> list[str]:
    """The papers that a docstring refers to, as links."""
    reference = re.sub(r"\s+", " ", docstring.split("Reference:")[1].split("\n\n")[0]).strip()
    links = []
    for entry in reference.split(";"):
        author = re.search(r"((?:de la )?[A-Z][\w-]*)(?: et al\.| &|,)", entry)
        arxiv, doi = re.search(r"arXiv:(\d\d)(\d+\.\d+)", entry), re.search(r"doi:(\S+?)\.?$", entry)
        if author and arxiv:
            links.append(f"[{author[1]} 20{arxiv[1]}](https://arxiv.org/abs/{arxiv[1]}{arxiv[2]})")
        elif author and doi:
            year = re.findall(r"\b(?:19|20)\d\d\b", entry.split("doi:")[0])[-1]
            links.append(f"[{author[1]} {year}](https://doi.org/{doi[1]})")
    return links


def written(text: str) -> str:
    """The text of the README with the table as it should be."""
    before, rest = text.split(BEGIN)
    return f"{before}{table()}{rest.split(END)[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if there is something to write")
    text = README.read_text(encoding="utf-8")
    should = written(text)
    if not parser.parse_args().check:
        README.write_text(should, encoding="utf-8")
    elif text != should:
        sys.exit("Expected the table of README.md as `python tools/readme.py` writes it. Received: another one")


if __name__ == "__main__":
    main()

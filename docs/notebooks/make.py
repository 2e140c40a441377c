"""Run notebooks: scripts of cells into pages with their outputs, and into files for Jupyter.

``python docs/notebooks/make.py tour [FOLDER]`` runs ``tour.py`` and writes ``tour.md``, which the page of that name
includes, its pictures ``tour_0.png`` and so on, and ``tour.ipynb`` into FOLDER (default: ``notebooks``). A cell begins
with ``# %%`` or ``# %% [markdown]``. It needs no Jupyter: cells are run one after the other, and what a cell prints and
the value of its last line are its output.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure


def cells_of(script: Path) -> list[tuple[str, str]]:
    """Kind, ``"markdown"`` or ``"code"``, and text of each cell."""
    cells = []
    for cell in re.split(r"^# %%", script.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, _, text = cell.partition("\n")
        if "[markdown]" in head:
            cells.append(("markdown", re.sub("^# ?", "", text, flags=re.MULTILINE).strip()))
        else:
            cells.append(("code", re.sub("^# (%[a-z])", r"\1", text, flags=re.MULTILINE).strip()))
    return cells


def run(source: str, names: dict[str, Any]) -> tuple[str, Any]:
    """What a cell prints, and the value of its last line."""
    parts = ast.parse(source)
    last = ast.Expression(parts.body.pop().value) if parts.body and isinstance(parts.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(parts, "<cell>", "exec"), names)
        value = None if last is None else eval(compile(last, "<cell>", "eval"), names)
    return printed.getvalue(), value


def make(name: str, folder: Path) -> None:
    """Run one notebook and write its files."""
    names: dict[str, Any] = {"__name__": "__main__"}
    page, notebook = [], []
    for number, (kind, source) in enumerate(cells_of(Path(__file__).with_name(f"{name}.py"))):
        cell: dict[str, Any] = {"id": f"cell-{number}", "cell_type": kind, "metadata": {}, "source": source}
        if kind == "markdown":
            page.append(source)
        else:
            shown = re.sub("^%.*\n", "", source, flags=re.MULTILINE)  # magics are for Jupyter
            printed, value = run(shown, names)
            page.append(f"```python\n{shown}\n```")
            outputs: list[dict[str, Any]] = []
            if printed:
                outputs.append({"output_type": "stream", "name": "stdout", "text": printed})
                page.append(f"```text\n{printed.rstrip()}\n```")
            if isinstance(value, Figure):
                picture = io.BytesIO()
                value.savefig(picture, dpi=min(80, 900 / value.get_figwidth()), format="png")
                (folder / f"{name}_{number}.png").write_bytes(picture.getvalue())
                page.append(f"![Output of the cell above](../_build/notebooks/{name}_{number}.png)")
                data = {"image/png": base64.b64encode(picture.getvalue()).decode()}
                outputs.append({"output_type": "display_data", "metadata": {}, "data": data})
            elif value is not None:
                page.append(f"```text\n{value!r}\n```")
                data = {"text/plain": repr(value)}
                outputs.append({"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": data})
            cell |= {"execution_count": None, "outputs": outputs}
        notebook.append(cell)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": notebook}
    (folder / f"{name}.ipynb").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    where = Path(sys.argv[2] if len(sys.argv) > 2 else "notebooks")
    where.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    make(sys.argv[1], where)

"""Writes the reference: a page for each public name, and tables of all of them."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

_PACKAGES = {
    "transforms": "Transforms",
    "losses": "Losses",
    "metrics": "Metrics",
    "engines": "Engines",
    "handlers": "Handlers",
    "topology": "Functions on images",
    "chunked": "Whole volumes in chunks",
    "visualize": "Pictures",
    "datasets": "Data sets",
    "nnunet": "nnU-Net",
}


def list_names() -> dict[str, list[str]]:
    """List the public names of each package; aliases of one object count once."""
    names = {}
    for package in _PACKAGES:
        module = importlib.import_module(f"monai_topoloss.{package}")
        seen: dict[int, str] = {}
        for name in sorted(module.__all__, key=lambda name: (name[-1:] == "D", name.endswith("Dict"), name)):
            seen.setdefault(id(getattr(module, name)), name)
        names[package] = sorted(seen.values(), key=str.lower)
    return names


def write_reference(folder: Path) -> None:
    """Write the pages, where they changed."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {}
    index = ["# Reference", "", "What `monai_topoloss` itself exports is marked with a star.", ""]
    root = importlib.import_module("monai_topoloss")
    top = [id(getattr(root, name)) for name in root.__all__]
    for package, names in list_names().items():
        index += [f"## {_PACKAGES[package]}", "", f"`monai_topoloss.{package}`", "", "| | |", "|---|---|"]
        for name in names:
            path = f"monai_topoloss.{package}.{name}"
            value = getattr(importlib.import_module(f"monai_topoloss.{package}"), name)
            pages[f"{package}.{name}"] = _page(path, name, value)
            star = " ★" if id(value) in top else ""
            index.append(f"| [`{name}`]({package}.{name}.md){star} | {_summary(value)} |")
        index.append("")
    index += ["```{toctree}", ":hidden:", "", *sorted(pages, key=str.lower), "```", ""]
    pages["index"] = "\n".join(index)
    for old in folder.glob("*.md"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _page(path: str, name: str, value: object) -> str:
    directive = "autoclass" if inspect.isclass(value) else "autofunction" if callable(value) else "autodata"
    options = (
        ["   :members:", "   :exclude-members: backend", "   :show-inheritance:"] if inspect.isclass(value) else []
    )
    return "\n".join([f"# {name}", "", "```{eval-rst}", f".. {directive}:: {path}", *options, "```", ""])


def _summary(value: object) -> str:
    doc = inspect.getdoc(value) if callable(value) else ""
    summary = (doc or "").split("\n\n")[0].replace("\n", " ")
    return re.sub(r":math:`([^`]*)`", r"$\1$", summary).replace("|", "\\vert " if ":math:" in summary else "\\|")

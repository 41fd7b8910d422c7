"""The documentation: `sphinx-build -W --keep-going docs docs/_build/html` builds it, and runs the notebooks."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from docutils import nodes
from inventories import write_inventories
from public_names import list_names, write_reference
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from monai_topoloss import __version__

project = "monai_topoloss"
author = "monai_topoloss contributors"
copyright = author  # noqa: A001
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinxcontrib.bibtex",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "**/bundle/**"]
nitpicky = True
nitpick_ignore_regex = [  # as annotations spell them
    ("py:class", r"(numpy|np)\..*|(.*\.)?Ndarray(Tensor|OrTensor)|Tensor|Engine|Figure|(ND)?Array|nx\.(Multi)?Graph"),
]

html_theme = "furo"
html_title = f"monai_topoloss {version}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_theme_options = {"source_directory": "docs/"}

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
default_role = "py:obj"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"
copybutton_exclude = ".linenos, .gp, .go"

nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 1200
nb_execution_in_temp = True
nb_merge_streams = True

intersphinx_mapping = write_inventories(Path(__file__).parent / "_build" / "inventories")
write_reference(Path(__file__).parent / "reference")
for notebook in (Path(__file__).parents[1] / "tutorials").glob("*.ipynb"):
    copy = Path(__file__).parent / "tutorials" / notebook.name
    if not copy.exists() or copy.read_bytes() != notebook.read_bytes():
        shutil.copyfile(notebook, copy)


def show_public_bases(_: Sphinx, __: str, ___: type, ____: object, bases: list[type]) -> None:
    """Show the first bases that have a page somewhere, instead of private ones."""
    public = {name for names in list_names().values() for name in names}
    for index in range(len(bases)):
        while bases[index].__module__.startswith("monai_topoloss") and bases[index].__name__ not in public:
            bases[index] = bases[index].__bases__[0]


def find_short_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """Resolve a name of this package without, or with another, path: each has one page."""
    name = node.get("reftarget", "").split(".")[-1]
    for package, names in list_names().items():
        if name in names:
            target = f"monai_topoloss.{package}.{name}"
            return env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, content)
    return None


def setup(app: Sphinx) -> None:
    """Connect what is above."""
    app.connect("autodoc-process-bases", show_public_bases)
    app.connect("missing-reference", find_short_name)

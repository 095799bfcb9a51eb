"""Settings of Sphinx: `sphinx-build -W -n docs build/docs` makes the pages, and fails at the first warning."""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from pydoc import locate
from typing import Any

project = "hf_galaxy"
author = copyright = "The hf_galaxy contributors"
version = release = version_of("hf-galaxy")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"hf_galaxy {version}"
html_static_path: list[str] = []

# Docstrings: sections of the Google style, code between single or double backticks.
default_role = "code"
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes of a dataclass stand once, in the docstring of the class
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False
autodoc_default_options = {"members": True, "show-inheritance": True}

# Names of torch, numpy and others are not looked up: their inventories come by network, which a build must not need.
# Our own must exist, all of them; those of files that are not in the reference stand without a link.
nitpick_ignore_regex = [("py:.*", r"(?!hf_galaxy\b).*")]

FENCE = re.compile(r"^```(\w+)$")


def _fences_to_directives(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Blocks of code in docstrings that are fenced as on the Hub, for reStructuredText."""
    made, inside = [], False
    for line in lines:
        if not inside and (fence := FENCE.match(line.strip())):
            made += [f".. code-block:: {fence[1]}", ""]
            inside = True
        elif inside and line.strip() == "```":
            made.append("")
            inside = False
        else:
            made.append("    " + line.strip() if inside and line else line)
    lines[:] = made


def _skip_fields_of_tuples(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Fields of a NamedTuple stand in the docstring of the class; Python's own words about them say nothing."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def _without_a_link(app: Any, env: Any, node: Any, content: Any) -> Any:
    """A name of ours that exists, in a file that is not in the reference."""
    target = node.get("reftarget") or ""
    return content if target.startswith(f"{project}.") and locate(target) is not None else None


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", _without_a_link)
    app.connect("autodoc-process-docstring", _fences_to_directives)
    app.connect("autodoc-skip-member", _skip_fields_of_tuples)

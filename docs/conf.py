"""How Sphinx builds the documents: without the network, and every warning is an error."""

from __future__ import annotations

from importlib.metadata import version as installed_version

project = "securechat"
author = "The securechat authors"
copyright = "The securechat authors"
version = release = installed_version("securechat")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
default_role = "py:obj"
html_theme = "furo"
html_title = "securechat"

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"

# Classes of other projects are named in signatures and not linked, for that would need the
# network: everything else that is named has to exist.
nitpick_ignore_regex = [
    ("py:.*", r"(?!securechat\b).*"),
]

"""The pictures of the state machines in the documents, against the machines in the code."""

from __future__ import annotations

import runpy
from html import unescape
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

DOCS = Path(__file__).resolve().parent.parent / "docs"
DRAWING = runpy.run_path(str(DOCS / "machines.py"))
MACHINES = DRAWING["MACHINES"]


class PictureTests(SynchronousTestCase):
    """Where one of these fails, run ``python docs/machines.py`` with Graphviz installed."""

    def test_each_picture_is_what_the_code_says(self) -> None:
        """The committed DOT files are those that the machines make."""
        for name, machine in MACHINES.items():
            drawn = (DOCS / "machines" / f"{name}.dot").read_text("utf-8")
            self.assertEqual(drawn, DRAWING["dot"](name, machine))

    def test_each_picture_was_drawn(self) -> None:
        """Beside each DOT file is an SVG with its states and its inputs, and nothing else is."""
        files = {path.name for path in (DOCS / "machines").iterdir()}
        self.assertEqual(files, {f"{name}.{kind}" for name in MACHINES for kind in ("dot", "svg")})
        for name, machine in MACHINES.items():
            picture = unescape((DOCS / "machines" / f"{name}.svg").read_text("utf-8"))
            for source, target in DRAWING["arrows"](machine):
                self.assertIn(f"<title>{source}->{target}</title>", picture)

    def test_each_picture_is_shown(self) -> None:
        """The protocol's document shows every one of them."""
        document = (DOCS / "protocol.md").read_text("utf-8")
        for name in MACHINES:
            self.assertIn(f"(machines/{name}.svg)", document)

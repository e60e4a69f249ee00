"""
Draw the state machines as they are in the code: ``python docs/machines.py``.

Writes ``docs/machines/*.dot``, and an SVG beside each where Graphviz's ``dot`` is installed.
Both are committed, so that the documents are built without Graphviz; a test compares them
with the code.

Inputs that a state refuses or ignores are left out: a picture shows what may happen.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

from securechat.client.contact import contact_machine
from securechat.group.joiner import joiner_machine
from securechat.group.voucher import voucher_machine
from securechat.relay.attempt import attempt_machine
from securechat.relay.life import life_machine

MACHINES: dict[str, Any] = {
    "joiner": joiner_machine,
    "voucher": voucher_machine,
    "attempt": attempt_machine,
    "client-connection": contact_machine,
    "relay-connection": life_machine,
}
"""The name of each picture, and its machine, built by Automat's `TypeMachineBuilder`."""

REFUSALS = {"out_of_turn", "accepted_again", "greeted_again", "returns(None)"}
"""Outputs that only refuse or ignore."""

DIRECTORY = Path(__file__).parent / "machines"

_STYLE = """\
    rankdir=LR
    bgcolor=transparent
    node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif", fontsize=11]
    edge [color="#777777", fontcolor="#777777", fontname="sans-serif", fontsize=10]
    "" [shape=point, color="#777777"]
"""


def arrows(machine: Any) -> dict[tuple[str, str], list[str]]:
    """Return the inputs that lead from one state of *machine* to another, by both names."""
    found = defaultdict(set)
    for source, symbol, target, outputs in machine.__automat_automaton__.allTransitions():
        if not REFUSALS & {output.name for output in outputs}:
            found[source.name, target.name].add(symbol)
    return {between: sorted(symbols) for between, symbols in sorted(found.items())}


def dot(name: str, machine: Any) -> str:
    """Return *machine* in Graphviz's language."""
    lines = [_STYLE + f'    "" -> "{machine.__automat_automaton__.initialState.name}"']
    for (source, target), symbols in arrows(machine).items():
        label = r"\n".join(symbols)
        lines.append(f'    "{source}" -> "{target}" [label="{label}"]')
    return "\n".join([f'digraph "{name}" {{', *lines, "}", ""])


def main() -> None:
    """Draw every machine."""
    DIRECTORY.mkdir(exist_ok=True)
    for name, machine in MACHINES.items():
        path = DIRECTORY / f"{name}.dot"
        path.write_text(dot(name, machine), "utf-8")
        if shutil.which("dot"):
            subprocess.run(["dot", "-Tsvg", "-o", path.with_suffix(".svg"), path], check=True)


if __name__ == "__main__":
    main()

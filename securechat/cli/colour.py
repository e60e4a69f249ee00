"""Whether to use colour: at a terminal, unless the user wants none (https://no-color.org)."""

from __future__ import annotations

import os


def colourful(descriptor: int = 1) -> bool:
    """Return whether what is written to the file *descriptor* may have colours."""
    return os.isatty(descriptor) and not os.environ.get("NO_COLOR")

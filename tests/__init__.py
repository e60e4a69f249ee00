"""
The tests of securechat, for trial: ``tox``, or ``python -m twisted.trial tests`` in a checkout.

They mirror the package. This module chooses how Hypothesis looks for examples. The ordinary
profile tries the same ones each time, so a change that passed passes again; ``random`` is for the
long run of ``tox -e random``, and prints how to repeat what it finds. Neither measures time, which
depends on the machine.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "random",
    settings.get_profile("steady"),
    derandomize=False,
    max_examples=5_000,
    print_blob=True,
)
settings.load_profile(os.environ.get("SECURECHAT_HYPOTHESIS", "steady"))

"""
The tests of securechat, for trial: ``tox``, or ``python -m twisted.trial tests`` in a checkout.

They mirror the package. This module chooses how Hypothesis looks for examples. The ordinary
profile tries the same ones each time, so a change that passed passes again; ``brief`` tries fewer
of them, where the same tests run a second time; ``random`` is for the long run of ``tox -e
random``, and prints how to repeat what it finds. None measures time, which depends on the machine.
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
settings.register_profile("brief", settings.get_profile("steady"), max_examples=20)
settings.load_profile(os.environ.get("SECURECHAT_HYPOTHESIS", "steady"))

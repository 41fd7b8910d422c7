"""How many examples each property is tried on: few, or as many as ``MONAI_TOPOLOSS_FUZZ`` says."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("MONAI_TOPOLOSS_FUZZ", "10")),
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

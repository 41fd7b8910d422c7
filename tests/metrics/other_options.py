"""A value for each option of a metric that is not its default."""

from __future__ import annotations

from inspect import signature

from monai_topoloss.metrics import (
    compute_adapted_rand_error,
    compute_betti_error,
    compute_centerline_dice,
    compute_critical_error,
    compute_variation_of_information,
)

_ONE_OF_SEVERAL = {
    compute_adapted_rand_error: {"score": "precision"},
    compute_betti_error: {"kind": "euler", "patch_size": (8, 9), "stride": 3},
    compute_centerline_dice: {"score": "precision", "method": "lee"},
    compute_critical_error: {"kind": "merges_per_object"},
    compute_variation_of_information: {"score": "merge"},
}


def other_options(function):
    """Return a value other than the default for each option of a function."""
    values = {"connectivity": 1, "ignore_index": 255, "backend": "cpu", **_ONE_OF_SEVERAL[function]}
    options = list(signature(function).parameters.values())[2:]
    return {each.name: values.get(each.name, not each.default) for each in options}

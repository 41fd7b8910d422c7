"""Metrics: by their definitions, and the same for all types and layouts of memory."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from skimage import metrics as scikit_image

from monai_topoloss import metrics
from monai_topoloss.topology import betti_numbers, label_components, skeletonize
from tests.fuzz.properties import as_array, call, fuzz
from tests.fuzz.strategies import DTYPES, pairs, shapes
from tests.oracles import supervoxel

pytestmark = pytest.mark.filterwarnings("ignore:single channel prediction")


@st.composite
def segmentations(draw, numbers=(1,), channels=(1, 2, 3, 0), dtypes=DTYPES):
    """Prediction and label, (B, C, *spatial), and their values as int64."""
    shape = (draw(st.sampled_from([1, 2, 0])), draw(st.sampled_from(channels)), *draw(shapes(longest=5)))
    both = draw(pairs(shape, dtypes, numbers))
    return both, [side.values.astype(np.int64) for side in both]


def each_image(function, prediction, label):
    """The number of each image and channel, as a metric returns them."""
    values = [[function(p, y) for p, y in zip(*pair, strict=True)] for pair in zip(prediction, label, strict=True)]
    return torch.tensor(values, dtype=torch.float32).reshape(prediction.shape[:2])


def check(found, expected, label, *, ignore_empty):
    """Compare; where a label is empty, nothing may be said."""
    if ignore_empty:
        expected = torch.where(each_image(lambda _, y: y.any(), label, label) > 0, expected, torch.nan)
    assert type(found) is torch.Tensor
    torch.testing.assert_close(found, expected, equal_nan=True, rtol=1e-4, atol=1e-5)


def counted(images, include_background):
    """The channels that count."""
    return [image if include_background or image.shape[1] <= 1 else image[:, 1:] for image in images]


@fuzz(
    pair=segmentations(),
    kind=st.sampled_from([0, 1, "sum", "euler"]),
    options=st.fixed_dictionaries({"include_background": st.booleans(), "ignore_empty": st.booleans()}),
    connectivity=st.sampled_from([None, 1, 2]),
)
def test_betti_error(pair, kind, options, connectivity):
    both, values = pair
    found = call(
        metrics.compute_betti_error, *(x.argument for x in both), kind=kind, connectivity=connectivity, **options
    )
    prediction, label = counted(values, options["include_background"])

    def error(p, y):
        numbers = [betti_numbers(x != 0, connectivity=connectivity, spatial_dims=x.ndim) for x in (p, y)]
        difference = numbers[0] - numbers[1]
        if kind == "euler":
            return abs((difference * np.array([1, -1, 1])[: p.ndim]).sum())
        return abs(difference).sum() if kind == "sum" else abs(difference[kind])

    check(found, each_image(error, prediction, label), label, ignore_empty=options["ignore_empty"])


@fuzz(
    pair=segmentations(),
    score=st.sampled_from(["cldice", "precision", "sensitivity"]),
    options=st.fixed_dictionaries({"include_background": st.booleans(), "ignore_empty": st.booleans()}),
)
def test_centerline_dice(pair, score, options):
    both, values = pair
    found = call(metrics.compute_centerline_dice, *(x.argument for x in both), score=score, **options)
    prediction, label = counted(values, options["include_background"])

    def dice(p, y):
        if not p.any() and not y.any():
            return 1
        skeletons = [skeletonize(x, spatial_dims=x.ndim) for x in (p, y)]
        shares = [(s & (x != 0)).sum() / max(s.sum(), 1) for s, x in zip(skeletons, (y, p), strict=True)]
        whole = 2 * shares[0] * shares[1] / sum(shares) if any(shares) else 0
        return {"cldice": whole, "precision": shares[0], "sensitivity": shares[1]}[score]

    check(found, each_image(dice, prediction, label), label, ignore_empty=options["ignore_empty"])


@fuzz(
    data=st.data(),
    kind=st.sampled_from(["splits", "merges", "splits_per_object", "merges_per_object", "fraction"]),
    instances=st.booleans(),
    ignore_index=st.sampled_from([None, None, 3, -1]),
)
def test_critical_error(data, kind, instances, ignore_index):
    numbers = (1, 2, 3, 300, 2**62) if instances else (1,)
    both, (prediction, label) = data.draw(segmentations(numbers, channels=(1, 0) if not instances else (1,)))
    found = call(
        metrics.compute_critical_error,
        *(x.argument for x in both),
        kind=kind,
        instances=instances,
        ignore_index=ignore_index,
    )
    ignored = (label == 3) & (ignore_index == 3)
    prediction, label = np.where(ignored, 0, prediction), np.where(ignored, 0, label)

    def error(p, y, hidden):
        (splits, broken), (merges, joined) = supervoxel.linear(y, p, p.ndim), supervoxel.linear(p, y, p.ndim)
        if kind == "fraction":
            return (splits | merges).sum() / max((~hidden).sum(), 1)
        number = len(broken) if kind.startswith("splits") else len(joined)
        if kind.endswith("per_object"):
            ids = len(np.unique(y[y != 0])) if instances else label_components(y != 0, spatial_dims=y.ndim).counts
            return number / max(int(ids), 1)
        return number

    hidden = np.stack([prediction, label, ignored.astype(np.int64)])
    expected = [
        [error(*hidden[:2, b, c], hidden[2, b, c] != 0) for c in range(label.shape[1])] for b in range(len(label))
    ]
    expected = torch.tensor(expected, dtype=torch.float32).reshape(label.shape[:2])
    check(found, expected, label, ignore_empty=False)


@fuzz(data=st.data(), instances=st.booleans(), foreground_only=st.booleans(), ignore_empty=st.booleans())
def test_comparisons_of_partitions(data, instances, foreground_only, ignore_empty):
    numbers = (1, 2, 3, 300, 2**31, 2**62) if instances else (1,)
    both, values = data.draw(segmentations(numbers, channels=(1,)))
    options = {"instances": instances, "foreground_only": foreground_only, "ignore_empty": ignore_empty}
    arguments = [x.argument for x in both]
    information = {
        score: call(metrics.compute_variation_of_information, *arguments, score=score, **options)
        for score in ("sum", "split", "merge")
    }
    torch.testing.assert_close(information["sum"], information["split"] + information["merge"], equal_nan=True)
    error = call(metrics.compute_adapted_rand_error, *arguments, **options)
    prediction, label = values
    if not instances:
        prediction, label = (label_components(x, spatial_dims=x.ndim - 2).labels for x in values)
    prediction, label = (
        np.unique(x, return_inverse=True)[1].reshape(x.shape) if x.size else x for x in (prediction, label)
    )
    empty = [not item.any() for item in values[1]]
    zero = [0 in item for item in values[0]]
    for k, (p, y) in enumerate(zip(prediction, label, strict=True)):
        if ignore_empty and empty[k]:
            assert information["sum"][k].isnan()
            assert error[k].isnan()
            continue
        inside = values[1][k] != 0 if foreground_only else np.ones(y.shape, bool)
        if not inside.any():
            assert information["sum"][k] == error[k] == 0
            continue
        split, merge = scikit_image.variation_of_information(p[inside], y[inside])
        np.testing.assert_allclose(
            [information[score][k].item() for score in ("split", "merge")], [merge, split], atol=1e-5
        )
        if not foreground_only or not zero[k]:  # else each voxel of the background is an object of its own
            expected = (
                scikit_image.adapted_rand_error(y[inside], p[inside], ignore_labels=())[0] if inside.sum() > 1 else 0
            )
            if np.isfinite(expected):
                np.testing.assert_allclose(error[k].item(), expected, atol=1e-5)


@pytest.mark.parametrize(
    "metric",
    [
        metrics.AdaptedRandErrorMetric,
        metrics.BettiErrorMetric,
        metrics.CenterlineDiceMetric,
        metrics.CriticalErrorMetric,
        metrics.VariationOfInformationMetric,
    ],
)
@fuzz(data=st.data(), include_background=st.booleans())
def test_classes_collect_what_functions_compute(metric, data, include_background):
    collected = metric(include_background=include_background, reduction="none")
    expected = []
    for _ in range(2):
        shape = (data.draw(st.sampled_from([1, 2])), 2, *data.draw(shapes(ndims=(2,), longest=5)))
        both = data.draw(pairs(shape, numbers=(1,), torch_only=True))
        arguments = [x.argument.detach() for x in both]
        call(collected, *arguments)
        expected.append(metric._function(*arguments, include_background=include_background))
    torch.testing.assert_close(collected.aggregate(), torch.cat(expected), equal_nan=True)
    mean = collected.aggregate("mean")
    values = as_array(torch.cat(expected))
    # MONAI takes the mean over channels first, then over images.
    rows = [np.mean(row[~np.isnan(row)]) for row in values if (~np.isnan(row)).any()]
    np.testing.assert_allclose(mean, np.mean(rows) if rows else np.nan, rtol=1e-5, equal_nan=True)

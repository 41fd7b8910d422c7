from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from monai_topoloss import critical_components, skeletonize, tubed_skeleton
from monai_topoloss.visualize import critical_overlay, skeleton_overlay

LABEL, PREDICTION, SPLIT, MERGE, TUBE = (0, 158, 115), (240, 228, 66), (213, 94, 0), (86, 180, 233), (230, 159, 0)


def where(picture, colour):
    return (picture == np.array(colour)).all(axis=2)


def enlarge(mask, scale):
    return np.kron(mask, np.ones((scale, scale))).astype(bool)


def make_pair(shape=(40, 60), seed=0):
    rng = np.random.default_rng(seed)
    label = ndimage.gaussian_filter(rng.random(shape), 2) > 0.52
    return label ^ (ndimage.gaussian_filter(rng.random(shape), 1) > 0.58), label


def test_marks_are_where_they_belong():
    prediction, label = make_pair()
    found = critical_components(prediction, label)
    assert found.splits.any()
    assert found.merges.any()
    picture = critical_overlay(prediction, label, scale=7)
    assert picture.shape == (280, 420, 3)
    assert picture.dtype == np.uint8
    splits, merges = enlarge(found.splits, 7), enlarge(found.merges, 7)
    rings = where(picture, MERGE) & ~merges
    assert where(picture, SPLIT)[splits & ~rings].all()
    assert where(picture, MERGE)[merges].all()
    assert rings.any()
    # The ring of a merge is all around it, at the same distance.
    distance = ndimage.distance_transform_edt(~merges)[rings]
    assert np.ptp(distance) < 2
    assert (where(picture, LABEL) <= enlarge(label, 7)).all()
    assert (where(picture, PREDICTION) <= ~enlarge(prediction, 7)).all()
    assert where(picture, LABEL).any()
    assert where(picture, PREDICTION).any()


def test_outlines():
    """Of touching instances, too; a prediction that is right has nothing else but its outline."""
    label = np.zeros((6, 8), dtype=np.uint8)
    label[1:5, 1:4], label[1:5, 4:7] = 1, 2
    picture = critical_overlay(label, label, scale=1)
    expected = label > 0
    expected[2:4, 2] = expected[2:4, 5] = False
    np.testing.assert_array_equal(where(picture, LABEL), expected)
    around = ndimage.binary_dilation(label > 0) & (label == 0)
    np.testing.assert_array_equal(where(picture, PREDICTION), around)
    assert not where(picture, SPLIT).any()
    assert not where(picture, MERGE).any()


def test_predicted_instances_that_touch_are_told_apart():
    """Both outlines show between them: green on both sides of the label's border, yellow on one of the prediction's."""
    label = np.ones((4, 8), dtype=np.uint8)
    label[:, 4:] = 2
    picture = critical_overlay(label, label, scale=4)
    assert where(picture, LABEL)[:, 15].all()
    assert where(picture, PREDICTION)[:, 16].all()
    merged = critical_overlay(label > 0, label, scale=4)
    assert where(merged, LABEL)[:, 15:17].all()
    assert not where(merged, PREDICTION).any()
    split = critical_overlay(label, label > 0, scale=4)
    assert where(split, PREDICTION).nonzero()[1].tolist() == [16] * 16
    assert not where(split, LABEL).any()


def test_classes():
    """A wrong class is a split of one and a merge of the other, and no mistake of instances."""
    label = np.zeros((9, 20), dtype=np.uint8)
    label[4, 2:18] = 1
    prediction = label.copy()
    prediction[4, 9] = 2
    as_classes = critical_overlay(prediction, label, num_classes=3, scale=8)
    found = enlarge(prediction == 2, 8)
    shares = [where(as_classes, colour)[found].mean() for colour in (SPLIT, MERGE)]
    assert sum(shares) == 1  # in stripes
    assert min(shares) > 0.3
    as_instances = critical_overlay(prediction, label, scale=8)
    assert not where(as_instances, SPLIT).any()
    assert not where(as_instances, MERGE).any()
    found = critical_components(*make_pair(), num_classes=2)
    picture = critical_overlay(*make_pair(), num_classes=2, scale=7)
    assert where(picture, MERGE)[enlarge(found.merges, 7)].all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_spacing_is_in_proportion(axis):
    prediction, label = make_pair((8, 10, 12))
    spacing = (3.0, 1.5, 0.75)
    height, width = (
        int(4 * n * size) for k, (n, size) in enumerate(zip((8, 10, 12), spacing, strict=True)) if k != axis
    )
    factor = 3 / min(size for k, size in enumerate(spacing) if k != axis)
    picture = critical_overlay(prediction, label, spacing=spacing, axis=axis, scale=3)
    assert picture.shape == (height * factor / 4, width * factor / 4, 3)
    splits, merges = (mask.max(axis=axis) for mask in critical_components(prediction, label)[:2])
    rows, columns = picture.shape[0] // merges.shape[0], picture.shape[1] // merges.shape[1]
    assert where(picture, MERGE)[(merges & ~splits).repeat(rows, 0).repeat(columns, 1)].all()
    affine = torch.diag(torch.tensor([-3.0, 1.5, 0.75, 1]))
    for pair in ((MetaTensor(prediction, affine=affine), label), (prediction, MetaTensor(label, affine=affine))):
        np.testing.assert_array_equal(critical_overlay(*pair, axis=axis, scale=3), picture)
        assert critical_overlay(*pair, axis=axis, scale=3, spacing=1).shape == (*(3 * n for n in merges.shape), 3)
    thin = skeleton_overlay(MetaTensor(label, affine=affine), axis=axis, scale=3)
    assert thin.shape == picture.shape
    np.testing.assert_array_equal(skeleton_overlay(label, spacing=spacing, axis=axis, scale=3), thin)


def test_a_ring_is_round_where_voxels_are_not():
    label = np.zeros((40, 40), dtype=bool)
    prediction = label.copy()
    prediction[20, 15:25] = True  # 10 units high and wide
    picture = critical_overlay(prediction, label, spacing=(10, 1), scale=2)
    rows, columns = where(picture, MERGE).nonzero()
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)


def test_channels_are_not_taken_for_slices_without_a_word(monkeypatch):
    monkeypatch.setattr("monai_topoloss._checks.tensors._warned_of", set())
    mask = np.zeros((3, 16, 16), dtype=bool)
    with pytest.warns(UserWarning, match=r"`prediction` of shape \(3, 16, 16\) was taken for a volume of 3 slices"):
        critical_overlay(mask, mask)
    skeleton_overlay(mask)  # it has been said
    critical_overlay(mask, mask, spatial_dims=3)
    with pytest.raises(ValueError, match=r"Expected `label` to have 2 axes, got shape .* draw one channel"):
        skeleton_overlay(mask, spatial_dims=2)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_volumes(axis):
    prediction, label = make_pair((20, 24, 28))
    image = np.random.default_rng(0).random(label.shape)
    found = critical_components(prediction, label)
    projected = critical_overlay(prediction, label, image, axis=axis, scale=1)
    splits, merges = found.splits.max(axis=axis), found.merges.max(axis=axis)
    assert projected.shape[:2] == merges.shape
    assert where(projected, MERGE)[merges & ~splits].all()
    assert (where(projected, MERGE) | where(projected, SPLIT))[merges & splits].all()
    place = int(np.argmax(found.merges.sum(axis=tuple({0, 1, 2} - {axis % 3}))))
    cut = critical_overlay(prediction, label, image, axis=axis, index=place, scale=1)
    assert where(cut, MERGE)[found.merges.take(place, axis)].all()
    np.testing.assert_array_equal(
        skeleton_overlay(label, image, axis=axis, scale=1),
        skeleton_overlay(torch.from_numpy(label), torch.from_numpy(image), axis=axis, scale=1),
    )


def test_image_is_grey_and_stretched():
    mask = np.zeros((3, 40, 50), dtype=bool)[0]
    ramp = np.linspace(-5, 90, 50) * np.ones((40, 1))
    picture = critical_overlay(mask, mask, ramp, scale=1)
    assert (picture == picture[..., :1]).all()
    assert (np.diff(picture[0, :, 0].astype(int)) >= 0).all()
    assert np.ptp(picture) > 150
    colours = np.stack([ramp, ramp, ramp])
    np.testing.assert_array_equal(critical_overlay(mask, mask, colours, scale=1), picture)
    flat = critical_overlay(mask, mask, np.full((40, 50), 3.0), scale=1)
    np.testing.assert_array_equal(flat, critical_overlay(mask, mask, scale=1))


@pytest.mark.parametrize(("shape", "scale"), [((100, 70), 12), ((1201, 5), 1), ((1100, 5), 2)])
def test_small_images_are_enlarged(shape, scale):
    mask = np.zeros(shape, dtype=bool)
    assert critical_overlay(mask, mask).shape == (shape[0] * scale, shape[1] * scale, 3)


@pytest.mark.parametrize("radius", [0, 2])
def test_skeleton(radius):
    label = make_pair()[1]
    picture = skeleton_overlay(label, scale=3, radius=radius)
    skeleton = enlarge(skeletonize(label), 3)
    np.testing.assert_array_equal(where(picture, SPLIT), skeleton)
    assert where(picture, LABEL).any()
    tube = enlarge(tubed_skeleton(label.astype(np.uint8), radius=radius), 3)
    marked = (picture != picture[..., :1]).any(axis=2) & ~where(picture, LABEL)
    np.testing.assert_array_equal(marked, tube)


@pytest.mark.parametrize("spacing", [(1, 0.5), 0.5])
def test_radius_in_units_of_the_spacing(spacing):
    label = make_pair()[1]
    sizes = np.broadcast_to(spacing, 2).tolist()
    picture = skeleton_overlay(label, scale=3, radius=1.2, units="mm", spacing=spacing)
    tube = tubed_skeleton(label.astype(np.uint8), radius=1.2, spacing=spacing)
    rows, columns = (n // m for n, m in zip(picture.shape, label.shape, strict=False))
    marked = (picture != picture[..., :1]).any(axis=2) & ~where(picture, LABEL)
    np.testing.assert_array_equal(marked, (tube != 0).repeat(rows, 0).repeat(columns, 1))
    affine = torch.diag(torch.tensor([*sizes, 1.0, 1.0]))
    known = MetaTensor(label, affine=affine)
    np.testing.assert_array_equal(skeleton_overlay(known, scale=3, radius=1.2, units="mm"), picture)
    of_image = skeleton_overlay(
        label, MetaTensor(np.zeros(label.shape), affine=affine), radius=1.2, units="mm", scale=3
    )
    np.testing.assert_array_equal(of_image, picture)
    in_voxels = skeleton_overlay(label, scale=3, radius=1, spacing=spacing)
    assert not np.array_equal(in_voxels, picture)


def test_a_metatensor_of_the_identity_has_voxels_of_1():
    label = make_pair()[1]
    picture = skeleton_overlay(MetaTensor(label), radius=1.5, units="mm", scale=2)
    np.testing.assert_array_equal(picture, skeleton_overlay(label, radius=1.5, units="mm", spacing=1, scale=2))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"radius": 1.5},
            TypeError,
            "Expected `radius` to be an int, a number of voxels, got float; with `units='mm'`",
        ),
        ({"radius": -1}, ValueError, "Expected `radius` to be at least 0"),
        ({"units": "mm"}, ValueError, "Expected `spacing` or a MetaTensor, which knows it, with `units='mm'`"),
        ({"units": "cm"}, ValueError, "Expected `units` to be one of 'voxels', 'mm', got 'cm'"),
        ({"units": "mm", "spacing": 1, "radius": "2"}, TypeError, "Expected `radius` to be a number, got str"),
        ({"units": "mm", "spacing": 1, "radius": -0.5}, ValueError, "Expected `radius` to be at least 0"),
    ],
)
def test_bad_radius(options, error, message):
    with pytest.raises(error, match=message):
        skeleton_overlay(np.eye(5, dtype=bool), **options)


@pytest.mark.parametrize("width", [10, 30, 200])
def test_legend_is_below(width):
    prediction, label = make_pair((40, width))
    for function, colours in (
        (lambda **options: critical_overlay(prediction, label, **options), (LABEL, PREDICTION, SPLIT, MERGE)),
        (lambda **options: skeleton_overlay(label, radius=1, **options), (LABEL, SPLIT, TUBE)),
    ):
        bare, full = function(scale=4), function(scale=4, legend=True)
        np.testing.assert_array_equal(full[: len(bare), : bare.shape[1]], bare)
        strip = full[len(bare) :]
        assert len(strip) > 12
        assert all(where(strip, colour).any() for colour in colours)
        assert (strip == 255).all(axis=2).any()  # text


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"prediction": "x"}, TypeError, "Expected `prediction` to be a torch.Tensor"),
        ({"prediction": np.zeros((5, 6, 7), bool)}, ValueError, "Expected `label` of the shape of `prediction`"),
        ({"prediction": np.full((5, 6), 0.5)}, ValueError, "made discrete first"),
        (
            {"prediction": np.zeros((1, 1, 5, 6))},
            ValueError,
            r"Expected `prediction` to have 2 or 3 axes, got .* such as `prediction\[1\]`, .*`num_classes`, .*`plot",
        ),
        ({"spatial_dims": 3}, ValueError, r"Expected `prediction` to have 3 axes, got shape \(5, 6\)"),
        ({"spatial_dims": 4}, ValueError, "Expected `prediction` to have 4 axes"),
        ({"label": np.full((5, 6), 2), "num_classes": 2}, ValueError, "Expected `label` to hold class ids below 2"),
        ({"spatial_dims": True}, TypeError, "Expected `spatial_dims` to be an int, got bool"),
        ({"num_classes": 1}, ValueError, "Expected `num_classes` to be at least 2"),
        ({"spacing": 0}, ValueError, "Expected `spacing` to be a positive number or 2 of them, got 0"),
        ({"spacing": (1, 2, 3)}, ValueError, "Expected `spacing` to be a positive number or 2 of them"),
        ({"spacing": "1"}, TypeError, "Expected `spacing` to be a number, got str"),
        ({"axis": (0, 1)}, TypeError, "Expected `axis` to be an int, got tuple"),
        ({"image": np.zeros((6, 5))}, ValueError, r"Expected `image` of shape \(5, 6\), or with channels in front"),
        ({"image": np.zeros((0, 5, 6))}, ValueError, r"Expected `image` of shape \(5, 6\), or with channels in front"),
        ({"image": np.zeros((2, 3, 5, 6))}, ValueError, r"Expected `image` of shape \(5, 6\), or with channels in"),
        ({"image": np.zeros(6)}, ValueError, r"Expected `image` of shape \(5, 6\), or with channels in front"),
        ({"image": np.full((5, 6), np.nan)}, ValueError, "Expected `image` to be finite"),
        ({"index": 0}, ValueError, "Expected `index` for volumes only"),
        ({"scale": 0}, ValueError, "Expected `scale` to be at least 1"),
        ({"axis": 1.5}, TypeError, "Expected `axis` to be an int"),
        ({"connectivity": 3}, ValueError, "Expected `connectivity` from 1 to 2"),
    ],
)
def test_bad_input(change, error, message):
    arguments = {"prediction": np.zeros((5, 6), bool), "label": np.zeros((5, 6), bool), **change}
    with pytest.raises(error, match=message):
        critical_overlay(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"axis": 3}, "Expected `axis` from -3 to 2, got 3"), ({"axis": 1, "index": 6}, "Expected `index` of one of 6")],
)
def test_bad_view(options, message):
    volume = np.zeros((5, 6, 7), bool)
    for function in (lambda: critical_overlay(volume, volume, **options), lambda: skeleton_overlay(volume, **options)):
        with pytest.raises(ValueError, match=message):
            function()


@pytest.mark.parametrize(
    ("shape", "size"), [((0, 4, 5), (4, 5)), ((4, 0, 5), (0, 5)), ((4, 5, 0), (5, 0)), ((0, 5), (0, 5))]
)
def test_without_voxels_there_is_nothing_to_see(shape, size):
    mask = np.zeros(shape, bool)
    for picture in (critical_overlay(mask, mask, mask, scale=2), skeleton_overlay(mask, scale=2)):
        assert picture.shape == (2 * size[0], 2 * size[1], 3)
        assert (picture == 20).all()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [((0, 2**63, 2**64 - 1), np.uint64), ((-3e38, 0, 3e38), np.float32), ((-1e300, 0, 1e300), np.float64)],
)
def test_images_of_huge_numbers(values, dtype):
    label = np.zeros((3, 9), bool)
    image = np.repeat(np.array(values, dtype), 9).reshape(3, 9)
    picture = critical_overlay(label, label, np.stack([image, image]), scale=1)
    np.testing.assert_array_equal(
        picture, critical_overlay(label, label, np.repeat([0, 1, 2], 9).reshape(3, 9), scale=1)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 10**400}, "Expected `scale` of a picture of at most"),
        ({"scale": 10**6}, "Expected `scale` of a picture of at most"),
        ({"spacing": (1, 1e300)}, "Expected `spacing` of voxels at most 1000 times as long as thick"),
        ({"spacing": (1e-300, 1e300)}, "Expected `spacing` of voxels at most 1000 times as long as thick"),
    ],
)
def test_pictures_that_fit_nowhere(options, message):
    label = np.eye(5, dtype=bool)
    for draw in (lambda: critical_overlay(label, label, **options), lambda: skeleton_overlay(label, **options)):
        with pytest.raises(ValueError, match=message):
            draw()


@pytest.mark.parametrize("spacing", [np.array(2.0), torch.tensor(2.0), 2])
def test_one_spacing_of_any_kind(spacing):
    label = np.eye(5, dtype=bool)
    np.testing.assert_array_equal(skeleton_overlay(label, spacing=spacing), skeleton_overlay(label))


@pytest.mark.parametrize("affine", [torch.zeros(4, 4), torch.full((4, 4), torch.nan), torch.eye(4) * torch.inf])
def test_an_affine_that_knows_no_spacing(affine):
    label = torch.eye(5)
    picture = skeleton_overlay(MetaTensor(label, affine=affine, meta={}))
    np.testing.assert_array_equal(picture, skeleton_overlay(label))


NEAREST = [(1, 0), (0, 1)]


def two_bars():
    """Two instances that touch, and as predicted: with a merge of both, and a cut of the second."""
    label = np.zeros((14, 30), np.int32)
    label[1:7, 1:29], label[7:13, 1:29] = 1, 2
    prediction = label.copy()
    prediction[7:13, 1:15] = 1
    return prediction, label


def test_instances_that_touch():
    prediction, label = two_bars()
    picture = critical_overlay(prediction, label, edges=NEAREST, scale=5)
    splits, merges = np.zeros_like(label, bool), np.zeros_like(label, bool)
    splits[7:13, 14:16] = True  # both ends of what is cut
    merges[6:8, 1:15] = True
    both = enlarge(splits & merges, 5)
    assert where(picture, SPLIT)[enlarge(splits, 5) & ~both].mean() > 0.8  # but for rings
    assert where(picture, MERGE)[enlarge(merges, 5) & ~both].all()
    assert not where(critical_overlay(prediction, label, scale=5), MERGE).any()  # of voxels, none is wrong
    ids = [picture[5 * y + 2, 5 * x + 2] for y, x in ((3, 20), (10, 20))]
    assert abs(ids[0].astype(int) - ids[1]).sum() > 30  # each with a colour of its own
    wide = critical_overlay(prediction, label, edges=NEAREST, scale=5, legend=True)
    np.testing.assert_array_equal(wide[:70, :150], picture)


def test_tolerance_of_instances():
    _, label = two_bars()
    shifted = label.copy()
    shifted[6, 1:29] = 2
    for tolerance, is_marked in ((0, True), (1, False)):
        picture = critical_overlay(shifted, label, edges=NEAREST, tolerance=tolerance, scale=2)
        assert where(picture, SPLIT).any() == where(picture, MERGE).any() == is_marked


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"edges": []}, "edges"),
        ({"edges": [(1, 0, 0)]}, "3 axes"),
        ({"edges": NEAREST, "num_classes": 3}, "`edges` or `num_classes`"),
        ({"edges": NEAREST, "connectivity": 1}, "`edges` or `connectivity`"),
        ({"edges": NEAREST, "spatial_dims": 3}, "spatial_dims"),
        ({"edges": NEAREST, "tolerance": -1}, "tolerance"),
    ],
)
def test_bad_options_of_instances(options, message):
    with pytest.raises(ValueError, match=message):
        critical_overlay(*two_bars(), **options)


def test_kinds_of_skeletons_and_pruning():
    """The pictures show what the function returns."""
    mask = ndimage.gaussian_filter(np.random.default_rng(0).random((40, 44)), 2) > 0.5
    plain, pruned = skeleton_overlay(mask, scale=1), skeleton_overlay(mask, scale=1, prune=6)
    for picture, skeleton in ((plain, skeletonize(mask)), (pruned, skeletonize(mask, prune=6))):
        np.testing.assert_array_equal(where(picture, SPLIT), skeleton)
    assert not np.array_equal(plain, pruned)
    in_mm = skeleton_overlay(mask, scale=1, prune=3, units="mm", spacing=0.5)
    np.testing.assert_array_equal(where(in_mm, SPLIT), skeletonize(mask, prune=6))
    sheet = np.zeros((9, 20, 20), bool)
    sheet[3:6, 2:18, 2:18] = True
    picture = skeleton_overlay(sheet, scale=1, kind="surface")
    np.testing.assert_array_equal(where(picture, SPLIT), skeletonize(sheet, kind="surface").any(axis=0))

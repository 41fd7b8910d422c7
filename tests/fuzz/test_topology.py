"""Functions on images: each equals its definition for all types and layouts of memory."""

from __future__ import annotations

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import measure, morphology

from monai_topoloss import topology
from tests.fuzz.properties import as_array, assert_result, by_item, call, fuzz
from tests.fuzz.strategies import FLOATS, INTEGERS, batches, images, masks, pairs, shapes
from tests.oracles import homology, lee, supervoxel
from tests.oracles import skeleton_recall as oracle

pytestmark = pytest.mark.filterwarnings("ignore:`.*` of shape .* was taken for a volume")
SMALL = 130  # voxels up to which literal definitions are not too slow


def rank(draw, shape, spatial_dims):
    """Say how many axes are spatial, or leave it to the function."""
    return None if len(shape) == spatial_dims and draw(st.booleans()) else spatial_dims


def thin(mask, method):
    """Skeleton by the definition, or by us for what is large: of a mask like any other."""
    if not mask.any():
        return mask
    if method == "lee":
        return (
            lee.thin(mask) if mask.size <= SMALL else topology.skeletonize(mask, method="lee", spatial_dims=mask.ndim)
        )
    if method == "thin":
        return morphology.thin(mask)
    return morphology.skeletonize(mask, method="lee" if method == "lee_skimage" else "zhang") != 0


def thinning(draw, spatial_dims):
    """A method, by name or by default."""
    method = draw(st.sampled_from([None, "lee", "lee_skimage", *["zhang", "thin"] * (spatial_dims == 2)]))
    return method, method or {2: "zhang", 3: "lee"}[spatial_dims]


@fuzz(data=st.data())
def test_skeletonize(data):
    shape, spatial_dims = data.draw(batches())
    image = data.draw(masks(shape))
    method, name = thinning(data.draw, spatial_dims)
    found = call(topology.skeletonize, image.argument, method=method, spatial_dims=rank(data.draw, shape, spatial_dims))
    assert_result(found, image.argument, by_item(lambda mask: thin(mask != 0, name), image.values, spatial_dims))


@fuzz(data=st.data(), radius=st.sampled_from([0, 1, 2, 5, 70, 10**30]), per_class=st.booleans())
def test_tubed_skeleton(data, radius, per_class):
    shape, spatial_dims = data.draw(batches())
    label = data.draw(images(shape))
    ignore_index = data.draw(st.sampled_from([None, None, -1, 1, 2, 255, 2049, 2**24, 2**64 - 1, 10**30]))
    method, name = thinning(data.draw, spatial_dims)

    def expect(ids):
        exact = ids.astype(object)  # numbers of Python, which neither round nor wrap round
        ids = np.where(exact == ignore_index, 0, ids).astype(ids.dtype) if ignore_index is not None else ids
        parts = [ids * (ids == value) for value in np.unique(ids)] if per_class else [ids]
        tubes = [
            oracle.tubed_skeleton(part, min(radius, sum(ids.shape)), lambda mask: thin(mask, name)) for part in parts
        ]
        return np.array(sum(tubes, start=np.zeros_like(ids)), ids.dtype)

    found = call(
        topology.tubed_skeleton,
        label.argument,
        radius=radius,
        per_class=per_class,
        ignore_index=ignore_index,
        method=method,
        spatial_dims=rank(data.draw, shape, spatial_dims),
    )
    assert_result(found, label.argument, by_item(expect, label.values, spatial_dims), dtype="same")


@fuzz(data=st.data())
def test_surfaces(data):
    shape, spatial_dims = data.draw(batches(ndims=(3,)))
    image = data.draw(masks(shape))
    options = {"kind": "surface", "spatial_dims": rank(data.draw, shape, spatial_dims)}
    found = call(topology.skeletonize, image.argument, **options)
    expected = by_item(lambda mask: lee.thin(mask != 0, surface=True), image.values, spatial_dims)
    assert_result(found, image.argument, expected)


@fuzz(data=st.data(), length=st.floats(0, 9), factor=st.floats(0, 3))
def test_pruning(data, length, factor):
    """Each component keeps a line, loops and cavities stay, and no end branch is left that could go."""
    shape, spatial_dims = data.draw(batches())
    image = data.draw(masks(shape))
    options = {"method": "lee", "spatial_dims": rank(data.draw, shape, spatial_dims)}
    sizes = data.draw(st.sampled_from([None, 2.0, (0.5, 1.0, 3.0)[:spatial_dims]]))
    pruning = {"prune": length, "prune_factor": factor, "spacing": sizes}
    found = as_array(call(topology.skeletonize, image.argument, **options, **pruning))
    skeleton = as_array(topology.skeletonize(image.argument, **options))
    assert not (found & ~skeleton).any()

    def check(pair):
        pruned, whole = pair
        assert lee.betti_numbers(pruned) == lee.betti_numbers(whole)
        return np.zeros(())

    by_item(check, np.stack([found, skeleton], axis=found.ndim - spatial_dims), spatial_dims + 1)
    again = topology.skeletonize(found, **options, prune=length, spacing=sizes)
    np.testing.assert_array_equal(again, found)


@fuzz(data=st.data())
def test_graphs(data):
    image = data.draw(images(data.draw(shapes()), most=4))
    sizes = np.array([0.5, 1.0, 3.0])[: image.values.ndim]
    graph = call(topology.skeleton_graph, image.argument, spacing=sizes.tolist(), method="lee")
    trees = call(topology.skeleton_trees, image.argument, spacing=sizes.tolist(), method="lee")
    ids = [value for value in np.unique(image.values) if value != 0]
    for each in (graph, trees):
        assert {int(owner) for _, owner in each.nodes(data="object")} == {int(value) for value in ids}
    components, voxels = 0, set()
    for value in ids:
        mask = image.values == value
        components += lee.betti_numbers(mask)[0]
        distance = (
            ndimage.distance_transform_edt(mask, sampling=sizes) if not mask.all() else np.full(mask.shape, np.inf)
        )
        places = np.argwhere(topology.skeletonize(mask, method="lee", spatial_dims=mask.ndim))
        voxels |= {(*(place * sizes).tolist(), int(value), round(distance[tuple(place)], 9)) for place in places}
    assert nx.number_connected_components(graph) == nx.number_connected_components(trees) == components
    nodes = trees.nodes(data=True)
    assert {(*node["position"], int(node["object"]), round(node["radius"], 9)) for _, node in nodes} == voxels


@fuzz(data=st.data())
def test_label_components(data):
    shape, spatial_dims = data.draw(batches())
    image = data.draw(images(shape))
    connectivity = data.draw(st.sampled_from([None, *range(1, spatial_dims + 1)]))

    def expect(ids):
        numbers = np.searchsorted(np.unique(np.append(ids, 0)), ids)  # scikit-image takes no huge ids
        if not numbers.any():
            return np.zeros(ids.shape, np.int32)
        labels = measure.label(numbers, connectivity=connectivity or ids.ndim, background=0)
        first_places = [np.flatnonzero(labels == k)[0] for k in range(1, labels.max() + 1)]
        return np.append(0, 1 + np.argsort(np.argsort(first_places)))[labels].astype(np.int32)

    found = call(
        topology.label_components,
        image.argument,
        connectivity=connectivity,
        spatial_dims=rank(data.draw, shape, spatial_dims),
    )
    assert type(found) is topology.Components
    labels = by_item(expect, image.values, spatial_dims)
    assert_result(found.labels, image.argument, labels)
    counts = by_item(lambda item: np.int64(item.max(initial=0)), labels, spatial_dims)
    assert_result(found.counts, image.argument, counts, is_image=False)


@fuzz(data=st.data())
def test_betti_numbers(data):
    shape, spatial_dims = data.draw(batches())
    image = data.draw(masks(shape))
    connectivity = data.draw(st.sampled_from([None, *range(1, spatial_dims + 1)]))
    options = {"connectivity": connectivity, "spatial_dims": rank(data.draw, shape, spatial_dims)}
    full = connectivity in (None, spatial_dims)

    def expect(mask):
        if mask.size <= SMALL and (full or connectivity == 1):
            return np.array(homology.betti_numbers(mask, closed=full), np.int64)
        # Edges only, or large: count components and the background's, in which cavities are.
        own = ndimage.label(mask, supervoxel.structure(mask.ndim, connectivity or mask.ndim))[1]
        dual = supervoxel.structure(mask.ndim, mask.ndim if connectivity == 1 else 1)
        outside = ndimage.label(np.pad(~mask, 1, constant_values=True), dual)[1] - 1
        if mask.ndim == 2:
            return np.array([own, outside])
        euler = measure.euler_number(mask, connectivity=3 if full else 1) if connectivity != 2 and mask.any() else None
        tunnels = own + outside - euler if euler is not None else (0 if not mask.any() else -1)
        return np.array([own, tunnels, outside])

    found = call(topology.betti_numbers, image.argument, **options)
    expected = by_item(lambda mask: expect(mask != 0), image.values, spatial_dims)
    expected = np.where(expected < 0, topology.betti_numbers(image.values, **options), expected)
    assert_result(found, image.argument, expected, is_image=False)
    signs = np.array([1, -1, 1][:spatial_dims])
    euler = call(topology.euler_number, image.argument, **options)
    assert_result(euler, image.argument, (expected * signs).sum(axis=-1), is_image=False)


@pytest.mark.parametrize("kind", ["instances", "classes", "released"])
@fuzz(data=st.data(), connectivity=st.sampled_from([None, 1, 2, 3]))
def test_critical_components(kind, data, connectivity):
    shape, spatial_dims = data.draw(batches())
    classes = 5 if kind == "classes" else None
    numbers = {"numbers": (1, 2, 3, 4)} if classes else {}
    prediction, label = data.draw(pairs(shape, **numbers))
    ignore_index = data.draw(st.sampled_from([None, -1, 2, 255]))
    connectivity = spatial_dims if connectivity is None or kind == "released" else min(connectivity, spatial_dims)
    options = {"connectivity": data.draw(st.sampled_from([connectivity])), "num_classes": classes}
    if kind == "released":
        options = {"object_connectivity": 1, "mistake_connectivity": None}
    found = call(
        topology.critical_components,
        prediction.argument,
        label.argument,
        ignore_index=ignore_index,
        spatial_dims=rank(data.draw, shape, spatial_dims),
        **options,
    )
    assert type(found) is topology.CriticalComponentsResult
    both = np.stack([side.values.astype(np.int64) for side in (prediction, label)])
    if ignore_index is not None:
        both[:, both[1] == ignore_index] = 0

    def expect(pair, side):
        reference, other = pair[1 - side], pair[side]
        if kind != "released":
            critical, values = supervoxel.linear(reference, other, connectivity, classes=bool(classes))
            return critical, [values.count(k) for k in range(1, 5)] if classes else len(values)
        is_mask = len(np.unique(reference[reference != 0])) <= 1
        return supervoxel.released(reference != 0 if is_mask else reference, other)

    moved = np.moveaxis(both, 0, both.ndim - spatial_dims - 1)  # pairs of images after the leading axes
    for side, (mask, count) in enumerate(((found.splits, found.n_splits), (found.merges, found.n_merges))):
        expected = by_item(lambda pair, side=side: expect(pair, side)[0], moved, spatial_dims + 1)
        assert_result(mask, prediction.argument, expected)
        counts = by_item(lambda pair, side=side: np.array(expect(pair, side)[1], np.int64), moved, spatial_dims + 1)
        assert_result(count, prediction.argument, counts, is_image=False)


@fuzz(data=st.data())
def test_numpy_and_torch_agree_on_what_is_foreground(data):
    """Also where numbers are smaller than any other type has, or larger."""
    image = data.draw(masks(dtypes=(*INTEGERS, *FLOATS)))
    found = topology.betti_numbers(image.argument, spatial_dims=image.values.ndim)
    plain = torch.from_numpy(image.values != 0)
    assert_result(found, image.argument, topology.betti_numbers(plain, spatial_dims=plain.ndim), is_image=False)

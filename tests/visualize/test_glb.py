"""Scenes in binary glTF: meshes are where the masks are, and have colours."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from monai_topoloss import critical_components
from monai_topoloss.visualize import render_critical, render_skeleton
from tests.visualize.test_render import bars

pytest.importorskip("pyvista", reason="needs pyvista")


def read_glb(path):
    """Read a scene: its JSON, and each mesh's points and triangles."""
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert (kind, size % 4) == (b"JSON", 0)
    scene = json.loads(data[20 : 20 + size])
    meshes = []
    for mesh in scene.get("meshes", []):
        (primitive,) = mesh["primitives"]
        arrays = []
        for number in (*primitive["attributes"].values(), primitive["indices"]):
            accessor = scene["accessors"][number]
            view = scene["bufferViews"][accessor["bufferView"]]
            dtype, width = {5126: ("<f4", 3), 5125: ("<u4", 1)}[accessor["componentType"]]
            start = 20 + size + 8 + view["byteOffset"]
            array = np.frombuffer(data[start : start + view["byteLength"]], dtype).reshape(-1, width)
            assert len(array) == accessor["count"]
            assert array.min(axis=0).tolist() == accessor["min"]
            assert array.max(axis=0).tolist() == accessor["max"]
            arrays.append(array)
        meshes.append((mesh["name"], scene["materials"][primitive["material"]], *arrays))
    return scene, meshes


def test_scenes(tmp_path):
    """Meshes are where the masks are in units of the spacing, with y up; their colours are light, not sRGB."""
    prediction, label = bars()
    picture = render_critical(prediction, label, spacing=(1, 1, 2), size=(40, 40), path=tmp_path / "scene.glb")
    assert picture.shape == (40, 40, 3)
    scene, meshes = read_glb(tmp_path / "scene.glb")
    assert [node["name"] for node in scene["nodes"]] == ["label", "prediction", "splits", "merges"]
    for (name, material, points, normals, triangles), mask in zip(
        meshes, (label, prediction, *critical_components(prediction, label)[:2]), strict=True
    ):
        where = np.argwhere(mask)
        low, high = where.min(axis=0) * (1, 1, 2), where.max(axis=0) * (1, 1, 2)
        for seen, axis in ((points[:, 0], 0), (points[:, 1], 2), (-points[:, 2], 1)):
            margin = 2.2 if axis == 2 else 1.1
            assert low[axis] - margin < seen.min() < low[axis]
            assert high[axis] < seen.max() < high[axis] + margin
        assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=1e-3)
        assert triangles.max() == len(points) - 1
        corners = points[triangles.reshape(-1, 3)]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert np.einsum("ij,ij->i", across, normals[triangles.reshape(-1, 3)[:, 0]]).mean() > 0
        assert np.einsum("ij,ij->i", across, corners.mean(axis=1)).sum() > 0  # outwards: the volume is positive
        is_clear = material["pbrMetallicRoughness"]["baseColorFactor"][3] < 1
        assert is_clear == (material["alphaMode"] == "BLEND") == (name in ("label", "prediction"))
    red, green, blue, _ = meshes[2][1]["pbrMetallicRoughness"]["baseColorFactor"]
    assert (red, green, blue) == pytest.approx((0.665, 0.112, 0), abs=1e-3)


def test_scenes_of_nothing_and_of_skeletons(tmp_path):
    nothing = np.zeros((4, 5, 6), bool)
    render_critical(nothing, nothing, size=(20, 20), path=str(tmp_path / "scene.glb"))
    scene, meshes = read_glb(tmp_path / "scene.glb")
    assert (scene["scenes"], meshes) == ([{}], [])
    render_skeleton(bars()[1], radius=1, size=(20, 20), path=tmp_path / "scene.GLB", up=0)
    scene, meshes = read_glb(tmp_path / "scene.GLB")
    assert [name for name, *_ in meshes] == ["label", "tube", "skeleton"]
    points = meshes[2][2]
    assert points[:, 1].min() > 0  # along axis 0, which is up
    assert np.ptp(points[:, 1]) > 25

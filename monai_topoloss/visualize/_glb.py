"""Scenes as binary glTF: one file with meshes and colours, which viewers and modellers open."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_topoloss.visualize._draw import Colour
from monai_topoloss.visualize._surfaces import Part

_MAGIC, _VERSION, _JSON, _BINARY = b"glTF", 2, b"JSON", b"BIN\0"
_FLOAT, _UINT32 = 5126, 5125
_VERTICES, _INDICES = 34962, 34963


def write_glb(path: Path, parts: Sequence[Part], upright: NDArray[np.float64]) -> None:
    """Write parts with their names; the third of the upright axes becomes y, which is up in glTF."""
    turn = np.stack([upright[0], upright[2], -upright[1]])
    scene: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "monai_topoloss"},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(parts)))}],
        "nodes": [{"mesh": number, "name": part.name} for number, part in enumerate(parts)],
    }
    tables: dict[str, list[Any]] = {"meshes": [], "materials": [], "accessors": [], "bufferViews": []}
    blob = bytearray()
    for number, part in enumerate(parts):
        vertices = {"POSITION": part.mesh.points, "NORMAL": part.mesh.point_data["Normals"]}
        attributes = {
            name: _append(tables, blob, (array @ turn.T).astype("<f4"), _VERTICES) for name, array in vertices.items()
        }
        indices = _append(tables, blob, part.mesh.faces.reshape(-1, 4)[:, 1:].astype("<u4").reshape(-1, 1), _INDICES)
        primitive = {"attributes": attributes, "indices": indices, "material": number}
        tables["meshes"].append({"name": part.name, "primitives": [primitive]})
        tables["materials"].append(_material(part))
    if parts:  # lists may not be empty
        scene.update(tables, buffers=[{"byteLength": len(blob)}])
    else:
        scene.update(scenes=[{}])
        del scene["nodes"]
    text = json.dumps(scene, separators=(",", ":")).encode()
    chunks = _chunk(_JSON, text, b" ") + (_chunk(_BINARY, bytes(blob), b"\0") if blob else b"")
    path.write_bytes(struct.pack("<4sII", _MAGIC, _VERSION, 12 + len(chunks)) + chunks)


def _append(tables: dict[str, list[Any]], blob: bytearray, array: NDArray[Any], target: int) -> int:
    """Append an array of rows, all of whose items have four bytes, and return its number."""
    tables["bufferViews"].append(
        {"buffer": 0, "byteOffset": len(blob), "byteLength": array.nbytes, "target": target},
    )
    accessor: dict[str, Any] = {
        "bufferView": len(tables["bufferViews"]) - 1,
        "componentType": _UINT32 if target == _INDICES else _FLOAT,
        "count": len(array),
        "type": "SCALAR" if target == _INDICES else "VEC3",
        "min": array.min(axis=0).tolist(),
        "max": array.max(axis=0).tolist(),
    }
    tables["accessors"].append(accessor)
    blob += array.tobytes()
    return len(tables["accessors"]) - 1


def _material(part: Part) -> dict[str, Any]:
    """Return a colour without gloss, seen from both sides."""
    return {
        "name": part.name,
        "pbrMetallicRoughness": {
            "baseColorFactor": [*_linear(part.colour), part.opacity],
            "metallicFactor": 0,
            "roughnessFactor": 0.9,
        },
        "alphaMode": "BLEND" if part.opacity < 1 else "OPAQUE",
        "doubleSided": True,
    }


def _linear(colour: Colour) -> list[float]:
    """Return amounts of light, which glTF holds, of an sRGB colour."""
    shares = (channel / 255 for channel in colour)
    return [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]


def _chunk(kind: bytes, content: bytes, padding: bytes) -> bytes:
    """Return a chunk of a multiple of four bytes."""
    content += padding * (-len(content) % 4)
    return struct.pack("<I4s", len(content), kind) + content

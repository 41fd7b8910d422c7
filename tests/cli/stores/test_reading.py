from __future__ import annotations

import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler

import nibabel as nib
import numpy as np
import pytest
import zarr

from monai_topoloss.cli.places import Url
from monai_topoloss.cli.stores.reading import choose_blocks, read_store
from tests.cli.stores.stores import change, save_array, save_ome

LABEL = np.random.default_rng(0).integers(0, 5, (6, 8, 10), dtype=np.uint16)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("shape", [(6, 8, 10), (8, 10)])
def test_array_as_it_is(tmp_path, zarr_format, shape):
    label = LABEL[-shape[0] :] if len(shape) == 3 else LABEL[0]
    save_array(tmp_path / "a.zarr", label, (3, 4, 4)[-len(shape) :], zarr_format)
    found = read_store(tmp_path / "a.zarr")
    np.testing.assert_array_equal(found.array.compute(), label)
    assert found.array.dtype == np.uint16
    assert (found.ome, found.spacing, found.zarr_format) == (None, None, zarr_format)


def test_array_within_a_group(tmp_path):
    zarr.create_group(str(tmp_path / "a.zarr"))
    save_array(tmp_path / "a.zarr" / "inside", LABEL, (3, 4, 4))
    np.testing.assert_array_equal(read_store(tmp_path / "a.zarr" / "inside").array.compute(), LABEL)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["zyx", "xyz", "yxz", "zxy", "yzx", "tczyx", "czyx"])
def test_axes_by_name(tmp_path, version, axes):
    label = LABEL[(None,) * (len(axes) - 3)]
    scale = [9.0] * (len(axes) - 3) + [0.5, 2.0, 4.0]
    save_ome(tmp_path / "a.zarr", label, (1,) * (len(axes) - 3) + (3, 4, 4), axes, version, scale)
    found = read_store(tmp_path / "a.zarr")
    order = [axes[-3:].index(name) for name in "xyz"]
    np.testing.assert_array_equal(found.array.compute(), LABEL.transpose(order))
    assert found.spacing == tuple(scale[-3:][k] for k in order)
    assert found.ome.version == version
    assert found.place == tmp_path / "a.zarr" / "full"


def test_image_with_named_axes(tmp_path):
    save_ome(tmp_path / "a.zarr", LABEL[0], (4, 4), "yx", scale=[2.0, 3.0])
    found = read_store(tmp_path / "a.zarr")
    np.testing.assert_array_equal(found.array.compute(), LABEL[0].T)
    assert found.spacing == (3.0, 2.0)


def test_scale_and_translation_of_level_and_of_the_whole(tmp_path):
    whole = [{"type": "scale", "scale": [10.0, 10.0, 10.0]}, {"type": "translation", "translation": [0.0, 0.0, 7.0]}]
    save_ome(tmp_path / "a.zarr", LABEL, (3, 4, 4), scale=[1.0, 2.0, 3.0], translation=[1.0, 1.0, 1.0], whole=whole)
    ome = read_store(tmp_path / "a.zarr").ome
    assert (ome.scale, ome.translation) == ([10.0, 20.0, 30.0], [10.0, 10.0, 17.0])


def test_names_of_axes_as_older_versions_have_them(tmp_path):
    group = save_ome(tmp_path / "a.zarr", LABEL, (3, 4, 4), version="0.4")
    change(group, lambda attributes: attributes["multiscales"][0].update(axes=["z", "y", "x"]))
    np.testing.assert_array_equal(read_store(tmp_path / "a.zarr").array.compute(), LABEL.T)
    group = save_ome(tmp_path / "b.zarr", LABEL[None, None], (1, 1, 3, 4, 4), "tczyx", version="0.4")
    change(group, lambda attributes: attributes["multiscales"][0].pop("axes"))
    np.testing.assert_array_equal(read_store(tmp_path / "b.zarr").array.compute(), LABEL.T)


def test_shards_are_read_whole(tmp_path):
    save_array(tmp_path / "a.zarr", np.zeros((64, 64, 64), np.uint8), (8, 8, 8), shards=(32, 32, 32))
    found = read_store(tmp_path / "a.zarr", side=16)
    assert found.array.chunksize == (32, 32, 32)
    assert (found.chunks, found.shards) == ((8, 8, 8), (32, 32, 32))


def test_file_beside_a_store(tmp_path):
    nib.save(nib.Nifti1Image(LABEL, np.diag([1.0, 2, 3, 1])), tmp_path / "a.nii.gz")
    found = read_store(tmp_path / "a.nii.gz", blocks=(4, 4, 4))
    np.testing.assert_array_equal(found.array.compute(), LABEL)
    assert found.spacing == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("shape", "chunks", "side", "expected"),
    [
        ((2000, 2000, 2000), (64, 64, 64), None, (256, 256, 256)),
        ((2000, 2000, 2000), (512, 512, 512), None, (512, 512, 512)),
        ((4000, 4000, 300), (4000, 4000, 1), 256, (4000, 4000, 2)),
        ((9, 9), (4, 4), 100, (9, 9)),
        ((9000, 9000), (1000, 1000), None, (5000, 4000)),
        ((0, 5), (1, 1), None, (1, 5)),
    ],
)
def test_blocks_are_stored_chunks_put_together(shape, chunks, side, expected):
    assert choose_blocks(shape, chunks, side) == expected


def missing_level(group):
    change(group, lambda attributes: attributes["multiscales"][0]["datasets"][0].update(path="s0"))


def no_level(group):
    change(group, lambda attributes: attributes["multiscales"][0].update(datasets=[]))


def other_axes(group):
    change(group, lambda attributes: attributes["multiscales"][0].update(axes=["z", "depth", "x"]))


def too_few_axes(group):
    change(group, lambda attributes: attributes["multiscales"][0].update(axes=["y", "x"]))


def no_metadata(group):
    change(group, lambda attributes: attributes.pop("multiscales"))


def labels_only(group):
    change(group, lambda attributes: (attributes.pop("multiscales"), attributes.update(labels=["vessels", "bones"])))


BROKEN = (
    {"axes": [None, "y", "x"]},
    {"axes": 3},
    {"datasets": [{"path": "full", "coordinateTransformations": 5}]},
    {"datasets": [{"path": "full", "coordinateTransformations": ["scale"]}]},
    {"datasets": [{"path": "full", "coordinateTransformations": [{"type": "scale", "scale": [None, 1, 1]}]}]},
    {"coordinateTransformations": [{"type": "scale", "scale": [[1], 1, 1]}]},
)


def broken(**metadata):
    return lambda group: change(group, lambda attributes: attributes["multiscales"][0].update(metadata))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing_level, "level 0 is missing: its metadata of OME-Zarr say that it is 's0'"),
        (no_level, "its metadata of OME-Zarr name no level"),
        (other_axes, "expected axes called x, y and z, got z depth x"),
        (too_few_axes, r"its axes are called y x, but its shape is \(6, 8, 10\)"),
        (no_metadata, "got a group without metadata of one; it holds full: add one to the path"),
        (labels_only, "it holds vessels, bones: add one to the path"),
        *((broken(**metadata), "its metadata of OME-Zarr ") for metadata in BROKEN),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, spoil, message):
    spoil(save_ome(tmp_path / "a.zarr", LABEL, (3, 4, 4), version="0.4"))
    with pytest.raises(ValueError, match=message):
        read_store(tmp_path / "a.zarr")


def test_channels_are_refused(tmp_path):
    save_ome(tmp_path / "a.zarr", np.stack([LABEL, LABEL]), (1, 3, 4, 4), "czyx")
    with pytest.raises(ValueError, match=r"got axes c z y x of shape \(2, 6, 8, 10\): 2 of c; save"):
        read_store(tmp_path / "a.zarr")


def test_other_ranks_and_types_are_refused(tmp_path):
    save_array(tmp_path / "a.zarr", LABEL[None], (1, 3, 4, 4))
    with pytest.raises(ValueError, match=r"expected an image or a volume, got an array of shape \(1, 6, 8, 10\)"):
        read_store(tmp_path / "a.zarr")
    save_array(tmp_path / "b.zarr", LABEL.astype(complex), (3, 4, 4))
    with pytest.raises(ValueError, match="expected numbers, got complex128"):
        read_store(tmp_path / "b.zarr")


def test_what_is_no_store_is_refused(tmp_path):
    with pytest.raises(ValueError, match="it cannot be opened as Zarr: "):
        read_store(tmp_path / "nothing.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(ValueError, match="it cannot be opened as Zarr: "):
        read_store(tmp_path / "empty.zarr")
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr" / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match="it cannot be opened as Zarr: "):
        read_store(tmp_path / "broken.zarr")


class Broken(BaseHTTPRequestHandler):
    """A server that has the metadata of a store, but fails when chunks are asked for."""

    def __init__(self, *arguments, folder):
        self.folder = folder
        super().__init__(*arguments)

    def do_GET(self):
        path = self.folder / self.path.lstrip("/")
        fails = "/c/" in self.path
        self.send_response(500 if fails else 200 if path.is_file() else 404)
        self.end_headers()
        if path.is_file() and not fails:
            self.wfile.write(path.read_bytes())

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """Serve a folder; return its address."""
    servers = []

    def start(handler):
        servers.append(HTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_store_with_an_address(tmp_path, serve):
    save_ome(tmp_path / "a.zarr", LABEL, (3, 4, 4))
    found = read_store(Url(serve(partial(Quiet, directory=str(tmp_path))) + "/a.zarr"))
    np.testing.assert_array_equal(found.array.compute(), LABEL.T)


def test_store_with_an_address_that_fails(tmp_path, serve):
    save_array(tmp_path / "a.zarr", LABEL, (3, 4, 4))
    address = serve(partial(Broken, folder=tmp_path))
    found = read_store(Url(address + "/a.zarr"))
    with pytest.raises(Exception, match="500"):
        found.array.compute()
    with pytest.raises(ValueError, match="it cannot be opened as Zarr: "):
        read_store(Url(address + "/nothing.zarr"))
    with pytest.raises(ValueError, match="it cannot be opened as Zarr: Protocol not known: other"):
        read_store(Url("other://a.zarr"))

"""The MONAI Bundle: its metadata, its network, and its three programs."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

BUNDLE = Path(__file__).parents[2] / "tutorials" / "bundle"

# What MONAI's schema demands, which `verify_metadata` would fetch.
TENSOR = {
    "type": "object",
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
    "properties": {
        "num_channels": {"type": "integer"},
        "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}},
        "value_range": {"type": "array", "items": {"type": "number"}},
        "is_patch_data": {"type": "boolean"},
        "channel_def": {"type": "object"},
    },
}
TEXTS = (
    *("schema", "version", "monai_version", "pytorch_version", "numpy_version", "task", "description", "authors"),
    *("copyright", "data_source", "data_type", "image_classes", "label_classes", "pred_classes", "intended_use"),
)
TENSORS = {"type": "object", "additionalProperties": TENSOR, "minProperties": 1}
SCHEMA = {
    "type": "object",
    "required": [*TEXTS[:9], "required_packages_version", "network_data_format"],
    "properties": {
        **{name: {"type": "string"} for name in TEXTS},
        "changelog": {"type": "object"},
        "required_packages_version": {"type": "object"},
        "references": {"type": "array", "items": {"type": "string"}},
        "network_data_format": {
            "type": "object",
            "required": ["inputs", "outputs"],
            "properties": {"inputs": TENSORS, "outputs": TENSORS},
        },
    },
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return Path(shutil.copytree(BUNDLE, tmp_path_factory.mktemp("bundle") / "vessels"))


def run(bundle, verb, **options):
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", verb]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    result = subprocess.run(command, cwd=bundle, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


@pytest.mark.slow
def test_metadata(bundle):
    (bundle / "schema.json").write_text(json.dumps(SCHEMA))  # there already, so that nothing is fetched
    output = run(bundle, "verify_metadata", meta_file="configs/metadata.json", filepath="schema.json")
    assert "metadata is verified with no error" in output


@pytest.mark.slow
def test_network(bundle):
    options = {"meta_file": "configs/metadata.json", "config_file": "configs/train.yaml", "bundle_root": "."}
    output = run(bundle, "verify_net_in_out", net_id="network_def", **options)
    assert "data shape of network is verified with no error" in output


@pytest.mark.slow
def test_train_evaluate_and_predict(bundle):
    sizes = {"bundle_root": ".", "num_cases": 8, "device": "$torch.device('cpu')"}
    run(bundle, "run", config_file="configs/train.yaml", max_epochs=2, **{"loss#lambda_recall": 0.5}, **sizes)
    weights = torch.load(bundle / "models" / "model.pt")
    assert all(isinstance(weight, torch.Tensor) for weight in weights.values())

    run(bundle, "run", config_file="['configs/train.yaml','configs/evaluate.yaml']", **sizes)
    with (bundle / "eval" / "cldice_raw.csv").open() as file:
        assert len(list(csv.reader(file))) == 1 + 4
    names = [line.split(",")[0] for line in (bundle / "eval" / "metrics.csv").read_text().splitlines()]
    assert sorted(names) == ["betti_error", "cldice", "critical_error", "dice"]
    with Image.open(bundle / "eval" / "figures" / "critical_0001.png") as figure:
        assert figure.width > 100

    run(bundle, "run", config_file="['configs/train.yaml','configs/inference.yaml']", **sizes)
    with Image.open(bundle / "eval" / "0_pred.png") as prediction:
        assert prediction.size == (192, 192)
        assert set(prediction.tobytes()) <= {0, 255}


@pytest.mark.slow
def test_instances(bundle):
    sizes = {"bundle_root": ".", "num_cases": 8, "device": "$torch.device('cpu')", "ckpt_dir": "instances"}
    configs = "['configs/train.yaml','configs/instances.yaml']"
    output = run(bundle, "run", config_file=configs, max_epochs=2, output_dir="of_instances", **sizes)
    assert "train_merges" in output
    evaluate = configs.replace("]", ",'configs/evaluate.yaml']")
    run(bundle, "run", config_file=evaluate, output_dir="of_instances", **sizes)
    names = [line.split(",")[0] for line in (bundle / "of_instances" / "metrics.csv").read_text().splitlines()]
    assert sorted(names) == ["f1", "nerl", "voi"]
    with Image.open(bundle / "of_instances" / "figures" / "critical_0001.png") as figure:
        assert figure.width > 100


@pytest.mark.slow
def test_on_files(bundle, real_data):
    options = {"bundle_root": ".", "data_dir": (real_data / "topomortar").resolve(), "ckpt_dir": "files"}
    options["train_datalist"] = "$topomortar_datalist(@data_dir, 'training')[:4]"
    options["val_datalist"] = "$topomortar_datalist(@data_dir, 'validation')[:1]"
    output = run(bundle, "run", config_file="configs/train.yaml", max_epochs=1, **options)
    assert "cldice" in output
    assert (bundle / "files" / "model.pt").is_file()

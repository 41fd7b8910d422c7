from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
import yaml
from monai.losses import DiceCELoss, SoftclDiceLoss
from monai.transforms import RandAdjustContrastd, RandScaleIntensityd
from PIL import Image
from scipy import ndimage, stats
from skimage import metrics

from monai_topoloss import (
    NeighborPenalty,
    SkeletonPrecisionLoss,
    SkeletonRecallLoss,
    SoftCenterlineDiceLoss,
    SupervoxelLoss,
)
from monai_topoloss.datasets import synthetic_vessels
from tests.benchmarks.scripts import command, imported

FOLDER = Path(__file__).parents[2] / "benchmarks" / "segmentation"
ARMS = tuple(path.stem for path in sorted((FOLDER / "arms").glob("*.yaml")))
SMALL = {"steps": 6, "steps_per_epoch": 2, "patch_size": [32, 32], "batch_size": 2, "channels": [4, 8, 8, 8]}

pytestmark = pytest.mark.filterwarnings("ignore")  # of MONAI's and PyTorch's loading, training and metrics


@pytest.fixture(scope="module")
def code():
    names = ("memory", "training", "data", "train", "run", "report", "cost", "pictures", "mistakes", "gradients")
    with imported(FOLDER, names) as scripts:
        yield scripts


def write_data(root, spatial_size):
    seed = 0
    for section in ("train", "val", "test"):
        folders = [root / "topomortar" / "dataset" / section / kind for kind in ("images", "accurate")]
        for folder in folders:
            folder.mkdir(parents=True)
        for _ in range(3):
            seed += 1
            image, label = synthetic_vessels(spatial_size, seed=seed)
            grey = (255 * np.clip(image[0], 0, 1)).astype(np.uint8)
            Image.fromarray(np.stack([grey] * 3, axis=-1)).save(folders[0] / f"{seed:03d}.png")
            Image.fromarray(label[0] * 255).save(folders[1] / f"{seed:03d}.png")
    for folder in folders:  # a test image of another group
        shutil.copy(folder / "009.png", folder / "010.png")
    groups = "".join(f"{number:03d},{'indistr' if number < 10 else 'angles'}\n" for number in range(1, 11))
    (root / "topomortar" / "dataset" / "dataset_types.txt").write_text(f"ID,group\n{groups}")
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"), (64, 48))


@pytest.fixture
def make_run(code, root):
    def make(arm, seed=0):
        parser = code["train"].read_arm(arm, SMALL)
        dataset = code["train"].make_training_set("topomortar", root, parser)
        return code["train"].Run(parser, seed, dataset, torch.device("cpu"))

    return make


def assert_equal_weights(first, second):
    torch.testing.assert_close(first.network.state_dict(), second.network.state_dict(), rtol=0, atol=0)


def test_there_is_a_file_for_each_arm(code):
    assert sorted(code["train"].ARMS) == sorted(ARMS)
    titles = [code["train"].read_arm(arm).get("title") for arm in ARMS]
    assert len(set(titles)) == len(ARMS)


@pytest.mark.parametrize("arm", ARMS)
def test_configuration_for_a_gpu(code, arm):
    parser = code["train"].read_arm(arm, {}, FOLDER / "full.yaml")
    network = parser.get_parsed_content("network")
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 2, 32, 32)
    assert sum(parameter.numel() for parameter in network.parameters()) > 5e6
    assert parser.get_parsed_content("epochs") == 50


@pytest.mark.parametrize("arm", ["dice_ce", "recall_supervoxel"])
def test_a_killed_run_continues_to_the_same_weights(make_run, tmp_path, arm):
    whole = make_run(arm)
    whole.train()
    killed = make_run(arm)
    steps = []

    def step(batch):
        steps.append(batch)
        if len(steps) == 4:  # in the middle of the second epoch
            raise KeyboardInterrupt
        return type(killed).step(killed, batch)

    killed.step = step
    with pytest.raises(KeyboardInterrupt):
        killed.train(tmp_path / "checkpoint.pt")
    resumed = make_run(arm)
    resumed.train(tmp_path / "checkpoint.pt")
    assert resumed.epoch == whole.epoch == 3
    assert_equal_weights(resumed, whole)


def test_seeds_decide(make_run):
    first, same, other = make_run("recall_1"), make_run("recall_1"), make_run("recall_1", seed=1)
    for run in (first, same, other):
        run.train_epoch()
    assert_equal_weights(first, same)
    with pytest.raises(AssertionError):
        assert_equal_weights(first, other)


def test_image_label_and_skeleton_are_turned_together(code, root):
    transform = code["data"].augment("topomortar", [32, 32])
    transform.transforms = [
        each for each in transform.transforms if not isinstance(each, (RandAdjustContrastd, RandScaleIntensityd))
    ]
    cases = code["data"].list_cases("topomortar", root, "training")
    transform.set_random_state(0)
    patches = [transform({**case, "image": case["label"]}) for case in cases * 10]
    agreement = [np.corrcoef(patch["image"].flatten(), patch["label"].flatten())[0, 1] for patch in patches]
    assert min(agreement) > 0.95  # up to the noise
    corners = [patch["label"][0, :16, :16].sum() for patch in patches]
    assert len({int(corner) for corner in corners}) > 10


def test_patches_are_those_of_the_image_label_and_skeleton(make_run):
    for batch in make_run("dice_ce").load_epoch():
        assert batch["image"].shape == (2, 3, 32, 32)
        assert batch["label"].shape == batch["skeleton_label"].shape == (2, 1, 32, 32)
        assert set(batch["label"].unique().tolist()) <= {0, 1}
        assert ((batch["skeleton_label"] == 0) | (batch["skeleton_label"] == batch["label"])).all()
        assert batch["skeleton_label"].any()


@pytest.mark.parametrize("name", ["trees_3d", "vesselexpress_patch"])
def test_volumes_are_trained_on_and_measured(code, name, tmp_path, monkeypatch, request):
    root = request.getfixturevalue("real_data") if name == "vesselexpress_patch" else tmp_path
    config = tmp_path / "small.yaml"
    config.write_text(
        yaml.safe_dump({"steps": 2, "steps_per_epoch": 1, "patch_size": [16] * 3, "channels": [4, 4, 4, 4]})
    )
    arguments = ["--root", root, "--data", name, "--arms", "dice_ce", "recall_cldice", "--seeds", "0", "--cases", "1"]
    arguments += ["--results", tmp_path / "results", "--work", tmp_path / "work", "--config", config, "--device", "cpu"]
    command(code["run"], monkeypatch, *arguments)
    for arm in ("dice_ce", "recall_cldice"):
        rows = (tmp_path / "results" / name / arm / "0_test.csv").read_text().splitlines()
        assert len(rows) == 2
        (path,) = (tmp_path / "work" / name / arm / "0_test").glob("*.npz")
        assert set(np.unique(np.load(path)["mask"])) <= {0, 1}
    command(code["report"], monkeypatch, "--results", tmp_path / "results")
    assert "Dice + CE + Skeleton Recall + soft clDice" in (tmp_path / "results" / f"{name}.md").read_text()


def test_sections_of_a_volume_do_not_overlap(code, real_data):
    cases = {
        section: code["data"].list_cases("vesselexpress_patch", real_data, section)
        for section in ("training", "validation", "test")
    }
    shapes = {section: [case["label"].shape for case in each] for section, each in cases.items()}
    assert shapes == {
        "training": [(1, 100, 100, 50)],
        "validation": [(1, 100, 100, 15)],
        "test": [(1, 50, 50, 35)] * 4,
    }
    (path,) = (real_data / "vesselexpress_patch" / "labels").iterdir()
    whole = np.asarray(nibabel.load(path).dataobj)
    assert sum(case["label"].sum() for each in cases.values() for case in each) == whole.sum()
    np.testing.assert_array_equal(cases["test"][1]["label"][0], whole[:50, 50:, 65:])


@pytest.mark.parametrize("arm", ARMS)
def test_losses_are_what_the_titles_say(make_run, arm):
    run = make_run(arm)
    run.set_weights(run.epochs)
    batch = next(iter(run.load_epoch()))
    label, skeleton = batch["label"], batch["skeleton_label"]
    logits = torch.randn(2, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    found = run.loss(logits, (label, skeleton) if run.uses_skeleton else label)
    get = run.parser.get_parsed_content
    lambda_ce = {"dice_ce_0.5": 0.5, "dice_ce_0.02": 0.02}.get(arm, 1)
    dice_ce = DiceCELoss(softmax=True, to_onehot_y=True, lambda_ce=lambda_ce)
    expected = (NeighborPenalty(dice_ce) if "penalty" in arm else dice_ce)(logits, label)
    if "cldice" in arm:
        cldice = SoftclDiceLoss(get("iterations"), include_background=False, softmax=True, to_onehot_y=True)
        if beta := {"recall_cldice_beta": 0.5, "recall_2_cldice_3": 0.5, "recall_cldice_3_beta_0.7": 0.7}.get(arm):
            cldice = SoftCenterlineDiceLoss(
                get("iterations"), include_background=False, softmax=True, to_onehot_y=True, beta=beta
            )
        expected = expected + get("lambda_cldice") * cldice(logits, label)
    if "precision" in arm:
        precision = SkeletonPrecisionLoss(softmax=True, to_onehot_y=True, thresholds=get("thresholds"))
        expected = expected + get("lambda_precision") * precision(logits, label)
    if "recall" in arm:
        recall = SkeletonRecallLoss(softmax=True, to_onehot_y=True)(logits, (label, skeleton))
        expected = expected + get("lambda_recall") * recall
    if arm == "supervoxel_added":
        expected = expected + 20 * SupervoxelLoss(to_onehot_y=True, softmax=True, alpha=1, beta=0.5)(logits, label)
    elif "supervoxel" in arm:  # instead of the cross entropy
        cross_entropy = torch.nn.functional.cross_entropy(logits, label[:, 0].long())
        supervoxel = SupervoxelLoss(to_onehot_y=True, softmax=True, alpha=get("alpha"), beta=get("beta"))(logits, label)
        assert abs(supervoxel - cross_entropy) > 1e-3
        expected = expected + supervoxel - cross_entropy
    torch.testing.assert_close(found, expected)


RIVAL = """
import sys
sys.path[:0] = {folders!r}
import torch
from monai.losses import DiceCELoss
from train import read_arm

label = torch.zeros(2, 1, 32, 32)
label[..., 8:11, :] = label[..., :, 20:22] = 1
logits = torch.randn(2, 2, 32, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)
plain = DiceCELoss(softmax=True, to_onehot_y=True)(logits, label)
added = read_arm({arm!r}).get_parsed_content("loss")(logits, label) - plain
assert added > 0
(gradient,) = torch.autograd.grad(added, logits)
assert gradient.any()
"""


@pytest.mark.parametrize("arm", ["betti_matching", "topograph"])
def test_rivals_are_added_to_dice_and_cross_entropy(arm):
    """In a process of its own: after topolosses, another backward pass on several threads may never end."""
    pytest.importorskip("topolosses")
    code = RIVAL.format(folders=[str(FOLDER), str(FOLDER.parent)], arm=arm)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        check=False, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arm", ["dice_ce_0.02", "supervoxel_0.5", "supervoxel_strong", "supervoxel_added"])
def test_scheduled_losses_start_later(make_run, arm):
    run = make_run(arm)
    batch = next(iter(run.load_epoch()))
    target = (batch["label"], batch["skeleton_label"]) if run.uses_skeleton else batch["label"]
    logits = torch.randn(2, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    values = []
    for epoch in range(1, run.epochs + 1):
        run.set_weights(epoch)
        values.append(float(run.loss(logits, target)))
    assert len(values) == 3
    assert values[0] != values[1] == values[2]
    if not run.uses_skeleton:
        assert values[0] == pytest.approx(float(DiceCELoss(softmax=True, to_onehot_y=True)(logits, target)))


def test_run_then_report_then_nothing_left_to_do(code, root, tmp_path, monkeypatch, capsys):
    arguments = ["--root", root, "--arms", "dice_ce", "recall_1", "--seeds", "0", "1", "--device", "cpu"]
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump(SMALL))
    arguments += ["--results", tmp_path / "results", "--work", tmp_path / "work", "--config", config]
    command(code["run"], monkeypatch, *arguments)
    assert capsys.readouterr().out.count("seed") == 4
    folders = sorted((tmp_path / "results" / "topomortar").iterdir())
    assert [folder.name for folder in folders] == ["dice_ce", "recall_1"]
    for folder in folders:
        assert sorted(path.name for path in folder.iterdir()) == [
            "0_test.csv", "0_validation.csv", "1_test.csv", "1_validation.csv", "config.yaml"
        ]  # fmt: skip
        with (folder / "0_test.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["case"] for row in rows] == ["007", "008", "009"]
        with Image.open(tmp_path / "work" / "topomortar" / folder.name / "0_test" / "007.png") as mask:
            assert mask.size == (48, 64)  # width, height: as the photograph
    command(code["report"], monkeypatch, "--results", tmp_path / "results")
    table = (tmp_path / "results" / "topomortar.md").read_text()
    assert table in capsys.readouterr().out
    assert "| Dice + CE + Skeleton Recall (weight 1) | 2 |" in table
    with Image.open(tmp_path / "results" / "topomortar.png") as figure:
        assert figure.width > figure.height > 100
    arguments_of_pictures = ["--root", root, "--arm", "recall_1", "--work", tmp_path / "work", "--results", tmp_path]
    command(code["pictures"], monkeypatch, *arguments_of_pictures)
    assert capsys.readouterr().out.startswith("repaired splits: ")
    with Image.open(tmp_path / "topomortar_recall_1.png") as figure:
        assert figure.width > figure.height > 100
    command(code["pictures"], monkeypatch, *arguments_of_pictures, "--section", "validation")
    assert capsys.readouterr().out.startswith("repaired splits: ")
    assert (tmp_path / "topomortar_validation_recall_1.png").is_file()
    nothing = ["--root", root, "--work", tmp_path / "none", "--results", tmp_path]
    with pytest.raises(SystemExit, match="Expected predictions in"):
        command(code["mistakes"], monkeypatch, *nothing)
    assert not (tmp_path / "topomortar_mistakes.csv").exists()
    options = ["--root", root, "--work", tmp_path / "work", "--results", tmp_path]
    command(code["mistakes"], monkeypatch, *options)
    capsys.readouterr()
    with (tmp_path / "topomortar_mistakes.csv").open() as file:
        assert [(row["arm"], row["images"]) for row in csv.DictReader(file)] == [("dice_ce", "6"), ("recall_1", "6")]
    command(code["gradients"], monkeypatch, *options, "--config", config, "--batches", "2")
    capsys.readouterr()
    with (tmp_path / "topomortar_gradients.csv").open() as file:
        header, shares, *rows = csv.reader(file)
    assert header == ["part", "splits", "merges", "other wrong", "right"]
    assert sum(map(float, shares[1:])) == pytest.approx(1, abs=0.01)
    assert [row[0] for row in rows[:2]] == ["Dice", "CE"]
    monkeypatch.setattr(code["run"], "Run", None)  # would fail if one were to be made
    command(code["run"], monkeypatch, *arguments)
    assert capsys.readouterr().out.splitlines() == [
        f"{arm} seed {seed}: there already" for seed in (0, 1) for arm in ("dice_ce", "recall_1")
    ]


def test_other_configurations_do_not_share_a_folder(code, root, tmp_path, monkeypatch):
    values = ["--set", *(f"{key}={value}".replace(" ", "") for key, value in SMALL.items())]
    shared = ["--root", root, "--arms", "dice_ce", "--seeds", "0", "--device", "cpu", "--cases", "2"]
    first = [*shared, "--results", tmp_path / "results", "--work", tmp_path / "work"]
    command(code["run"], monkeypatch, *first, *values)
    command(code["run"], monkeypatch, *first, *values)
    other = tmp_path / "other.yaml"
    other.write_text("learning_rate: 0.1\nbatch_size: 2\n")
    with pytest.raises(SystemExit, match=r"results.* has runs with other learning_rate;"):
        command(code["run"], monkeypatch, *first, "--config", other, *values)
    with pytest.raises(SystemExit, match=r"results.* has runs with other cases;"):
        command(code["run"], monkeypatch, *first, "--cases", "3", *values)
    fresh = ["--results", tmp_path / "fresh", "--work", tmp_path / "work", "--cases", "3"]  # would take its checkpoint
    with pytest.raises(SystemExit, match=r"work.* has runs with other cases;"):
        command(code["run"], monkeypatch, *shared, *fresh, *values)


def test_runs_of_an_unknown_configuration_are_left_alone(code, root, tmp_path, monkeypatch):
    folder = tmp_path / "work" / "topomortar" / "dice_ce"
    folder.mkdir(parents=True)
    (folder / "0.pt").touch()
    arguments = ["--root", root, "--arms", "dice_ce", "--device", "cpu", "--results", tmp_path / "results"]
    with pytest.raises(SystemExit, match=r"work.* has runs of an unknown configuration"):
        command(code["run"], monkeypatch, *arguments, "--work", tmp_path / "work")


def test_settings_that_an_arm_lacks_are_refused(code, tmp_path):
    with pytest.raises(ValueError, match=r"supervoxel_0\.5 has no setting alpah\."):
        code["train"].read_arm("supervoxel_0.5", {"alpah": 0.9})
    config = tmp_path / "config.yaml"
    config.write_text("lambda_recall: 3\n")
    assert code["train"].read_arm("recall_1", config=config).get("lambda_recall") == 3
    with pytest.raises(ValueError, match=r"dice_ce has no setting lambda_recall\."):
        code["train"].read_arm("dice_ce", config=config)


def test_a_broken_checkpoint_is_named(make_run, tmp_path):
    path = tmp_path / "0.pt"
    path.write_bytes(b"half a file")
    with pytest.raises(RuntimeError, match=r"0\.pt; remove it"):
        make_run("dice_ce").train(path)


def test_committed_runs_have_the_configuration_of_today(code):
    results = FOLDER / "results"
    folders = sorted({path.parent for path in results.glob("*/*/*.csv")})
    arms = {folder.name.split(",")[0] for folder in folders}
    assert {"dice_ce", "soft_cldice", "recall_1", "recall_cldice"} <= arms <= {*ARMS, *code["train"].RIVALS}
    for folder in folders:
        assert (folder / "config.yaml").is_file()
        arm, *overrides = folder.name.split(",")
        values = {key: yaml.safe_load(value) for key, value in (override.split("=") for override in overrides)}
        expected = code["training"].describe(code["train"].read_arm(arm, values, name=folder.parent.name), None, "cpu")
        kept = yaml.safe_load((folder / "config.yaml").read_text())
        installation = {"threads", "torch", "monai", "monai-topoloss"}
        assert kept.keys() == expected.keys() > installation
        assert {key: kept[key] for key in kept.keys() - installation} == {
            key: expected[key] for key in kept.keys() - installation
        }


def test_arms_differ_in_nothing_but_the_loss(make_run):
    runs = [make_run(arm) for arm in ARMS]
    epochs = []
    for _ in range(2):
        batches = []
        for run in runs:
            seen = []
            run.step = lambda batch, seen=seen: seen.append(batch) or 0.0
            run.train_epoch()
            assert_equal_weights(run, runs[0])
            batches.append(torch.stack([batch["image"] for batch in seen]))
        assert all(torch.equal(batch, batches[0]) for batch in batches)
        epochs.append(batches[0])
    assert not torch.equal(*epochs)


def test_a_training_learns_with_falling_rate_and_the_schedule_of_its_arm(make_run):
    run = make_run("supervoxel_0.5")
    before = [parameter.clone() for parameter in run.network.parameters()]
    seen = []

    def step(batch):
        seen.append((run.handlers[0].loss.alpha, run.optimizer.param_groups[0]["lr"]))
        return type(run).step(run, batch)

    run.step = step
    run.train()
    alphas, rates = zip(*seen, strict=True)
    assert alphas == (0, 0, 0.5, 0.5, 0.5, 0.5)
    assert rates == pytest.approx(np.repeat(0.002 * (1 - np.arange(3) / 3) ** 0.9, 2))
    moved = [not torch.equal(old, new) for old, new in zip(before, run.network.parameters(), strict=True)]
    assert np.mean(moved) > 0.9


def test_sections_and_groups(code, root, tmp_path):
    cases = {section: code["data"].list_cases("topomortar", root, section) for section in code["data"].SECTIONS}
    names = {section: [(case["case"], case["group"]) for case in found] for section, found in cases.items()}
    assert names == {
        section: [(f"{i:03d}", f"{i:03d}") for i in range(first, first + 3)]
        for section, first in (("training", 1), ("validation", 4), ("test", 7))
    }
    for child in range(1, 15):
        for eye in "LR":
            for end in (".jpg", "_1stHO.png"):
                (tmp_path / "chase_db1").mkdir(exist_ok=True)
                (tmp_path / "chase_db1" / f"Image_{child:02d}{eye}{end}").touch()
    tests = code["data"].list_cases("chase_db1", tmp_path, "test")
    assert [(case["case"], case["group"]) for case in tests[:2]] == [
        ("Image_11L", "Image_11"), ("Image_11R", "Image_11")
    ]  # fmt: skip
    assert len({case["group"] for case in tests}) == 4


class Oracle(torch.nn.Module):
    """Says foreground where the image is bright."""

    def forward(self, image):
        return torch.cat([-image[:, :1], image[:, :1]], dim=1)


def test_predictions_are_kept_as_they_were_measured(code, root, make_run, tmp_path, monkeypatch):
    labels = {case["case"]: case["label"] for case in code["data"].list_cases("topomortar", root, "test")}
    run = make_run("dice_ce")
    run.network = Oracle()
    cases = [
        {"case": case, "group": case, "image": path, "label": path} for case, path in labels.items()
    ]  # the image is the label
    monkeypatch.setattr(code["data"], "list_cases", lambda *_: cases)
    rows = code["train"].evaluate(run, "topomortar", root, "test")
    assert [(row["case"], row["dice"], row["splits"]) for row in rows] == [(case, 1, 0) for case in labels]
    code["run"].write(tmp_path / "0_test.csv", tmp_path / "masks", rows)
    for case, path in labels.items():
        with Image.open(path) as label, Image.open(tmp_path / "masks" / f"{case}.png") as mask:
            expected = np.asarray(label)
            assert not np.array_equal(expected, expected[::-1])
            np.testing.assert_array_equal(np.asarray(mask), expected)


def test_measures_are_those_of_their_names(code):
    label = np.zeros((40, 60), bool)
    label[[3, 9, 15], 2:58] = True
    for left in (5, 25):  # two rings
        label[25:32, left : left + 9] = True
        label[26:31, left + 1 : left + 8] = False
    prediction = label.copy()
    prediction[3, 10:50:10] = False  # four splits
    prediction[10:15, 30] = True  # a merge
    for left in (5, 25):  # both holes closed
        prediction[25:32, left : left + 9] = True
    prediction[9, 2:10] = False  # an end that is no split
    found = code["train"].measure(*(torch.from_numpy(mask)[None, None].float() for mask in (prediction, label)))
    assert (found["splits"], found["merges"], found["betti0"], found["betti1"]) == (4, 1, 8 - 5, 2)
    overlap = (label & prediction).sum()
    assert found["dice"] == pytest.approx(2 * overlap / (label.sum() + prediction.sum()))
    distances = []
    for first, second in ((label, prediction), (prediction, label)):
        edges = [mask & ~ndimage.binary_erosion(mask) for mask in (first, second)]
        distances.append(np.percentile(ndimage.distance_transform_edt(~edges[1])[edges[0]], 95))
    assert distances[0] != distances[1]
    assert found["hd95"] == pytest.approx(max(distances), abs=1e-4)
    objects = [ndimage.label(mask, np.ones((3, 3)))[0] for mask in (label, prediction)]
    inside = [labels[label] for labels in objects]
    inside[1] = np.where(inside[1] == 0, 100 + np.arange(label.sum()), inside[1])  # each pixel that is missing
    together = (inside[0] + 1000 * inside[1], *inside)
    joint, *single = (np.triu(ids == ids[:, None], k=1).sum() for ids in together)  # pairs of pixels
    assert found["are"] == pytest.approx(1 - 2 * joint / sum(single))
    assert found["voi"] == pytest.approx(sum(metrics.variation_of_information(*objects)))
    assert 0.9 < found["cldice"] < 1


def test_a_network_that_finds_nothing_is_far_off(code):
    label = torch.zeros(1, 1, 30, 40)
    label[..., 5, 5:20] = 1
    found = code["train"].measure(torch.zeros_like(label), label)
    assert (found["hd95"], found["dice"]) == (50, 0)
    assert not np.isnan(list(found.values())).any()


def test_measures_of_the_label_itself(code):
    label = torch.from_numpy(synthetic_vessels((64, 64), seed=3)[1])[None].float()
    found = code["train"].measure(label, label)
    assert found == {
        "dice": 1, "cldice": 1, "betti0": 0, "betti1": 0, "splits": 0, "merges": 0, "voi": 0, "are": 0, "hd95": 0
    }  # fmt: skip


def test_permutation_test_is_scipys(code):
    generator = np.random.default_rng(0)
    for count in (2, 4, 8, 12):
        difference = generator.normal(0.5, 1, count)
        expected = stats.permutation_test(
            (difference, np.zeros(count)), lambda x, y, axis: np.mean(x - y, axis), permutation_type="samples",
            vectorized=True, n_resamples=np.inf,
        )  # fmt: skip
        assert code["report"].permutation_test(difference) == pytest.approx(expected.pvalue)
    difference = generator.normal(0.4, 1, 40)
    expected = stats.permutation_test(
        (difference, np.zeros(40)), lambda x, y, axis: np.mean(x - y, axis), permutation_type="samples",
        vectorized=True, n_resamples=20_000, rng=1,
    )  # fmt: skip
    assert code["report"].permutation_test(difference) == pytest.approx(expected.pvalue, abs=0.01)
    assert code["report"].permutation_test(np.zeros(30)) == 1
    assert code["report"].permutation_test(np.ones(50)) == pytest.approx(1 / 10_001)  # never 0
    assert np.isnan(code["report"].permutation_test(np.array([1.0, np.nan])))


@pytest.mark.parametrize("change", [("\n07,", "\n70,"), ("\n07,", "\n08,"), ("\n15,7,", "\n")])
def test_report_refuses_other_images(code, tmp_path, monkeypatch, change):
    for arm in ("dice_ce", "recall_1"):
        write_results(tmp_path / "chase_db1" / arm, (0, 1), lambda _, case: case)
    path = tmp_path / "chase_db1" / "recall_1" / "1_test.csv"
    text = path.read_text().replace("\r", "")
    assert change[0] in text
    path.write_text(text.replace(*change) if change[1] != "\n" else text[: text.index(change[0])])
    with pytest.raises(ValueError, match="recall_1 and dice_ce have other images with seed 1"):
        command(code["report"], monkeypatch, "--results", tmp_path)


def test_report_does_not_hide_what_was_not_measured(code, tmp_path, monkeypatch):
    write_results(tmp_path / "chase_db1" / "dice_ce", (0,), lambda _, case: case)
    write_results(tmp_path / "chase_db1" / "recall_1", (0,), lambda _, case: "nan" if case == 3 else case + 1)
    command(code["report"], monkeypatch, "--results", tmp_path)
    assert (
        "| Dice + CE + Skeleton Recall (weight 1) | 1 | nan | nan | nan | nan |"
        in (tmp_path / "chase_db1.md").read_text()
    )


def test_changes_are_what_one_prediction_breaks_alone(code):
    label = np.zeros((20, 40), bool)
    label[[5, 10, 15]] = True
    theirs, ours = label.copy(), label.copy()
    theirs[5, 10:13] = False  # repaired
    theirs[10, 20:22] = ours[10, 20:24] = False  # broken in both
    ours[15, 30] = False  # new
    label[18], theirs[18], ours[18] = True, True, False  # not repaired: the whole line is lost
    theirs[18, 20] = False
    theirs[6:10, 35] = True  # joins two lines
    ours[2, 2] = True  # invented
    changes = code["pictures"].find_changes(label, theirs, ours)
    assert changes == {
        "repaired splits": [(3, (5, 11))],
        "new splits": [(1, (15, 30))],
        "repaired merges": [(4, (8, 35))],
        "new merges": [(1, (2, 2))],
    }


def test_mistakes_are_told_apart(code):
    label = np.zeros((40, 60), bool)
    label[[5, 10, 15, 20]] = True
    label[30, 40:43] = True
    prediction = label.copy()
    prediction[5, 30] = False  # broken
    prediction[10, 55:57] = False  # a crumb of three pixels remains
    prediction[30] = False  # a lost object
    prediction[15, 50:] = False  # an end: no split
    label[34:40:5, 2:20] = label[34:40, [2, 19]] = prediction[34:40:5, 2:20] = prediction[34:40, [2, 19]] = True
    prediction[36:38, [2, 19]] = False  # a ring in two halves: broken twice
    prediction[6:10, 10] = True  # joins
    prediction[25, 25] = True  # a speck
    prediction[21:24, 5] = True  # a bump: no merge
    found = code["mistakes"].describe(label, prediction)
    assert found == {
        "images": 1, "wrong": 1 + 2 + 3 + 10 + 4 + 1 + 3 + 4, "critical": 1 + 2 + 3 + 4 + 1 + 4,
        "splits": 5, "broken": 3, "crumbs": 1, "lost": 1, "merges": 2, "joining": 1, "specks": 1,
    }  # fmt: skip


def test_gradients_are_those_at_the_foregrounds_logit(code):
    label = torch.zeros(1, 1, 20, 30)
    label[..., 5, :] = label[..., 15, :] = 1
    prediction = label.clone()
    prediction[..., 5, 12] = 0  # a split
    prediction[..., 15, 25:] = 0  # an end
    prediction[..., 6:15, 3] = 1  # a merge
    prediction[..., 16, 5] = 1  # a bump
    logits = torch.cat([torch.zeros_like(label), 2 * prediction - 1], dim=1)  # p is 0.27 or 0.73
    regions = code["gradients"].find_regions(logits, label)
    assert {name: int(mask.sum()) for name, mask in regions.items()} == {
        "splits": 1, "merges": 9, "other wrong": 6, "right": 584
    }  # fmt: skip
    skeleton = label
    found = code["gradients"].find_gradients(logits, label, skeleton)
    p = logits.softmax(dim=1)[:, 1]
    torch.testing.assert_close(found["CE"], p - label[:, 0])
    torch.testing.assert_close(found["0.02 CE"], 0.02 * (p - label[:, 0]))
    critical = regions["splits"] | regions["merges"]
    weight = torch.where(critical, 0.02 + 0.98 * 0.5, 0.02)
    torch.testing.assert_close(found["supervoxel (alpha 0.98, beta 0.5)"], weight * (p - label[:, 0]))
    weight = torch.where(critical, 20 * 0.5, 0)
    torch.testing.assert_close(found["20 supervoxel (alpha 1, beta 0.5)"], weight * (p - label[:, 0]))
    recall = found["Skeleton Recall"]
    assert not recall[label[:, 0] == 0].any()
    inside = -(p * (1 - p))[label[:, 0] == 1] * label.numel() / label.sum()
    torch.testing.assert_close(recall[label[:, 0] == 1], inside)


def write_results(folder, seeds, value):
    folder.mkdir(parents=True)
    names = ("dice", "cldice", "betti0", "betti1", "splits", "merges", "hd95", "voi", "are")
    for seed in seeds:
        rows = [["case", "group", *names]]
        for case in range(16):
            number = value(seed, case)
            rows.append([f"{case:02d}", f"{case // 2}", *([number] * len(names))])
        with (folder / f"{seed}_test.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)


def test_report_pairs_groups_and_averages_seeds(code, tmp_path, monkeypatch):
    results = tmp_path / "chase_db1"
    write_results(results / "dice_ce", (0, 1), lambda seed, case: case + seed)
    write_results(results / "recall_1", (0, 1), lambda seed, case: case + seed + (0.75 if seed else 0.25))
    write_results(results / "recall_0.1", (0, 1), lambda seed, case: case + seed + (-1) ** (case // 2))
    # a third seed that the baseline lacks is shown, not compared
    write_results(results / "dice_ce_0.5", (0, 1), lambda seed, case: case + seed - 0.25)
    write_results(results / "supervoxel_0.5", (0, 1, 2), lambda seed, case: case + seed + 100 * (seed == 2))
    (tmp_path / "chase_db1_cost.csv").write_text(
        "arm,seconds,time_ratio,mebibytes,memory_ratio\n"
        + "".join(f"{arm},1,{ratio},10,{ratio + 1}\n" for ratio, arm in enumerate(code["train"].ARMS, 1))
    )
    command(code["report"], monkeypatch, "--results", tmp_path)
    with (tmp_path / "chase_db1_tests.csv").open() as file:
        rows = list(csv.DictReader(file))
    tests = {(row["arm"], row["metric"]): row for row in rows if row["baseline"] == "dice_ce"}
    assert float(tests["recall_1", "splits"]["difference"]) == pytest.approx(0.5)
    assert tests["recall_1", "splits"]["differences_by_seed"] == "0.25 0.75"
    assert float(tests["recall_1", "splits"]["p"]) == pytest.approx(2 / 2**8)  # eight groups, not sixteen cases
    assert float(tests["recall_0.1", "splits"]["p"]) == 1
    assert float(tests["supervoxel_0.5", "splits"]["p"]) == 1
    (control,) = (row for row in rows if row["baseline"] == "dice_ce_0.5" and row["metric"] == "splits")
    assert (control["arm"], float(control["difference"])) == ("supervoxel_0.5", 0.25)
    assert float(control["p"]) == pytest.approx(2 / 2**8, rel=1e-5)
    second, first = (tmp_path / "chase_db1.md").read_text().split("\n\n")
    rows = {row.split(" | ")[0][2:]: row for row in second.splitlines()}
    assert "8.000 ± 0.707" in first.splitlines()[2]  # the baseline: means 7.5 and 8.5
    recall = rows["Dice + CE + Skeleton Recall (weight 1)"]
    ratio = 1 + code["train"].ARMS.index("recall_1")
    assert recall.endswith(rf"| 8.5 ± 1.1 ↓\*\* | 8.5 ± 1.1 ↓\*\* | {ratio:.2f} | {ratio + 1:.2f} |")
    assert "*" not in rows["Dice + supervoxel (alpha 0.5, beta 0.5)"]
    assert r"8.500 ± 1.061 ↑\*\*" in first


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the process's peak memory from Linux")
def test_cost(code, root, tmp_path, monkeypatch):
    monkeypatch.setattr(code["cost"], "ARMS", ("dice_ce", "supervoxel_0.5"))
    measure, alphas = code["cost"].measure_time, []

    def measure_time(runs, *arguments):
        alphas.extend(handler.loss.alpha for run in runs for handler in run.handlers)
        return measure(runs, *arguments)

    monkeypatch.setattr(code["cost"], "measure_time", measure_time)
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump(SMALL))
    monkeypatch.setattr(code["cost"], "spawn_memory", lambda arm: {"dice_ce": 10.0, "supervoxel_0.5": 15.0}[arm])
    options = ["--root", root, "--cases", 3, "--device", "cpu", "--results", tmp_path, "--rounds", 2, "--warm-up", 1]
    options += ["--config", config]
    command(code["cost"], monkeypatch, *options)
    with (tmp_path / "topomortar_cost.csv").open() as file:
        baseline, supervoxel = csv.DictReader(file)
    assert alphas == [0.5]  # what it costs once it is switched on
    assert (baseline["arm"], baseline["time_ratio"], baseline["memory_ratio"]) == ("dice_ce", "1", "1")
    assert (supervoxel["arm"], supervoxel["memory_ratio"]) == ("supervoxel_0.5", "1.5")
    assert (supervoxel["device"], supervoxel["threads"]) == ("cpu", str(torch.get_num_threads()))
    assert float(supervoxel["seconds"]) > 0
    assert float(supervoxel["time_ratio"]) > 0


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the process's peak memory from Linux")
def test_memory_of_an_arm(code, tmp_path, monkeypatch):
    root = write_data(tmp_path, (256, 256))  # a patch of the configuration
    options = ["--root", root, "--cases", 3, "--device", "cpu", "--warm-up", 1]
    monkeypatch.setattr(sys, "argv", [str(FOLDER / "cost.py"), *map(str, options)])
    plain, cldice = (code["cost"].spawn_memory(arm) for arm in ("dice_ce", "soft_cldice"))
    assert 1 < plain < 100
    assert cldice > 1.5 * plain

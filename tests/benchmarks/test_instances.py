from __future__ import annotations

import csv
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch.nn.functional import binary_cross_entropy_with_logits

from monai_topoloss import SupervoxelAffinityLoss, affinities
from tests.benchmarks.scripts import command, imported

FOLDER = Path(__file__).parents[2] / "benchmarks" / "instances"
ARMS = tuple(path.stem for path in sorted((FOLDER / "arms").glob("*.yaml")))
SMALL = ("steps=4", "steps_per_epoch=2", "patch_size=[16,16,16]", "channels=[4,8]", "strides=[2]")

pytestmark = pytest.mark.filterwarnings("ignore")  # of MONAI's and PyTorch's loading and training


@pytest.fixture(scope="module")
def code():
    names = ("training", "losses", "volume", "run", "report", "cost", "pictures", "mistakes")
    with imported(FOLDER, names) as scripts:
        yield scripts


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Neurites along z, with dark borders."""
    folder = tmp_path_factory.mktemp("data") / "flyem_medulla"
    folder.mkdir()
    ids = np.arange(1, 10, dtype=np.uint16).reshape(3, 3).repeat(8, 0).repeat(8, 1)
    ids = np.broadcast_to(ids, (250, 24, 24))
    borders = np.logical_or(*(np.diff(ids.astype(int), axis=axis, append=0) != 0 for axis in (1, 2)))
    nibabel.save(nibabel.Nifti1Image(np.where(borders, 20, 200).astype(np.uint8), np.eye(4)), folder / "image.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(ids), np.eye(4)), folder / "instances.nii.gz")
    return folder.parent


def test_there_is_a_file_for_each_arm(code):
    assert sorted(code["run"].ARMS) == sorted(ARMS)
    titles = [code["run"].read_arm(arm).get("title") for arm in ARMS]
    assert len(set(titles)) == len(ARMS)
    with pytest.raises(ValueError, match="bce has no setting stepz"):
        code["run"].read_arm("bce", {"stepz": 1})


@pytest.mark.parametrize("arm", ARMS)
def test_losses_are_what_the_titles_say(code, arm):
    parser = code["run"].read_arm(arm)
    loss, edges = parser.get_parsed_content("loss"), parser.get_parsed_content("edges")
    for handler in parser.get_parsed_content("handlers"):
        setattr(handler.loss, handler.attribute, handler.at(parser.get_parsed_content("epochs")))
    ids = torch.arange(1, 9).reshape(1, 1, 2, 2, 2)
    for axis in (2, 3, 4):
        ids = ids.repeat_interleave(5, axis)
    logits = 3 * torch.randn(1, len(edges), 10, 10, 10, generator=torch.Generator().manual_seed(0))
    truth, inside = (affinities(image[:, 0], edges) for image in (ids, torch.ones_like(ids)))
    bce = binary_cross_entropy_with_logits(logits[inside], truth[inside].float())
    parted = inside & ~truth
    p = torch.sigmoid(-logits) * inside
    dice = 1 - (2 * (p * parted).sum() + 1) / (p.sum() + parted.sum() + 1)
    options = {"edges": edges, "n_joining": 3, "tolerance": 1}
    wrong = inside & ((logits > 0) != truth)
    wrong[:, 3:] = False
    of_mistakes = 0.5 * (wrong * binary_cross_entropy_with_logits(logits, truth.float(), reduction="none"))[inside]
    expected = {
        "bce": dice + bce,
        "bce_0.5": dice + 0.5 * bce,
        "bce_0.1": dice + 0.1 * bce,
        "supervoxel_0.5": dice + SupervoxelAffinityLoss(**options, alpha=0.5)(logits, ids),
        "supervoxel_0.9": dice + SupervoxelAffinityLoss(**options, alpha=0.9)(logits, ids),
        "mistakes_added": dice + bce + 5 * of_mistakes.mean(),
        "supervoxel_added": dice + bce + 5 * SupervoxelAffinityLoss(**options, alpha=1)(logits, ids),
    }
    torch.testing.assert_close(loss(logits, ids), expected[arm])


def test_sections_do_not_overlap(code, root):
    items = [code["volume"].read(root, section)["label"] for section in ("training", "validation", "test")]
    assert [item.shape[1] for item in items] == [150, 50, 50]
    assert code["volume"].read(root, "validation", planes=7)["image"].shape == (1, 7, 24, 24)


def test_perfect_affinities_have_perfect_scores(code, root):
    parser = code["run"].read_arm("bce")
    label = torch.from_numpy(code["volume"].read(root, "test", planes=20)["label"][0])
    logits = 20.0 * code["run"].join(label, parser.get_parsed_content("edges")) - 10
    rows = code["run"].evaluate(logits, label, parser)
    for method, thresholds in code["run"].THRESHOLDS.items():
        assert [row["threshold"] for row in rows if row["method"] == method] == list(thresholds)
    for row in rows:
        assert row["voi"] == row["are"] == row["splits"] == row["merges"] == row["neuron_merges"] == 0
        assert row["nerl"] == row["f1"] == row["correct_edges"] == 1


def test_runs_and_report(code, root, tmp_path, monkeypatch, capsys):
    arguments = [
        *("--root", root, "--results", tmp_path / "results", "--work", tmp_path / "work", "--arms", "bce"),
        *("--seeds", "0", "1", "--planes", "24", "--device", "cpu", "--set", *SMALL),
    ]
    command(code["run"], monkeypatch, *arguments)
    folder = tmp_path / "results" / ",".join(["bce", *SMALL])
    for name in ("0_validation", "0_test", "1_validation", "1_test"):
        with (folder / f"{name}.csv").open() as file:
            assert len(list(csv.DictReader(file))) == sum(map(len, code["run"].THRESHOLDS.values()))
    capsys.readouterr()
    command(code["run"], monkeypatch, *arguments)
    assert capsys.readouterr().out.count("there already") == 2
    command(code["report"], monkeypatch, "--results", tmp_path / "results")
    assert "| 2 |" not in (tmp_path / "results" / "flyem_medulla.md").read_text()
    lines = (tmp_path / "results" / "flyem_medulla_trials.md").read_text().splitlines()
    assert [lines.index(f"{title}:") for title in code["report"].METHODS.values()] == [0, 6]
    assert list(code["report"].METHODS) == list(code["run"].THRESHOLDS)
    for line in (lines[4], lines[10]):
        assert line.startswith("| Dice + BCE, steps=4")
        assert line.split(" | ")[1] == "2"
    with pytest.raises(SystemExit, match="has runs with other cases"):
        command(
            code["run"], monkeypatch, *("8" if each == "24" else "2" if each == "1" else each for each in arguments)
        )


def test_cost_and_pictures(code, root, tmp_path, monkeypatch):
    arms = ("bce", "supervoxel_added")
    small = dict(each.split("=") for each in SMALL)
    read_arm = code["run"].read_arm
    overrides = {key: yaml.safe_load(value) for key, value in small.items()}
    for script in ("run", "cost", "pictures", "mistakes"):
        monkeypatch.setattr(code[script], "read_arm", lambda arm, _=None: read_arm(arm, overrides))
    places = ("--results", tmp_path / "results", "--work", tmp_path / "work", "--root", root)
    command(code["run"], monkeypatch, *places, "--arms", *arms, "--seeds", "0", "--planes", "16", "--device", "cpu")
    command(code["cost"], monkeypatch, *places, "--arms", *arms, "--rounds", "2", "--device", "cpu")
    with (tmp_path / "results" / "cost.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["arm"] for row in rows] == list(arms)
    assert float(rows[0]["ratio"]) == 1
    command(code["pictures"], monkeypatch, *places)
    with Image.open(tmp_path / "results" / "pictures.png") as picture:
        assert picture.width > picture.height


def test_mistakes(code, root, tmp_path, monkeypatch, capsys):
    overrides = {key: yaml.safe_load(value) for key, value in (each.split("=") for each in SMALL)}
    read_arm = code["run"].read_arm
    for script in ("run", "mistakes"):
        monkeypatch.setattr(code[script], "read_arm", lambda arm, _=None: read_arm(arm, overrides))
    places = ("--root", root, "--results", tmp_path / "results", "--work", tmp_path / "work")
    command(code["run"], monkeypatch, *places, "--arms", "bce", "--seeds", "0", "--planes", "16", "--device", "cpu")
    capsys.readouterr()
    command(code["mistakes"], monkeypatch, *places, "--planes", "16")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "of affinities that part, above 0.5", "of affinities that join, below 0.5", "of wrong joins, critical",
        "mutex watershed",
    ]  # fmt: skip
    assert all(0 <= float(line.split()[-1]) <= 1 for line in lines)


def test_thresholds_are_chosen_by_the_validation(code, tmp_path):
    for name, values in (("validation", (3, 1, 2)), ("test", (5, 6, 4))):
        rows = [["components", k, value] for k, value in enumerate(values)] + [["mutex_watershed", 9, 0]]
        with (tmp_path / f"0_{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["method", "threshold", "voi"], *rows])
    choose = code["report"].choose
    assert choose(tmp_path / "0_test.csv", "components") == {"method": "components", "threshold": "1", "voi": "6"}
    assert choose(tmp_path / "0_test.csv", "mutex_watershed")["threshold"] == "9"

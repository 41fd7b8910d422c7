from __future__ import annotations

import re
from pathlib import Path

import monai.engines
import monai.handlers
import monai.losses
import monai.transforms
import pytest
import torch
from monai.data import CacheDataset, DataLoader
from monai.networks.nets import UNet

from monai_topoloss import DiceCESkeletonRecallLoss
from monai_topoloss.datasets import synthetic_datalist

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_exactly_two_set_up_commands():
    assert len(re.findall(r"^python3 -m venv ", README, flags=re.MULTILINE)) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_examples_run(tmp_path, monkeypatch):
    """The examples as printed, but for the files that they load and for what later ones do not repeat."""
    recommended, first, second, third, fourth = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(recommended, {"DiceCESkeletonRecallLoss": DiceCESkeletonRecallLoss})
    assert recommended.removeprefix("loss = ").strip() in first
    transforms, trainer = first.split("trainer = ")
    transforms = transforms.replace("LoadImaged", "EnsureTyped").replace(", ensure_channel_first=True", "")
    names = {**vars(monai.transforms), **vars(monai.engines), **vars(monai.losses), **vars(monai.handlers)}
    exec(transforms, names)
    names["device"], names["max_epochs"] = "cpu", 1
    names["network"] = UNet(2, 1, 2, channels=(4, 8), strides=(2,))
    names["optimizer"] = torch.optim.SGD(names["network"].parameters(), 0.1)
    dataset = CacheDataset(synthetic_datalist(2, (32, 32)), names["transforms"], progress=False)
    names["train_data_loader"] = DataLoader(dataset, batch_size=2)
    exec("trainer = " + trainer, names)
    names["trainer"].run()
    assert names["trainer"].state.output[0]["label"].shape == (1, 32, 32)

    exec(second.replace("    ...,\n", "    device, 12, train_data_loader, network, optimizer,\n"), names)
    names["trainer"].run()
    assert names["supervoxel"].alpha == 0.5

    monkeypatch.chdir(tmp_path)
    names["postprocessing"] = monai.transforms.AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=2)
    arguments = "    device, train_data_loader, network, postprocessing=postprocessing,\n"
    exec(third.replace("    ...,\n", arguments), names)
    names["evaluator"].run(10)
    assert set(names["evaluator"].state.metrics) == {"cldice", "betti", "splits", "merges"}
    assert (tmp_path / "figures" / "critical_0010.png").is_file()

    output, batch = names["evaluator"].state.output[0], names["evaluator"].state.batch[0]
    exec(fourth, {"prediction": output["pred"][1], "label": output["label"][1], "image": batch["image"]})
    assert (tmp_path / "broken.png").is_file()

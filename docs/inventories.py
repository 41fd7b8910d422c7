"""Where names of other projects are documented, so that links to them need no network while the pages are built."""

from __future__ import annotations

import zlib
from pathlib import Path

_SITES = {
    "torch": (
        "https://docs.pytorch.org/docs/stable/",
        {
            "torch.Tensor": ("class", "tensors.html#$"),
            "torch.device": ("class", "tensor_attributes.html#$"),
            "torch.nn.Module": ("class", "generated/$.html#$"),
            "torch.nn.modules.module.Module": ("class", "generated/torch.nn.Module.html#torch.nn.Module"),
            "torch.nn.modules.loss._Loss": ("class", "nn.html#loss-functions"),
            "torch.nn.NLLLoss": ("class", "generated/$.html#$"),
            "torch.nn.BCEWithLogitsLoss": ("class", "generated/$.html#$"),
            "torch.nn.CrossEntropyLoss": ("class", "generated/$.html#$"),
            "torch.utils.data.DataLoader": ("class", "data.html#$"),
        },
    ),
    "monai": (
        "https://docs.monai.io/en/stable/",
        {
            **{
                f"monai.losses.{name}": ("class", "losses.html#$")
                for name in ("DeepSupervisionLoss", "DiceCELoss", "DiceLoss", "FocalLoss", "SoftclDiceLoss")
            },
            **{
                f"monai.metrics.{name}": ("class", "metrics.html#$")
                for name in ("CumulativeIterationMetric", "DiceMetric", "ConfusionMatrixMetric")
            },
            **{
                f"monai.engines.{name}": ("class", "engines.html#$")
                for name in ("PrepareBatch", "SupervisedEvaluator", "SupervisedTrainer", "Workflow")
            },
            **{
                f"monai.handlers.{name}": ("class", "handlers.html#$")
                for name in ("IgniteMetricHandler", "MeanDice", "StatsHandler", "CheckpointSaver", "MetricsSaver")
            },
            "monai.inferers.SlidingWindowInferer": ("class", "inferers.html#$"),
            "monai.handlers.from_engine": ("function", "handlers.html#monai.handlers.utils.from_engine"),
            **{
                f"monai.transforms.{name}": ("class", "transforms.html#$")
                for name in ("Compose", "MapTransform", "Transform", "SaveImaged")
            },
            **{f"monai.data.{name}": ("class", "data.html#$") for name in ("CacheDataset", "MetaTensor")},
            "monai.transforms.transform.Transform": ("class", "transforms.html#monai.transforms.Transform"),
            "monai.transforms.transform.MapTransform": ("class", "transforms.html#monai.transforms.MapTransform"),
            "monai.engines.utils.PrepareBatch": ("class", "engines.html#monai.engines.PrepareBatch"),
            "monai.engines.workflow.Workflow": ("class", "engines.html#monai.engines.Workflow"),
            "monai.handlers.ignite_metric.IgniteMetricHandler": ("class", "handlers.html#ignite-metric-handler"),
            "monai.losses.ds_loss.DeepSupervisionLoss": ("class", "losses.html#monai.losses.DeepSupervisionLoss"),
            "monai.metrics.metric.CumulativeIterationMetric": ("class", "metrics.html#cumulativeiterationmetric"),
            "monai.utils.enums.MetricReduction": ("class", "utils.html#$"),
            "monai.utils.enums.LossReduction": ("class", "utils.html#$"),
        },
    ),
    "numpy": (
        "https://numpy.org/doc/stable/",
        {
            "numpy.ndarray": ("class", "reference/generated/$.html#$"),
            "numpy.uint8": ("attribute", "reference/arrays.scalars.html#$"),
            "numpy.float32": ("attribute", "reference/arrays.scalars.html#$"),
        },
    ),
    "matplotlib": (
        "https://matplotlib.org/stable/",
        {"matplotlib.figure.Figure": ("class", "api/_as_gen/$.html#$")},
    ),
    "networkx": (
        "https://networkx.org/documentation/stable/",
        {
            "networkx.Graph": ("class", "reference/classes/graph.html#$"),
            "networkx.MultiGraph": ("class", "reference/classes/multigraph.html#$"),
        },
    ),
    "scipy": (
        "https://docs.scipy.org/doc/scipy/",
        {"scipy.ndimage.distance_transform_edt": ("function", "reference/generated/$.html#$")},
    ),
    "skimage": (
        "https://scikit-image.org/docs/stable/",
        {
            "skimage.measure.label": ("function", "api/skimage.measure.html#$"),
            "skimage.morphology.skeletonize": ("function", "api/skimage.morphology.html#$"),
            "skimage.morphology.thin": ("function", "api/skimage.morphology.html#$"),
        },
    ),
    "python": (
        "https://docs.python.org/3/",
        {
            **dict.fromkeys(("str", "dict", "list", "tuple", "set", "frozenset"), ("class", "library/stdtypes.html#$")),
            **dict.fromkeys(("int", "float", "bool", "object", "type"), ("class", "library/functions.html#$")),
            **dict.fromkeys(
                (
                    *("ValueError", "TypeError", "RuntimeError", "ImportError", "FileExistsError"),
                    *("FileNotFoundError", "AttributeError", "IndexError", "KeyError", "OSError"),
                ),
                ("exception", "library/exceptions.html#$"),
            ),
            "None": ("data", "library/constants.html#$"),
            "typing.Any": ("data", "library/typing.html#$"),
            **{
                f"collections.abc.{name}": ("class", "library/collections.abc.html#$")
                for name in ("Callable", "Hashable", "Iterable", "Mapping", "Sequence")
            },
            "os.PathLike": ("class", "library/os.html#$"),
            "pathlib.Path": ("class", "library/pathlib.html#$"),
        },
    ),
    "ignite": (
        "https://docs.pytorch.org/ignite/",
        {"ignite.engine.Engine": ("class", "generated/ignite.engine.engine.Engine.html")},
    ),
}


def write_inventories(folder: Path) -> dict[str, tuple[str, str]]:
    """Write an inventory for each site, and return the mapping for `sphinx.ext.intersphinx`."""
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for site, (url, names) in _SITES.items():
        lines = (f"{name} py:{role} 1 {page} -\n" for name, (role, page) in sorted(names.items()))
        header = f"# Sphinx inventory version 2\n# Project: {site}\n# Version: \n"
        header += "# The remainder of this file is compressed using zlib.\n"
        path = folder / f"{site}.inv"
        path.write_bytes(header.encode() + zlib.compress("".join(lines).encode()))
        mapping[site] = (url, str(path))
    return mapping

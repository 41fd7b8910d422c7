from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import pytest

from monai_topoloss.handlers import RestoreLabel


@pytest.mark.parametrize("target", [("label", "skeleton"), ["label", "skeleton"], "label"])
def test_unpacks_a_pair(target):
    handler = RestoreLabel()
    for copied in (handler, copy.deepcopy(handler), pickle.loads(pickle.dumps(handler))):
        engine = SimpleNamespace(state=SimpleNamespace(output={"label": target, "loss": 1.0}))
        copied(engine)
        assert engine.state.output == {"label": "label", "loss": 1.0}

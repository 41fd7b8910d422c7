from __future__ import annotations

import inspect

import numpy as np
import pytest

from monai_topoloss.backends.cpu import zhang_rule
from tests.oracles import zhang

PASSES = {1: zhang_rule.goes_in_first_pass, 2: zhang_rule.goes_in_second_pass}


@pytest.mark.parametrize("in_pass", PASSES)
def test_all_neighbourhoods(in_pass):
    codes = np.arange(256)
    neighbours = [(-(codes >> i & 1)).astype(np.uint64) for i in range(8)]
    found = [PASSES[in_pass](*values) for values in zip(*neighbours, strict=True)]
    expected = [zhang.goes(int(code), in_pass) * (2**64 - 1) for code in codes]
    assert [int(value) for value in found] == expected


@pytest.mark.parametrize("in_pass", PASSES)
def test_the_lines_are_those_the_program_writes(in_pass):
    source = inspect.getsource(PASSES[in_pass].py_func).splitlines()
    assert [line.strip() for line in source[-len(zhang.operations(in_pass)) :]] == zhang.operations(in_pass)

"""The lists fit the code, so that they can be replayed; replaying takes long, and is done on request."""

from pathlib import Path

import pytest

from tests.mutations.replay import Mutation, apply, read, run_tests

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutation", read([]), ids=lambda mutation: f"{mutation.file}: {mutation.new}"[-80:])
def test_each_change_fits_the_code(mutation):
    source = (ROOT / mutation.file).read_text()
    changed = apply(mutation, source)
    assert changed != source
    if mutation.file.endswith(".py"):
        compile(changed, mutation.file, "exec")
    assert all((ROOT / test.split("::")[0]).exists() for test in mutation.tests if test.startswith("tests/"))


def test_a_change_that_does_not_fit_is_refused():
    mutation = Mutation("file.py", "a", "b", ())
    with pytest.raises(ValueError, match=r"file\.py: 'a' is there 2 times"):
        apply(mutation, "a + a")


def test_tests_that_fail_are_told_from_those_that_pass(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_one():\n    assert 1 + 1 == 2\n")
    assert run_tests(tmp_path, ("test_it.py",)) == ""
    (tmp_path / "test_it.py").write_text("def test_one():\n    assert 1 + 1 == 3\n")
    assert "test_one" in run_tests(tmp_path, ("test_it.py",))

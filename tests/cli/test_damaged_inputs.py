"""Whatever a file or an option holds, a command ends in a status and one line."""

import pytest
from fuzz_commands import fuzz


def shown(failures):
    return "\n\n".join(f"{arguments}\n{found}" for arguments, found in failures)


def test_damaged_inputs_end_in_a_status(tmp_path):
    failures = fuzz(60, seed=2, folder=tmp_path)
    assert not failures, shown(failures)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(10, 20))
def test_many_damaged_inputs_end_in_a_status(tmp_path, seed):
    failures = fuzz(1000, seed=seed, folder=tmp_path)
    assert not failures, shown(failures)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_damaged_inputs_end_real_processes_in_a_status(tmp_path):
    failures = fuzz(200, seed=3, folder=tmp_path, apart=True)
    assert not failures, shown(failures)

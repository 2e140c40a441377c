import pytest
from saved_run import save_run
from small_run import write_set


@pytest.fixture
def run(tmp_path):
    """Makes runs of an untrained encoder on one small set, by stream and seed."""
    data = write_set(tmp_path / "mine.npz")

    def make(stream="joint", seed=0, *, folder=None, path=data, **changes):
        place = tmp_path / (folder or f"{stream}_{seed}")
        save_run(place, path, stream=stream, seed=seed, **changes)
        return str(place)

    return make

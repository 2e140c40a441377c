import subprocess
import sys
import time

import pytest

from skelblocks._utils.locks import InUseError, locked

HOLD = (
    "import sys, time; from pathlib import Path; from skelblocks._utils.locks import locked\n"
    "with locked(Path(sys.argv[1]), busy='busy'):\n"
    "    print('held', flush=True); time.sleep(60)"
)


def holder(path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    path = tmp_path / ".lock"
    process = holder(path)
    try:
        with pytest.raises(InUseError, match="choose another"), locked(path, busy="choose another"):
            pass
    finally:
        process.kill()
        process.wait()
    with locked(path, busy="choose another"):
        assert path.exists()
    assert not list(tmp_path.iterdir())


def test_a_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "lock", busy="busy"):
        raise KeyError
    with locked(tmp_path / "lock", busy="busy"):
        pass


COUNT = (
    "import sys; from pathlib import Path; from skelblocks._utils.locks import locked\n"
    "folder = Path(sys.argv[1])\n"
    "for _ in range(100):\n"
    "    with locked(folder / 'lock', busy='busy', wait=60):\n"
    "        number = int((folder / 'number').read_text()); (folder / 'number').write_text(str(number + 1))"
)


@pytest.mark.slow
def test_waiting_processes_enter_one_after_the_other(tmp_path):
    (tmp_path / "number").write_text("0")
    run = [subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path)]) for _ in range(4)]
    deadline = time.monotonic() + 120
    assert [process.wait(timeout=deadline - time.monotonic()) for process in run] == [0] * 4
    assert (tmp_path / "number").read_text() == "400"

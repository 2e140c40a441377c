"""Two runs at once in one folder, one of them sometimes killed: `pair_runs.py ROUNDS SEED FOLDER` prints JSON.

One process imports everything; each run is a fork of it. After each round the folder is looked through, and a further
run finishes what is there.
"""

import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

import torch
import yaml
from kill_runs import EPOCHS, digest, train
from tqdm import tqdm

from skelblocks.training import RunFolderError

REFUSED, OTHER_OPTIONS, FAILED = 3, 4, 1


def fork(folder, *, seed):
    """The id of a child that trains in the folder."""
    child = os.fork()
    if child:
        return child
    code = FAILED
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        with (folder.parent / "errors.txt").open("a") as errors:
            os.dup2(errors.fileno(), 2)
        train("skeletonclr", folder, seed=seed)
        code = 0
    except RunFolderError as error:
        code = REFUSED if "another process trains in" in str(error) else FAILED
        traceback.print_exc()
    except ValueError as error:
        code = OTHER_OPTIONS if "train.seed is" in str(error) else FAILED
        traceback.print_exc()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def look_through(folder, expected):
    """The seed and the number of epochs of the checkpoint, which is one of that seed's uninterrupted run."""
    if not (folder / "checkpoint.pt").exists():
        return None
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    seed, done = state["options"]["train"]["seed"], len(state["history"])
    assert digest(state) == expected[seed][done - 1], f"the checkpoint of epoch {done} is another"
    assert yaml.safe_load((folder / "config.yaml").read_text())["train"]["seed"] == seed
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert done - 1 <= len(rows) <= done
    return seed, done


_LOOK = os.WEXITED | os.WNOHANG | os.WNOWAIT  # whether a child has ended, without taking its status


def main():
    tqdm.set_lock(threading.RLock())  # its own is one of all forks
    tqdm.monitor_interval = 0
    rounds, base = int(sys.argv[1]), Path(sys.argv[3])
    draw = random.Random(int(sys.argv[2]))
    expected, seconds = {}, 0.0
    for seed in (0, 1):
        states = expected[seed] = []
        started = time.monotonic()
        train(
            "skeletonclr",
            base / f"whole_{seed}",
            seed=seed,
            after=lambda path, to=states: to.append(digest(torch.load(path, weights_only=True))),
        )
        seconds = time.monotonic() - started
    found = {"refused": 0, "finished": 0, "killed": 0, "other_options": 0}
    for number in range(rounds):
        folder = base / f"round_{number}"
        folder.mkdir()
        seeds = (0, draw.choice((0, 1)))
        children = [fork(folder, seed=seeds[0])]
        time.sleep(draw.random() * draw.choice((0.0, 0.02, seconds)))
        children.append(fork(folder, seed=seeds[1]))
        if draw.random() < 2 / 3:  # of two processes one, so a third of all
            time.sleep(draw.random() * seconds / 2)
            running = [child for child in children if os.waitid(os.P_PID, child, _LOOK) is None]
            if running:
                os.kill(draw.choice(running), signal.SIGKILL)  # no one has waited for it, so it is still ours
        for child in children:
            status = os.waitpid(child, 0)[1]
            code = "killed" if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
            names = {0: "finished", REFUSED: "refused", OTHER_OPTIONS: "other_options", "killed": "killed"}
            assert code in names, (base / "errors.txt").read_text()[-3000:]
            found[names[code]] += 1
        there = look_through(folder, expected)
        last = fork(folder, seed=there[0] if there else seeds[0])
        assert os.waitpid(last, 0)[1] == 0, (base / "errors.txt").read_text()[-3000:]
        assert look_through(folder, expected)[1] == EPOCHS
        assert not list(folder.glob(".*"))
    print(json.dumps(found))


if __name__ == "__main__":
    main()

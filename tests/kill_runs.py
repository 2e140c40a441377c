"""Kill short runs at random moments: `kill_runs.py KILLS SEED FOLDER` prints what was found as JSON.

One process imports everything; each run is a fork of it, which it kills. A run starts again in the same folder until it
has finished, then comes the next method. After each kill the folder is looked through.
"""

import hashlib
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

import numpy as np
import torch
import yaml
from small_run import METHODS, SMALL, small_options
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tqdm import tqdm

from skelblocks import layouts
from skelblocks.data import ArrayDataset, Preprocessing
from skelblocks.training import RunFolder, load_page, make_fabric, pretrain

EPOCHS, CLIPS, FRAMES = 6, 8, 8
LAYOUT = layouts.get("sbu")


def digest(value):
    """Of a checkpoint: names, numbers and bits; not of the clock's figures."""
    whole = hashlib.sha256()

    def add(each, name):
        if isinstance(each, dict):
            for key in sorted(each, key=str):
                if key != "clips_per_second":
                    add(each[key], f"{name}.{key}")
        elif isinstance(each, list | tuple):
            for number, part in enumerate(each):
                add(part, f"{name}.{number}")
        elif isinstance(each, torch.Tensor):
            whole.update(f"{name}{each.dtype}{tuple(each.shape)}".encode() + each.contiguous().numpy().tobytes())
        else:
            whole.update(f"{name}={each!r}".encode())

    add(value, "")
    return whole.hexdigest()


def train(name, folder, *, after=None, seed=0):
    """A whole run, or what is left of it."""
    page = load_page(name)
    one = {"streams": ["joint"]} if name == "crossmoco" else {}
    small = {"layout": "sbu", "frames": FRAMES, "epochs": EPOCHS, "out_channels": 8, "embedding": 4, "folder": "run"}
    options = small_options(page, **small, **one, base_channels=2, seed=seed)
    fabric = make_fabric(options.train)
    torch.manual_seed(0)
    method = page.build(options, layout=LAYOUT, persons=1)
    clips = np.random.default_rng(0).standard_normal((CLIPS, 3, FRAMES, 15, 1)).astype(np.float32)
    run = RunFolder(folder)
    if after is not None:
        save = run.save
        run.save = lambda state: (save(state), after(run.checkpoint))
    with run:
        pretrain(
            method,
            fabric=fabric,
            dataset=ArrayDataset(clips, layout="sbu", preprocessing=Preprocessing(frames=FRAMES)),
            make_views=page.make_views(options, layout=LAYOUT),
            options=options,
            folder=run,
        )
    (folder / "finished").write_bytes(torch.get_rng_state().numpy().tobytes())


def fork(name, folder):
    """The child's id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        with (folder.parent / "errors.txt").open("a") as errors:
            os.dup2(errors.fileno(), 2)
        train(name, folder)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def written(folder):
    """Where a checkpoint is being written, or None."""
    for path in folder.glob(".*.checkpoint.pt"):
        try:
            state = path.stat()
        except OSError:
            continue
        return path.name, state.st_mtime_ns, state.st_size, state.st_ino
    return None


def look_through(folder, expected):
    """Every file that is there is whole, and the checkpoint is one of the uninterrupted run's; its epoch."""
    done = 0
    if (folder / "checkpoint.pt").exists():
        state = torch.load(folder / "checkpoint.pt", weights_only=True)
        done = len(state["history"])
        assert digest(state) == expected[done - 1], f"the checkpoint of epoch {done} is another"
    if (folder / "config.yaml").exists():
        assert yaml.safe_load((folder / "config.yaml").read_text())["train"]["epochs"] == EPOCHS
    if (folder / "log.jsonl").exists():
        rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))
        assert done - 1 <= len(rows) <= done
    return done


def kill(child, folder, *, draw, seconds):
    """Kill the child at a moment within so many seconds, or at one of its next three writes of a checkpoint.

    Returns:
        How it has ended, as waitpid tells it.
    """
    aimed, skipped, pause = draw.random() < 0.5, draw.randrange(3), draw.random() * 0.004
    moment = time.monotonic() + draw.random() * seconds
    seen = written(folder)  # a former kill's
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        if aimed:
            now = written(folder)
            if now is not None and now != seen:
                if not skipped:
                    time.sleep(pause)
                    break
                skipped -= 1
                while written(folder) is not None and not ended:
                    ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    return status
                seen = None
        elif time.monotonic() >= moment:
            break
        else:
            time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def look_at_curves(folder):
    """TensorBoard's files together have every step, whatever the kills have left at their ends."""
    steps = {
        event.step
        for path in (folder / "tensorboard").iterdir()
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.tag == "loss"
    }
    assert steps == set(range(EPOCHS * CLIPS // SMALL["batch_size"]))


def main():
    # Its own lock is one of all forks: killed while it holds it, a run would leave the next ones waiting.
    tqdm.set_lock(threading.RLock())
    tqdm.monitor_interval = 0  # no thread that a fork could find with the lock
    kills, base = int(sys.argv[1]), Path(sys.argv[3])
    draw = random.Random(int(sys.argv[2]))
    expected, seconds, generator = {}, {}, {}
    for name in METHODS:
        states = expected[name] = []
        started = time.monotonic()
        train(name, base / name, after=lambda path, to=states: to.append(digest(torch.load(path, weights_only=True))))
        seconds[name] = time.monotonic() - started
        generator[name] = (base / name / "finished").read_bytes()
    found = {"kills": 0, "runs": 0, "in_a_write": 0, "before_a_checkpoint": 0}
    while found["kills"] < kills:
        name = METHODS[found["runs"] % len(METHODS)]
        folder = base / f"{name}_{found['runs']}"
        folder.mkdir()
        done, status = 0, None
        while status != 0:
            left, before = written(folder), done
            child = fork(name, folder)
            if found["kills"] < kills:
                status = kill(child, folder, draw=draw, seconds=seconds[name] * (1 - done / EPOCHS))
            else:
                status = os.waitpid(child, 0)[1]
            assert status == 0 or os.WIFSIGNALED(status), (base / "errors.txt").read_text()[-3000:]
            done = look_through(folder, expected[name])
            assert done >= before
            if status:
                found["kills"] += 1
                found["in_a_write"] += written(folder) not in (None, left)
                found["before_a_checkpoint"] += done == 0
        found["runs"] += 1
        assert done == EPOCHS
        if before < EPOCHS:  # or there was nothing left to draw
            assert (folder / "finished").read_bytes() == generator[name], "the generator's state is another"
        assert not list(folder.glob(".*"))
        look_at_curves(folder)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

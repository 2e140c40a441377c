import dataclasses
from pathlib import Path

import pytest
from small_run import options_of

from skelblocks.training import MethodOptions, load_page, parse_options, settle
from skelblocks.training.resume import check_same_run
from skelblocks.training.settle import queue_warning, shares_of_the_run, warmup_warning


@pytest.mark.parametrize(
    ("clips", "expected"), [(431, 256), (226, 128), (300, 256), (256, 128), (257, 256), (33, 32), (40091, 32768)]
)
def test_the_queue_is_smaller_than_the_set(clips, expected):
    options = options_of(MethodOptions, batch_size=32, queue_size="auto")
    settled = settle(options, clips=clips)
    assert settled.contrast.queue_size == expected < clips
    assert queue_warning(settled, clips=clips) is None


def test_the_queue_holds_a_batch():
    options = options_of(MethodOptions, batch_size=32, queue_size="auto")
    assert settle(options, clips=32).contrast.queue_size == 32
    with pytest.raises(
        ValueError, match=r"train.batch_size: expected at most the 64 rows of the queue, got 128; enlarge"
    ):
        settle(options_of(MethodOptions, batch_size=128, queue_size=64), clips=1000)


def test_a_queue_larger_than_the_set_is_told():
    for size, warns in ((64, False), (65, True)):
        warning = queue_warning(options_of(MethodOptions, queue_size=size), clips=64)
        assert (warning is not None) is warns
    assert "the queue holds 65 keys, but there are only 64 training clips" in warning
    assert queue_warning(options_of(MethodOptions, queue_size=65, exclude_own_keys=True), clips=64) is None


@pytest.mark.parametrize(("clips", "epochs"), [(100, 134), (431, 40), (33, 400), (2000, 40)])
def test_epochs_grow_until_there_are_enough_steps(clips, epochs):
    options = options_of(MethodOptions, epochs=40, batch_size=32, min_steps=400, queue_size="auto")
    assert settle(options, clips=clips).train.epochs == epochs


@pytest.mark.parametrize(("clips", "epochs"), [(100, 134), (431, 31), (33, 400), (2000, 7)])
def test_epochs_and_the_usual_milestones_follow_from_steps(clips, epochs):
    options = options_of(MethodOptions, steps=400, batch_size=32, queue_size="auto")
    settled = settle(options, clips=clips)
    assert settled.train.epochs == epochs
    assert settled.train.milestones == [round(epochs * 250 / 300)]
    assert settle(settled, clips=clips) == settled
    own = options_of(MethodOptions, steps=400, batch_size=32, queue_size="auto", milestones=[3])
    assert settle(own, clips=clips).train.milestones == [3]


def test_steps_take_the_defaults_of_a_method_for_left_out():
    pstl = load_page("pstl").options
    assert pstl().train.epochs == 150
    options = options_of(pstl, steps=800, batch_size=32, queue_size="auto")
    assert settle(options, clips=640).train.epochs == 40


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"epochs": 40},
            r"train.epochs: expected no value with train.steps=400, .* 134 epochs .*, got 40; set",
        ),
        ({"warmup_epochs": 134}, r"train.warmup_epochs: expected fewer than the 134 epochs .*, got 134; shorten"),
    ],
)
def test_what_does_not_go_with_steps_is_refused(changes, message):
    options = options_of(MethodOptions, steps=400, batch_size=32, queue_size="auto", **changes)
    with pytest.raises(ValueError, match=message):
        settle(options, clips=100)


@pytest.mark.parametrize(
    ("clips", "changes", "epochs"),
    [
        (320, {"warmup_steps": 5}, 0.5),
        (320, {"warmup_steps": 5, "warmup_epochs": 3}, 0.5),
        (320, {"warmup_steps": 50, "warmup_epochs": 3}, 3),
        (320, {"warmup_steps": 0}, 0),
        (100, {"warmup_steps": 5}, 5 / 3),
    ],
)
def test_a_warm_up_in_steps_is_at_most_as_long_as_one_in_epochs(clips, changes, epochs):
    settled = settle(options_of(MethodOptions, batch_size=32, queue_size="auto", **changes), clips=clips)
    assert settled.train.warmup_epochs == epochs
    assert settle(settled, clips=clips) == settled


@pytest.mark.parametrize(("clips", "warmup"), [(320, 3), (4300, 200 / 134), (100_000, 200 / 3125)])
def test_the_small_recipe_fits_large_sets(clips, warmup):
    settled = settle(parse_options(load_page("msmclr").options, ["--config", "small"]), clips=clips)
    assert settled.train.warmup_epochs == warmup < settled.train.epochs
    assert warmup_warning(settled) is None


def test_a_warm_up_as_long_as_the_run_is_noticed():
    assert "the warm-up of 2 epochs is as long as the run of 2" in warmup_warning(
        options_of(MethodOptions, epochs=2, warmup_epochs=2)
    )


def test_shares_of_the_run_are_told_by_the_options_choices():
    aimclr = load_page("aimclr").options
    assert shares_of_the_run(aimclr()) == ["nnm_epoch"]
    assert shares_of_the_run(aimclr(nnm_epoch=20)) == []
    assert shares_of_the_run(options_of(MethodOptions, schedule="cosine")) == ["train.schedule"]
    cosine = options_of(MethodOptions, key_momentum_schedule="cosine")
    assert shares_of_the_run(cosine) == ["contrast.key_momentum_schedule"]
    # A set, a joint or a folder may be called so.
    named = options_of(MethodOptions, path="half", center="cosine", joints="half", folder="half", layout="cosine")
    assert shares_of_the_run(named) == []


def test_a_run_begun_before_the_warm_up_was_in_steps_resumes():
    options = options_of(MethodOptions, steps=400, batch_size=32, queue_size="auto", warmup_epochs=3)
    saved = settle(options, clips=320).to_dict()
    del saved["train"]["warmup_steps"]
    mine = settle(dataclasses.replace(options, train=dataclasses.replace(options.train, warmup_steps=200)), clips=320)
    check_same_run({"format": 2, "options": saved}, mine.to_dict(), checkpoint=Path("c.pt"), fixed_length=True)
    shorter = settle(dataclasses.replace(mine, train=dataclasses.replace(mine.train, warmup_steps=20)), clips=320)
    with pytest.raises(ValueError, match=r"train\.warmup_epochs is 3.* there and 2"):
        check_same_run({"format": 2, "options": saved}, shorter.to_dict(), checkpoint=Path("c.pt"), fixed_length=True)

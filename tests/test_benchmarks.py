"""The benchmarks run at tiny sizes, and their check sees a wrong number."""

import json
import sys

import pytest
import torch

from benchmarks.speed import bench_step, compare, gpu, growth, run
from benchmarks.speed.case import Case, Setting, largest_difference
from benchmarks.speed.memory import peak_memory

SMALL = Setting(small=True)


@pytest.mark.parametrize("name", [name for name in run.BENCHMARKS if name not in ("step", "linear")])
def test_both_sides_give_the_same_numbers(name):
    cases = list(run.BENCHMARKS[name](SMALL))
    assert cases
    for case in cases:
        assert case.difference < run.TOLERANCE, case.name


@pytest.mark.slow
def test_the_probe_of_cached_features_gives_the_same_numbers():
    for case in run.BENCHMARKS["linear"](SMALL):
        assert case.difference < run.TOLERANCE, case.name


def test_a_step_leaves_the_same_loss_parameters_and_bank():
    assert bench_step.check(SMALL) < 1e-9


def test_step_runs():
    first, *_ = bench_step.cases(SMALL)
    assert first.clips == 2
    assert torch.isfinite(first.ours())
    assert torch.isfinite(first.plain())


def test_plain_augmentation_differs_with_other_draws():
    draws = [run.bench_augment.draw(run.bench_augment.np.random.default_rng(seed), (3, 12, 25, 2)) for seed in (0, 1)]
    clip = torch.randn(3, 12, 25, 2).numpy()
    one, other = (run.bench_augment.augment_clip(clip, each) for each in draws)
    assert one.shape == clip.shape
    assert one.dtype == clip.dtype
    assert (one != other).any()


def test_measure_reports_times_ratios_and_memory():
    x = torch.ones(1000, 250)
    case = Case("copies", "1 MB", lambda: x + 1, lambda: x.clone() + 1, 0.0, clips=5)
    row = run.measure(case, seconds=0)
    assert row["turns"] == 5
    assert len(row["speedup"]) == 3
    assert row["ours"]["peak_mb"] == pytest.approx(1.0, abs=0.1)
    assert row["plain"]["peak_mb"] == pytest.approx(2.0, abs=0.1)
    run.report(row)
    json.dumps(row)


def test_measure_refuses_different_numbers():
    with pytest.raises(AssertionError, match="copies: the results differ by"):
        run.measure(Case("copies", "", lambda: None, lambda: None, 1e-2), seconds=0)


def test_largest_difference_is_relative_to_each_result():
    big, small = torch.tensor([1000.0]), torch.tensor([1e-3])
    assert largest_difference([big, small + 1e-4], [big, small]) == pytest.approx(0.1, rel=1e-3)
    assert largest_difference([big, small + 1e-4], [big, small], floor=1.0) == pytest.approx(1e-4, rel=1e-3)


def test_peak_memory_counts_what_lives_at_the_same_time():
    x = torch.ones(250, 1000)

    def one_after_the_other():
        for _ in range(5):
            x.exp()

    def together():
        return [x.exp() for _ in range(5)]

    assert peak_memory(one_after_the_other) == pytest.approx(1e6, rel=0.1)
    assert peak_memory(together) == pytest.approx(5e6, rel=0.1)


def test_peak_memory_counts_numpy():
    assert peak_memory(lambda: torch.ones(1).numpy().repeat(10**6)) == pytest.approx(4e6, rel=0.1)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "encoder")) for name in growth.BLOCKS]
)
def test_growth(name, monkeypatch):
    monkeypatch.setattr(growth, "BASE", 2)
    monkeypatch.setattr(growth, "CHANNELS", 8)
    make, fields = growth.BLOCKS[name]
    monkeypatch.setitem(growth.BLOCKS, name, (make, dict.fromkeys(fields, 2)))
    first = growth.Sizes(n=1, t=8, v=5 if name != "attention" else 25, m=1, k=64, batch=2)
    found = list(growth.rows(name, repeats=1, first=first))
    assert [row["field"] for row in found] == [field for field in fields for _ in range(2)]
    assert all(row["peak_mb"] > 0 for row in found) or name == "queue"  # whose keys go in without new memory
    assert all(row["processor_ms"] > 0 for row in found)


def test_memory_of_the_chunked_loss_does_not_grow_with_the_bank():
    peaks = [peak_memory(growth.losses_in_chunks(growth.Sizes(k=k, batch=4))) for k in (8192, 32768)]
    assert peaks[1] <= 1.01 * peaks[0]


def test_enqueue_allocates_nothing_that_grows_with_the_queue():
    peaks = [peak_memory(growth.queue(growth.Sizes(k=k, batch=4))) for k in (64, 8192)]
    assert peaks[0] == peaks[1]


@pytest.mark.parametrize("arguments", [["unknown"], ["loader", "--device", "cuda"]])
def test_an_unknown_name_is_refused(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
    with pytest.raises(SystemExit):
        run.main()
    assert f"no benchmark is named {arguments[0]}" in capsys.readouterr().err


def test_small_run_writes_its_figures(monkeypatch, tmp_path):
    file = tmp_path / "figures.json"
    arguments = ["queue", "--small", "--seconds", "0", "--threads", str(torch.get_num_threads()), "--json", str(file)]
    monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
    run.main()
    assert {case["name"] for case in json.loads(file.read_text())["cases"]} == {"queue", "queue, enqueue alone"}


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_step_on_cuda():
    assert bench_step.check(Setting(device="cuda", small=True)) < 1e-9
    first, *_ = bench_step.cases(Setting(device="cuda", small=True, half=True))
    assert torch.isfinite(first.ours())


def test_a_machine_without_a_gpu_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"^error: torch sees no CUDA device; .* or pass --dry$"):
        gpu.checked_device(dry=False)
    assert gpu.checked_device(dry=True) == "cpu"


def test_a_part_that_fails_is_a_row_of_the_table(monkeypatch):
    monkeypatch.setitem(gpu.PARTS, "eager", (gpu.eager, 0.001))
    assert gpu.run_part("eager", dry=True, limit=0.001) == [("eager", "", "failed: no result after 0 s")]
    ((name, _, measured),) = gpu.run_part("no such part", dry=True, limit=60)
    assert name == "no such part"
    assert measured.startswith("failed: ")


def test_the_parts_of_the_gpu_script_fit_into_eight_minutes():
    assert sum(limit for _, limit in gpu.PARTS.values()) < 8 * 60


def test_losses_of_plain_and_ours_are_compared():
    rows = gpu.curves("cpu")
    assert [row[0].split(", ")[1] for row in rows] == ["float32", "bfloat16"]


def test_clips_like_ntu_rgb_d_show_one_person_in_four_of_five():
    clips = compare.ntu_like(10, 4)
    present = (clips != 0).any(dim=3).any(dim=2).any(dim=1)
    assert present.sum().item() == 12


@pytest.mark.parametrize("work", ["step", "features"])
@pytest.mark.parametrize("side", ["ours", "before", "plain"])
def test_every_side_of_the_comparison_works(work, side):
    make = {"step": compare.make_step, "features": compare.make_features}[work]
    make(side, half=side == "ours", small=True)()

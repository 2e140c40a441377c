import json

import pytest
import torch
import yaml
from small_run import small_options

from skelblocks._utils.native_bfloat16 import native_bfloat16
from skelblocks.training import TrainOptions, load_page, make_fabric, parse_options, precision
from skelblocks.training.precision import ChosenPrecision, check_same_precision, choose_precision

PAGE = load_page("skeletonclr")


@pytest.fixture
def machine(monkeypatch):
    """Say what the machine computes in bfloat16 with."""
    return lambda native: monkeypatch.setattr(precision, "native_bfloat16", lambda device: native)


@pytest.mark.parametrize(("native", "expected"), [("avx512_bf16", "bf16-mixed"), (None, "32-true")])
def test_auto_goes_by_the_machine_and_says_so(machine, tmp_path, capsys, native, expected):
    machine(native)
    run = tmp_path / "run"
    PAGE.train(small_options(PAGE, epochs=1, folder=str(run), accelerator="cpu", precision="auto"))
    assert yaml.safe_load((run / "config.yaml").read_text())["train"]["precision"] == expected
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    assert state["options"]["train"]["precision"] == expected
    record = json.loads((run / "encoder" / "config.json").read_text())["metadata"]["run"]
    assert record["options"]["train"]["precision"] == expected
    assert record["precision"].startswith(f"{expected}: this machine ")
    assert f"Precision {expected}: this machine " in capsys.readouterr().out


@pytest.mark.parametrize("first", ["avx512_bf16", None])
def test_a_run_keeps_its_precision_on_another_machine(machine, tmp_path, capsys, first):
    settings = {"folder": str(tmp_path / "run"), "accelerator": "cpu", "precision": "auto"}
    machine(first)
    PAGE.train(small_options(PAGE, epochs=1, **settings))
    machine(None if first else "avx512_bf16")
    capsys.readouterr()
    PAGE.train(small_options(PAGE, epochs=2, **settings))
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert len(state["history"]) == 2
    assert state["options"]["train"]["precision"] == ("bf16-mixed" if first else "32-true")
    printed = capsys.readouterr().out
    assert "the run's checkpoint has it" in printed
    assert ("which this machine emulates slowly" in printed) == bool(first)


def test_a_run_that_starts_again_goes_by_the_machine(machine, tmp_path):
    settings = {"folder": str(tmp_path / "run"), "accelerator": "cpu", "precision": "auto", "epochs": 1}
    machine(None)
    PAGE.train(small_options(PAGE, **settings))
    machine("amx_bf16")
    PAGE.train(small_options(PAGE, **settings, resume=False))
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["options"]["train"]["precision"] == "bf16-mixed"


def test_fabric_takes_auto(machine):
    machine("avx512_bf16")
    fabric = make_fabric(TrainOptions(accelerator="cpu", precision="auto"))
    with fabric.autocast():
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16


def test_a_short_option_names_the_precision():
    assert parse_options(PAGE.options, ["--precision", "auto"]).train.precision == "auto"


def test_processes_of_different_machines_are_refused(monkeypatch):
    monkeypatch.setattr(precision, "gather_keys", lambda own: torch.cat([own, ~own]))
    with pytest.raises(ValueError, match=r"train.precision: .* bfloat16 only on ranks \[0\]; pass --train.precision"):
        check_same_precision(ChosenPrecision("bf16-mixed", "it has it"), device=torch.device("cpu"))
    monkeypatch.setattr(precision, "gather_keys", lambda own: own.repeat(3))
    check_same_precision(ChosenPrecision("bf16-mixed", "it has it"), device=torch.device("cpu"))


def test_a_damaged_state_is_not_a_precision():
    for state in ({}, {"options": 3}, {"options": {"train": None}}, {"options": {"train": {"precision": 16}}}):
        assert choose_precision("cpu", state=state) == choose_precision("cpu")


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": True}, "amx_bf16"),
        ({"avx512_bf16": True, "amx_bf16": False}, "avx512_bf16"),
        ({"avx512_f": True}, None),
    ],
)
def test_the_processor_says_what_it_has(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert native_bfloat16(torch.device("cpu")) == expected


def test_an_older_torch_is_asked_in_another_way(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert native_bfloat16(torch.device("cpu")) == "avx512_bf16"
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert native_bfloat16(torch.device("cpu")) is None

import dataclasses
import math

import pytest

from skelblocks.training import (
    ContrastOptions,
    DataOptions,
    EncoderOptions,
    EvaluateOptions,
    MethodOptions,
    TrainOptions,
)

GROUPS = {
    "data": DataOptions,
    "train": TrainOptions,
    "encoder": EncoderOptions,
    "contrast": ContrastOptions,
    "evaluate": EvaluateOptions,
}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("group", GROUPS)
def test_no_number_may_be_nan_or_infinite(group, value):
    fields = [field for field in dataclasses.fields(GROUPS[group]) if "float" in str(field.type)]
    for field in fields:
        chosen = {"frames": value} if field.name == "synthetic" else value
        with pytest.raises(ValueError, match=rf"^{group}\.{field.name}.*: expected a finite number.*, got -?(nan|inf)"):
            GROUPS[group](**{field.name: chosen})


@pytest.mark.parametrize(
    ("group", "option", "values"),
    [
        ("data", "frames", [0, -4]),
        ("train", "batch_size", [0, -4, 2.5, True]),
        ("train", "epochs", [0, -1]),
        ("train", "min_steps", [-1]),
        ("train", "steps", [0, -1]),
        ("train", "checkpoint_every", [0]),
        ("train", "workers", [-1]),
        ("train", "seed", [-1]),
        ("train", "milestones", [[0], [-3]]),
        ("train", "learning_rate", [0.0, -0.1]),
        ("train", "timeout", [0.0, -1.0]),
        ("train", "warmup_epochs", [-1.0]),
        ("train", "weight_decay", [-1.0]),
        ("encoder", "base_channels", [0]),
        ("encoder", "out_channels", [0, -16]),
        ("encoder", "dropout", [1.0, -0.5]),
        ("contrast", "embedding", [0]),
        ("contrast", "queue_size", [0, -8]),
        ("contrast", "temperature", [0.0, -1.0]),
        ("contrast", "key_momentum", [-0.1, 1.1]),
        ("contrast", "shear_amplitude", [-0.1]),
        ("evaluate", "every", [-1]),
        ("evaluate", "neighbors", [0, -20]),
        ("evaluate", "probe_rate", [0.0]),
        ("evaluate", "probe_milestone", [0]),
    ],
)
def test_values_out_of_range_are_refused_by_name(group, option, values):
    for value in values:
        with pytest.raises(ValueError, match=rf"^{group}\.{option}: expected (an integer|a finite number)"):
            GROUPS[group](**{option: value})


def test_options_of_a_method_are_searched_too():
    @dataclasses.dataclass(kw_only=True)
    class Options(MethodOptions):
        alpha: float = 1.0
        weights: tuple[float, float] = (0.5, 0.5)

    for changes in ({"alpha": math.nan}, {"weights": (0.5, math.inf)}):
        with pytest.raises(ValueError, match=f"^{next(iter(changes))}: expected a finite number"):
            Options(**changes)


def test_the_dict_holds_plain_values():
    @dataclasses.dataclass(kw_only=True)
    class Options(MethodOptions):
        weights: tuple[float, float] = (0.5, 0.5)

    plain = Options(train=TrainOptions(epochs=3)).to_dict()
    assert list(plain) == [*GROUPS, "weights"]
    assert plain["weights"] == [0.5, 0.5]
    assert plain["train"]["epochs"] == 3
    assert plain["train"]["milestones"] == [250]

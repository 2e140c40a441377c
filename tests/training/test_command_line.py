import json
import re
from pathlib import Path

import pytest
from small_run import METHODS, SMALL, in_groups

from skelblocks.cli import main
from skelblocks.training import MethodOptions, load_page, parse_options
from skelblocks.training.renamed_options import RENAMED_OPTIONS

PAGE = """
from skelblocks.training import MethodOptions, Page
{body}
page = Page(name="mine", options=MethodOptions, build=build, make_views=build)
"""


@pytest.fixture
def config(tmp_path):
    """A YAML file with this content."""

    def write(text):
        (tmp_path / "options.yaml").write_text(text)
        return str(tmp_path / "options.yaml")

    return write


def test_files_and_the_command_line_in_their_order(tmp_path):
    (tmp_path / "a.yaml").write_text("train:\n  epochs: 7\n  batch_size: 16\n")
    (tmp_path / "b.yaml").write_text("train: {batch_size: 32}\n")
    files = ["--config", str(tmp_path / "a.yaml"), "--config", str(tmp_path / "b.yaml")]
    chosen = parse_options(MethodOptions, [*files, "--train.learning_rate", "0.2", "--train.milestones", "[1,2]"]).train
    assert (chosen.epochs, chosen.batch_size, chosen.learning_rate, chosen.milestones) == (7, 32, 0.2, [1, 2])
    assert parse_options(MethodOptions, ["--train.batch-size", "8", "--train.learning-rate=1e-3"]).train.batch_size == 8
    assert parse_options(MethodOptions, ["--train.folder=--of-my-own"]).train.folder == "--of-my-own"


IN_STEPS = "train: {steps: 1000, batch_size: 32, warmup_epochs: 3, warmup_steps: 200}"
IN_EPOCHS = "train: {epochs: 40, min_steps: 400}"


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        (IN_STEPS, "--train.epochs 3", {"epochs": 3, "steps": None, "warmup_steps": 200}),
        (IN_STEPS, "--train {epochs: 3}", {"epochs": 3, "steps": None}),
        (IN_STEPS, "--train.epochs 3 --train.steps 9", {"epochs": 3, "steps": 9}),
        (IN_STEPS, "--train.min_steps 8", {"epochs": 300, "steps": None, "min_steps": 8}),
        (IN_STEPS, "--train.batch_size 8", {"epochs": 300, "steps": 1000}),
        (IN_STEPS, "--train.warmup-epochs 5", {"steps": 1000, "warmup_epochs": 5, "warmup_steps": None}),
        (IN_STEPS, "--train.warmup_steps 5", {"steps": 1000, "warmup_epochs": 0, "warmup_steps": 5}),
        (IN_EPOCHS, "--train.steps 9", {"epochs": 300, "steps": 9, "min_steps": 0}),
        (IN_EPOCHS, "--train.steps null", {"epochs": 40, "steps": None, "min_steps": 400}),
        ("train.epochs: 40", "--train.steps 9", {"epochs": 300, "steps": 9}),
    ],
)
def test_the_command_line_replaces_the_length_in_a_file(config, text, words, expected):
    words = re.split(r" (?![^{]*})", words)
    chosen = parse_options(MethodOptions, ["--config", config(text), *words]).train
    assert {name: getattr(chosen, name) for name in expected} == expected


def test_a_later_file_replaces_the_length_in_an_earlier_one(tmp_path):
    (tmp_path / "a.yaml").write_text(IN_STEPS)
    (tmp_path / "b.yaml").write_text(IN_EPOCHS)
    a, b = (f"--config={tmp_path / name}" for name in ("a.yaml", "b.yaml"))
    for words, epochs, steps in (([a, b], 40, None), ([b, a], 150, 1000), ([a, b, "--train.steps=7"], 150, 7)):
        chosen = parse_options(load_page("pstl").options, words).train
        assert (chosen.epochs, chosen.steps) == (epochs, steps)


def test_carried_configurations_go_by_name():
    chosen = parse_options(load_page("msmclr").options, ["--config", "utd_mhad", "--config=aimclr_small"][:2])
    assert chosen.data.layout == "utd-mhad"


def test_help_has_the_comments_behind_the_options(capsys):
    with pytest.raises(SystemExit):
        parse_options(load_page("msmclr").options, ["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--train.batch_size BATCH_SIZE clips per step, over all processes (type: int, default: 128)" in shown
    assert '--loss {d3m,info_nce} loss of the strong branches; info_nce: table 7, "only L_NCE"' in shown


@pytest.mark.parametrize("method", METHODS)
def test_every_option_has_a_text(method, capsys):
    with pytest.raises(SystemExit):
        parse_options(load_page(method).options, ["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    silent = re.findall(r"(--[\w.]+) [A-Z_{][\w,{}+-]* \(type", shown)
    assert not silent


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "3"], "unrecognized arguments: --epochs 3; options are in groups: epochs is train.epochs"),
        (["--data", "half"], 'Unable to load config "half"; options are in groups: data is data.path'),
        (["--encoder", "dsta"], 'Unable to load config "dsta"; options are in groups: encoder is encoder.kind'),
        (["--train.nope", "3"], "unrecognized arguments: --train.nope 3"),
        (["--train.epochs", "x"], "train.epochs: expected an integer, got x"),
        (["--train.epochs", "0"], "train.epochs: expected an integer >= 1, got 0"),
        (["--train.batch_size", "-4"], "train.batch_size: expected an integer >= 1, got -4"),
        (["--train.timeout", ".nan"], "train.timeout: expected a finite number.*, got nan"),
        (["--train.lr", "3"], r"unrecognized .*; did you mean --train\.learning_rate\? --help lists all options"),
        (["--trian.epochs", "3"], r"did you mean --train\.epochs\?"),
        (["train.epochs=3"], "the name of an option begins with --"),
        (["--data.split", "xsub"], "data.split: expected one of 'cross-subject', .*'none' or null, got xsub"),
        (["--data.stream", "bones"], r"data.stream: expected one of .*, got bones \(did you mean 'bone'\?\)"),
        (["--train.learning_rate", "0,1"], r"train.learning_rate: expected a number, such as 0\.1, got 0,1"),
        (["--data.train_ids", "3"], r"data.train_ids: expected a list, such as \[1,2\], got 3"),
        (["--train.resume", "maybe"], "train.resume: expected true or false, got maybe"),
        (["--train.batch_size"], "expected one argument; write its value behind it"),
        (["--config", "aimclr_smal"], r"config: expected a YAML file, got 'aimclr_smal'.*did you mean 'aimclr_small'"),
        (["--train", "3"], "Unable to load config"),
        (["--train.epochs", "true"], "train.epochs"),
        (["--data.synthetic", "[" * 3000], "nested too deeply|expected a mapping"),
        (["--config", "no_such_name"], "config: expected a YAML file, got 'no_such_name'"),
    ],
    ids=str,
)
def test_wrong_options_are_one_line(arguments, message):
    with pytest.raises((ValueError, OSError), match=message) as error:
        parse_options(MethodOptions, arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epochs: 3", "Option 'epochs' is not accepted; options are in groups: epochs is train.epochs"),
        ("train: {epochs: x}", "train.epochs: expected an integer, got x"),
        ("train: {nope: 3}", "Group 'train' does not accept option 'nope'"),
        ("train: 3", "expected options of the group 'train' in .*, got 3"),
        ("train:", "expected options of the group 'train' in .*, got None"),
        ("- 3", "expected groups of options in .*, got list"),
        ("3", "expected groups of options in .*, got int"),
        ("train: {epochs: 3}\ntrain: {seed: 3}", "got 'train' twice"),
        ("train: {epochs: 3, seed: 1, epochs: 4}", "got 'epochs' twice"),
        ("train: {warmup_epochs: .nan}", "train.warmup_epochs: expected a finite number"),
        ("[" * 3000 + "]" * 3000, "is nested more than 16 deep"),
        ("a: " * 0 + "{a: " * 3000 + "3" + "}" * 3000, "is nested more than 16 deep"),
        ("a: &a [1]\nb: *a\n", r"expected no aliases, got \*a in .*; write the value out"),
        ("train: {epochs: 3", "is not valid YAML"),
        ("\x00", "is not valid YAML"),
        (f"# {'x' * (1 << 20)}", "expected at most 1048576 bytes"),
    ],
    ids=lambda text: text[:20],
)
def test_wrong_files_are_one_line(config, content, message):
    with pytest.raises((ValueError, OSError), match=message) as error:
        parse_options(MethodOptions, ["--config", config(content)])
    assert "\n" not in str(error.value)


def test_a_folder_or_a_set_as_a_file_of_options(tmp_path):
    (tmp_path / "clips.npz").write_bytes(bytes(range(256)) * 9)
    for path in (tmp_path, tmp_path / "clips.npz"):
        with pytest.raises((ValueError, OSError), match="config: "):
            parse_options(MethodOptions, [f"--config={path}"])


def test_every_renamed_option_is_there():
    fields = {f"{group}.{name}" for group, options in MethodOptions().to_dict().items() for name in options} | {
        "top_k",
        "joint_ratio",
        "frame_ratio",
        "ratio_counts",
    }
    assert set(RENAMED_OPTIONS.values()) <= fields


def test_the_command_trains_a_method_and_a_copied_page(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = tmp_path / "small.yaml"
    page = load_page("skeletonclr")
    small.write_text(json.dumps(in_groups(page.options, {**SMALL, "epochs": 1})))
    assert main(["copy", "skeletonclr", "."]) == 0
    for name in ("skeletonclr", "train_skeletonclr.py"):
        capsys.readouterr()
        assert main(["train", name, "--config", str(small), "--train.folder", str(tmp_path / f"run_{name}")]) == 0
        assert re.match(r"epoch 1, loss [\d.]+, .*knn [\d.]+", capsys.readouterr().out)
        assert (tmp_path / f"run_{name}" / "encoder" / "config.json").is_file()


def test_errors_of_the_command_are_one_line(tmp_path, capsys):
    (tmp_path / "nothing.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("x = (\n")
    (tmp_path / "fails.py").write_text("raise KeyError('a')\n")
    (tmp_path / "raises.py").write_text(
        PAGE.format(body="def build(*args, **kwargs):\n    raise ValueError('mine: too large')\n")
    )
    (tmp_path / "returns.py").write_text(PAGE.format(body="build = lambda *args, **kwargs: 3\n"))
    small = ["--data.synthetic", json.dumps(SMALL["synthetic"]), "--train.batch_size", "4"]
    small += ["--train.folder", str(tmp_path / "run")]
    for arguments, message in (
        (["nope"], "expected a file or one of .*aimclr, .*skeletonclr, got 'nope'"),
        ([str(tmp_path / "none.py")], "expected a file or one of"),
        ([str(tmp_path / "nothing.py")], r"to define page = skelblocks.training.Page\(...\), got NoneType"),
        ([str(tmp_path / "broken.py")], "cannot be run: SyntaxError"),
        ([str(tmp_path / "fails.py")], "cannot be run: KeyError"),
        ([str(tmp_path / "raises.py"), *small], r"mine: too large \(raises.py, line 4\)"),
        ([str(tmp_path / "returns.py"), *small], "build: expected an nn.Module with update and encoders, got int"),
        (["msmclr", "--epochs", "3"], "epochs is train.epochs"),
        (["msmclr", *small, "--data.path", "none.npz"], "there is no file"),
    ):
        assert main(["train", *arguments]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(message, line), line
    assert not (tmp_path / "run").exists()


def test_with_debug_an_error_has_its_traceback(capsys):
    for arguments in (["--debug", "train", "nope"], ["train", "msmclr", "--train.epochs", "0", "--debug"]):
        assert main(arguments) == 1
        assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a\x1b[31mred", "two\nlines", "left\u202eright"])
def test_names_do_not_reach_the_terminal_as_they_are(tmp_path, capsys, name):
    main(["train", str(tmp_path / f"{name}.py")])
    main(["train", "msmclr", "--data.path", str(tmp_path / f"{name}.npz"), "--train.folder", str(tmp_path / "run")])
    main(["train", "msmclr", "--config", str(tmp_path / name)])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.startswith("error: ")
        assert line.isprintable()


def test_copying(tmp_path, capsys):
    assert main(["copy"]) == 0
    listed = capsys.readouterr().out.split()
    assert {"msmclr", "utd_mhad", "small"} <= set(listed)
    assert main(["copy", "utd_mhad", str(tmp_path)]) == 0
    assert (tmp_path / "utd_mhad.yaml").read_text().startswith("# UTD-MHAD")
    for arguments, message in (
        (["utd_mhad", str(tmp_path)], "exists already"),
        (["nope", str(tmp_path)], "expected one of actclr, aimclr"),
        (["../pyproject", str(tmp_path)], "expected one of actclr, aimclr"),
        (["msmclr", str(tmp_path / "none" / "mine.py")], "there is no folder"),
    ):
        capsys.readouterr()
        assert main(["copy", *arguments]) == 1
        assert message in capsys.readouterr().err


def test_the_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert re.fullmatch(r"skelblocks \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_the_page_on_options_has_every_renamed_option():
    page = (Path(__file__).parents[2] / "docs" / "options.md").read_text()
    assert dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|$", page, re.MULTILINE)) == RENAMED_OPTIONS

import pytest
from command_line import main, parse
from engine import TrainingOptions
from train_msmclr import Options


def test_files_of_options_and_the_command_line(tmp_path):
    (tmp_path / "a.yaml").write_text("epochs: 7\nbatch_size: 16\n")
    (tmp_path / "b.yaml").write_text("batch_size: 32\n")
    files = ["--config", str(tmp_path / "a.yaml"), "--config", str(tmp_path / "b.yaml")]
    chosen = parse(TrainingOptions, [*files, "--learning_rate", "0.2", "--milestones", "[1,2]"])
    assert (chosen.epochs, chosen.batch_size, chosen.learning_rate, chosen.milestones) == (7, 32, 0.2, [1, 2])
    assert parse(TrainingOptions, ["--batch-size", "8", "--learning-rate=1e-3"]).batch_size == 8
    assert parse(TrainingOptions, ["--folder=--of-ones-own"]).folder == "--of-ones-own"
    (tmp_path / "c.yaml").write_text("batchsize: 32\n")
    with pytest.raises(SystemExit):
        parse(TrainingOptions, ["--config", str(tmp_path / "c.yaml")])


def test_help_has_the_comments_behind_the_options(capsys):
    with pytest.raises(SystemExit):
        parse(Options, ["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--batch_size BATCH_SIZE clips in all processes together (type: int, default: 128)" in shown
    assert '--loss {d3m,info_nce} of the strong branches; info_nce: table 7, "only L_NCE"' in shown


def test_a_wrong_wish_is_one_line_and_figures_are_printed(monkeypatch, capsys):
    def train(options):
        if options.epochs > 3:
            raise ValueError("epochs: too many")
        return {"loss": 1.23456, "knn": 50.0}

    monkeypatch.setattr("sys.argv", ["train.py", "--epochs", "3"])
    main(train, TrainingOptions)
    assert capsys.readouterr().out == "loss 1.235, knn 50\n"
    monkeypatch.setattr("sys.argv", ["train.py", "--epochs", "4"])
    with pytest.raises(SystemExit, match=r"^error: epochs: too many \(test_command_line.py, line \d+\)$"):
        main(train, TrainingOptions)

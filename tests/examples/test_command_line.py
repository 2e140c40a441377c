import pytest
from command_line import parse
from engine import TrainingOptions


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

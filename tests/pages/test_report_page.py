import base64
import json
import re
from html.parser import HTMLParser

import pytest
from saved_run import save_run
from small_run import write_set

from skelblocks.cli.evaluate_runs import evaluate
from skelblocks.evaluation import paired_bootstrap
from skelblocks.pages import report_page
from skelblocks.pages.report_facts import learning_curves, option_lines
from skelblocks.protocols import MeasureOptions, ProtocolOptions, ReportOptions, Results, results_table
from skelblocks.protocols.row_differences import run_differences
from skelblocks.protocols.run_protocols import run_protocols

HOSTILE = '</title></script><img src="http://x.invalid/a.png" onerror="alert(1)">\u2028\u202e'
QUICK = ["--evaluate.accelerator", "cpu", "--finetune.epochs", "1", "--finetune.batch_size", "4", "--semi.draws", "1"]
QUICK += ["--semi.epochs", "1", "--semi.learning_rate", "0.01", "--finetune.learning-rate", "0.01"]


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.fixture
def folders(tmp_path):
    """Two seeds of one method and a run of another one, with logs."""
    data = write_set(tmp_path / "mine.npz")
    folders = []
    for name, method, seed, epochs in (("a", "first", 0, 3), ("b", "first", 1, 3), ("c", "second", 0, 2)):
        save_run(tmp_path / name, data, method=method, seed=seed, train={"epochs": epochs, "rate": 0.1})
        rows = [{"epoch": i + 1, "loss": 3.0 - i, "knn": 20.0 + i} for i in range(epochs)]
        (tmp_path / name / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{damaged\n")
        folders.append(str(tmp_path / name))
    return folders


@pytest.fixture
def results(folders):
    options = ProtocolOptions(evaluate=MeasureOptions(accelerator="cpu", probe="ridge"))
    return run_protocols(folders, ["knn", "linear"], options)


def test_options_are_told_apart(results):
    lines = option_lines(results)
    assert lines.runs == ["first, joint, seed 0", "first, joint, seed 1", "second, joint"]
    different = {name: values for name, *values in lines.different}
    assert different["train.epochs"] == ["3", "3", "2"]
    assert different["seed"] == ["0", "1", "0"]
    assert ["train.rate", "0.1"] in lines.same
    assert ["own.anything", "[1, 2]"] in lines.same
    assert not {name for name, _ in lines.same} & set(different)


def test_curves_are_those_of_the_logs(results):
    charts = {chart.title: chart for chart in learning_curves(results)}
    assert list(charts) == ["Loss of the training", "kNN accuracy while training"]
    loss = {line.name: line.cells for line in charts["Loss of the training"].lines}
    assert loss["first, joint, seed 1"] == ["3", "1", "1", "3"]
    assert loss["second, joint"] == ["3", "2", "2", "3"]


def test_runs_are_compared_with_each_other(results):
    found = run_differences(results)
    assert list(found) == ["first, joint"]
    assert list(found["first, joint"]) == ["second, joint"]
    one = [row["knn"][0] for key, row in results.rows.items() if key.name == "first"]
    (other,) = (row["knn"][0] for key, row in results.rows.items() if key.name == "second")
    test = next(iter(results.runs.values())).sets.test
    hits = [(each.scores.scores.argmax(dim=1) == test.labels).double() for each in (*one, other)]
    expected = paired_bootstrap((hits[0] + hits[1]) / 2, hits[2], groups=test.groups("subject"))
    assert found["first, joint"]["second, joint"]["knn"].low == pytest.approx(100 * expected.low)


def test_the_page_has_the_numbers_of_the_table(results):
    html = report_page(results, command="skelblocks evaluate report a b c")
    for line in results_table(results).splitlines()[2:4]:
        for cell in line.strip("| ").split(" | "):
            assert f">{cell}<" in html
    assert "skelblocks evaluate report a b c" in html
    assert "Options that differ" in html
    assert html.count("<polyline class=") == 2 * 2 * 3
    assert "<img" not in html


def test_no_result_is_an_error():
    with pytest.raises(ValueError, match="results: expected at least one run"):
        report_page(Results())


def test_hostile_names_are_text(tmp_path):
    data = write_set(tmp_path / "mine.npz")
    save_run(tmp_path / "a", data, method=HOSTILE, own={HOSTILE: HOSTILE})
    options = ProtocolOptions(evaluate=MeasureOptions(accelerator="cpu"), names=[HOSTILE])
    found = run_protocols([str(tmp_path / "a")], ["knn"], options)
    html = report_page(found, title=HOSTILE, command=HOSTILE)
    page = Elements(html)
    assert not [tag for tag, _ in page.found if tag == "img"]
    assert not [attributes for _, attributes in page.found if any(name.startswith("on") for name in attributes)]
    assert "\u2028" not in html
    assert "\u202e" not in html


def test_the_command_writes_a_page_with_pictures(folders, tmp_path, capsys):
    out, page = tmp_path / "out", tmp_path / "out" / "report.html"
    command = [folders[0], "--out", str(out), "--html", str(page), "--animation", "false", *QUICK]
    evaluate("report", command)
    assert capsys.readouterr().out.splitlines()[-1] == str(page)
    html = page.read_text(encoding="utf-8")
    addresses = [attributes["src"] for tag, attributes in Elements(html).found if tag == "img"]
    drawn = {path.read_bytes() for path in out.glob("*.png")}
    assert len(addresses) >= 4
    assert all(base64.b64decode(each.removeprefix("data:image/png;base64,")) in drawn for each in addresses)
    assert "untrained, torch" in html
    assert re.search(r"skelblocks evaluate report \S+ --out", html)


def test_a_page_that_cannot_be_written_is_an_error_before_the_work(folders, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("the work has begun")

    monkeypatch.setattr("skelblocks.cli.evaluate_runs._ON_RUNS", {"report": (ReportOptions, never)})
    for name, message in (("a.pdf", "html: expected a name that ends in .html"), ("none/a.html", "create it first")):
        with pytest.raises((ValueError, OSError), match=message):
            evaluate("report", [folders[0], "--html", str(tmp_path / name)])


@pytest.mark.browser
def test_the_page_opens_without_an_error(results, show):
    page = show(report_page(results, title=HOSTILE, command=HOSTILE))
    assert page.find_element("css selector", "h1").text.startswith("</title>")
    line = page.find_element("css selector", ".lines polyline")
    assert line.value_of_css_property("stroke-width") == "2.2px"
    before = line.value_of_css_property("stroke")
    page.find_element("id", "theme-button").click()
    assert line.value_of_css_property("stroke") != before
    summary = page.find_element("css selector", "summary")
    summary.send_keys("\ue007")  # enter
    assert page.find_element("css selector", "details").get_attribute("open")

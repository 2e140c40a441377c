import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from skelblocks import layouts
from skelblocks.clips import RawClip
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data import ArrayDataset, Preprocessing, synthetic_motion
from skelblocks.pages import Packed, set_facts, set_page, unpack, unpack_motion
from skelblocks.pages.clip_sequences import ArrayClips
from skelblocks.pages.set_charts import set_charts

HOSTILE = '</title></script><img src="http://x.invalid/a.png" onerror="alert(1)">\u2028\u202e'


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found, self.text = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text.append(data)


def data_of(html):
    """The page's data by name."""
    pattern = r'id="data-([^"]+)" data-dtype="([^"]+)" data-shape="([^"]*)">([^<]*)<'
    return {
        name: Packed(text, dtype, tuple(map(int, filter(None, shape.split(",")))))
        for name, dtype, shape, text in re.findall(pattern, html)
    }


@pytest.fixture
def arrays():
    """Twelve clips, of which clip 9 is clip 2 in another place."""
    motion = synthetic_motion(classes=3, subjects=2, views=2, frames=12, persons=2)
    x = np.concatenate([motion.x.numpy(), np.zeros_like(motion.x.numpy()[:, :, :4])], axis=2)
    x[9] = x[2] + 0.5 * (x[2] != 0)
    return {
        "clips": x,
        "labels": motion.labels.numpy(),
        "views": motion.views.numpy(),
        "subjects": motion.subjects.numpy(),
        "names": np.array([f"clip {i}" for i in range(12)]),
    }


def test_facts_of_arrays(arrays):
    arrays["clips"][4, :, 3:6, 7, 0] = 0
    arrays["clips"][5, 1, 2, 8, 0] = np.nan
    facts = set_facts(ArrayClips(arrays))
    assert list(facts.groups) == ["subject", "view"]
    assert facts.groups["view"].tolist() == arrays["views"].tolist()
    assert set(facts.lengths.tolist()) == {12}
    assert (facts.copies.first.tolist(), facts.copies.second.tolist()) == ([2], [9])
    assert facts.not_finite == 1
    present = (np.nan_to_num(arrays["clips"]) != 0).any(axis=(1, 3)).sum()
    expected = np.zeros(25)
    expected[7], expected[8] = 3 / present, 1 / present
    np.testing.assert_allclose(facts.unseen, expected)


def test_the_origin_is_seen_and_zeros_of_prepared_clips_are_places(arrays):
    arrays["clips"] -= arrays["clips"][:, :, :, :1] * (arrays["clips"] != 0)
    assert not set_facts(ArrayClips(arrays)).unseen.any()
    dataset = ArrayDataset(arrays["clips"], layout="ntu-rgb+d", preprocessing=Preprocessing(frames=8, per="clip"))
    assert not set_facts(dataset).unseen.any()


def test_masks_of_a_data_set_count(arrays):
    seen = np.ones((12, 16, 25, 2), dtype=bool)
    seen[:, :, 5] = False
    dataset = ArrayDataset(arrays["clips"], layout="ntu-rgb+d", seen=seen, preprocessing=Preprocessing(frames=8))
    assert set_facts(dataset).unseen.tolist() == [float(i == 5) for i in range(25)]


def test_damaged_clips_are_left_out(arrays):
    whole = ArrayClips(arrays)

    class Damaged(list):
        def __getitem__(self, i):
            if i == 1:
                raise ClipFormatError("a.skeleton", "a bad line")
            return whole[i]

    facts = set_facts(Damaged(range(12)))
    assert facts.damaged == ("a bad line",)
    assert facts.places.tolist() == [0, *range(2, 12)]
    assert (facts.copies.first.tolist(), facts.copies.second.tolist()) == ([1], [8])
    shown = unpack(data_of(set_page(Damaged(range(12)), title="a", layout=layouts.get("ntu-rgb+d")))["shown"])
    assert shown["pairs"][0]["names"] == ["clip 2", "clip 9"]


def test_clips_with_another_number_of_persons(arrays):
    x = arrays["clips"]
    clips = [RawClip(str(i), x[i][..., : 1 + i % 2], np.ones((16, 1 + i % 2), bool), 0, {}) for i in range(4)]
    assert len(set_facts(clips).names) == 4


def test_errors(arrays):
    x = arrays["clips"][0]
    clips = [RawClip("a", x, np.ones((16, 2), bool), 0, {}), RawClip("b", x[:, :, :20], np.ones((16, 2), bool), 0, {})]
    with pytest.raises(ValueError, match="clips: expected one skeleton, got 25 joints in 'a' and 20 in 'b'"):
        set_facts(clips)
    with pytest.raises(ValueError, match="at least one clip that can be read, got none; it is empty"):
        set_facts([])
    with pytest.raises(ValueError, match="train: expected a boolean for each of 12 clips"):
        set_page(ArrayClips(arrays), title="a", train=np.ones(3, dtype=bool))


def test_charts_count_every_clip(arrays):
    facts = set_facts(ArrayClips(arrays))
    train = facts.groups["view"] == 0
    charts = {chart.caption: chart for chart in set_charts(facts, layout=None, class_names=["wave"], train=train)}
    assert charts["Clips by class"].rows == [["0 wave", 2, 2, 4], [1, 2, 2, 4], [2, 2, 2, 4]]
    assert charts["Clips by view"].rows == [[0, 6, 0, 6], [1, 0, 6, 6]]
    assert sum(row[1] for row in charts["Lengths"].rows) == 12
    assert len(charts["Unseen joints"].rows) == 25
    assert all(0 <= size <= 1 for chart in charts.values() for size in chart.sizes)


@pytest.mark.parametrize("lengths", [[1], [0, 1], [3, 50, 201], list(range(1, 300))])
def test_lengths_fall_into_few_rows(arrays, lengths):
    facts = dataclasses.replace(set_facts(ArrayClips(arrays)), lengths=np.array(lengths))
    chart = next(each for each in set_charts(facts, layout=None) if each.caption == "Lengths")
    assert len(chart.rows) <= 10
    assert sum(row[1] for row in chart.rows) == len(lengths)


def test_the_page_shows_counts_and_plays_copies(arrays):
    html = set_page(
        ArrayClips(arrays),
        title="The set",
        layout=layouts.get("ntu-rgb+d"),
        class_names=["wave", "kick", "walk"],
        train=arrays["views"] == 0,
    )
    assert "1 pair, 1 across training and test" in html
    data = data_of(html)
    shown = unpack(data["shown"])
    (pair,) = shown["pairs"]
    assert pair["names"] == ["clip 2", "clip 9"]
    motion = unpack_motion(data)
    first, second = (motion[i] for i in pair["clips"])
    np.testing.assert_allclose(first[:, :12], arrays["clips"][2][:, :12], atol=0.01)
    np.testing.assert_allclose(second[:, :12], arrays["clips"][9][:, :12], atol=0.01)
    assert [sample["label"] for sample in shown["samples"]] == ["0 wave", "1 kick", "2 walk"]
    assert "Play clip 2 beside clip 9" in html


def test_without_a_skeleton_nothing_plays(arrays):
    html = set_page(ArrayClips(arrays), title="a")
    assert "motion" not in data_of(html)
    assert "<canvas" not in html
    assert "clip 9" in html


@pytest.mark.parametrize("y", ["up", "down"])
def test_pictures_stand_upright(arrays, y):
    x, _ = layouts.remap(arrays["clips"][:, :2], source="ntu-rgb+d", target="coco-17", axis=3, missing="nearest")
    drawn = x.copy() * np.array([1, -1 if y == "down" else 1])[:, None, None, None]
    html = set_page(ArrayClips({**arrays, "clips": drawn}), title="a", layout=layouts.get("coco-17"))
    motion, shown = unpack_motion(data_of(html)), unpack(data_of(html)["shown"])
    place = shown["pairs"][0]["clips"][0]
    np.testing.assert_allclose(motion[place][1, :12], x[2][1, :12], atol=0.01)


def test_hostile_names_are_text(arrays):
    arrays["names"] = np.array([HOSTILE] * 12)
    arrays[HOSTILE] = np.array([HOSTILE, "b"] * 6)
    html = set_page(
        ArrayClips(arrays),
        title=HOSTILE,
        layout=layouts.get("ntu-rgb+d"),
        class_names=[HOSTILE] * 3,
        details={HOSTILE: HOSTILE},
    )
    page = Elements(html)
    assert not [tag for tag, _ in page.found if tag == "img"]
    assert not [attributes for _, attributes in page.found if any(name.startswith("on") for name in attributes)]
    assert "\u2028" not in html
    assert "\u202e" not in html
    assert HOSTILE in json.dumps(unpack(data_of(html)["shown"]), ensure_ascii=False).replace('\\"', '"')


@pytest.mark.browser
def test_pairs_play_side_by_side(arrays, show):
    arrays["clips"][11] = arrays["clips"][0]
    page = show(
        set_page(ArrayClips(arrays), title=HOSTILE, layout=layouts.get("ntu-rgb+d"), class_names=[HOSTILE, "kick", "c"])
    )
    frame = "return ['first', 'second'].map((side) => document.getElementById(`copy-${side}`).dataset.frame)"
    wait(page, lambda: page.execute_script(frame)[0] not in (None, "0"))
    first, second = page.execute_script(frame)
    assert first == second
    names = "return ['first', 'second'].map((side) => document.getElementById(`copy-${side}-name`).textContent)"
    assert page.execute_script(names) == ["clip 0", "clip 11"]
    page.find_element("id", "copy-next").click()
    assert page.execute_script(names) == ["clip 2", "clip 9"]
    page.find_element("css selector", "[data-pair='0']").send_keys("\ue007")  # enter
    assert page.execute_script(names) == ["clip 0", "clip 11"]
    assert "Pair 1 of 2" in page.find_element("id", "copy-place").text
    page.find_element("css selector", "#sample-class").send_keys("1")
    wait(page, lambda: page.find_element("id", "sample-name").text == "clip 6")


def wait(page, done):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 10).until(lambda _: done())

"""The page in headless Chromium; the fixture fails a test that leaves an error or a violation of the policy behind."""

import csv

import numpy as np
import pytest
from explored_page import HOSTILE, at_ease, carried, small_page, small_set

from skelblocks._utils.escape import escape
from skelblocks.evaluation import nearest_neighbors

pytest.importorskip("selenium")
from selenium.webdriver import ActionChains, Keys

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def html():
    return small_page(*small_set())


@pytest.fixture
def page(show, html):
    browser = show(html)
    at_ease(browser)
    return browser


def place_of(html, browser, i):
    """Where a clip's point is, from the middle of the canvas, as the page computes it from the data."""
    canvas = browser.find_element("id", "scatter")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    width, height = browser.execute_script("return [arguments[0].clientWidth, arguments[0].clientHeight]", canvas)
    x, y = carried(html)["places"][0][i] / 65535 - 0.5
    side = 0.92 * min(width, height)
    return canvas, round(side * x), round(-side * y)


def figures(browser, place):
    return [int(each.get_attribute("data-clip")) for each in browser.find_elements("css selector", f"#{place} figure")]


def frame(browser, place):
    canvas = browser.find_element("css selector", f"#{place} canvas")
    return canvas.get_attribute("data-frame"), browser.execute_script("return arguments[0].toDataURL()", canvas)


def lonely(html):
    """The clip whose point is farthest from all others, which the pointer cannot miss."""
    places = carried(html)["places"][0].astype(float)
    distances = np.linalg.norm(places[:, None] - places, axis=-1) + 1e9 * np.eye(len(places))
    return int(distances.min(axis=1).argmax())


def test_pointing_at_a_clip_plays_it(page, html):
    i = lonely(html)
    canvas, x, y = place_of(html, page, i)
    ActionChains(page).move_to_element_with_offset(canvas, x, y).perform()
    assert figures(page, "current") == [i]
    first = frame(page, "current")
    page.execute_async_script("setTimeout(arguments[0], 400)")
    assert frame(page, "current") != first


def test_a_click_pins_a_clip_beside_its_neighbors(page, html):
    i = lonely(html)
    canvas, x, y = place_of(html, page, i)
    ActionChains(page).move_to_element_with_offset(canvas, x, y).click().perform()
    _, features = small_set()
    cosines, places = nearest_neighbors(features, features, k=3, exclude_self=True)
    assert figures(page, "pinned") == [i]
    assert figures(page, "neighbors") == places[i].tolist()
    shown = page.find_element("id", "neighbors").text
    assert [f"{cosine:.4f}" in shown for cosine in cosines[i].tolist()] == [True] * 3
    page.find_element("css selector", "#neighbors button").click()
    assert figures(page, "pinned") == [int(places[i][0])]


def test_the_keyboard_reaches_everything(page):
    canvas = page.find_element("id", "scatter")
    canvas.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    (moved_to,) = figures(page, "current")
    assert page.find_element("id", "status").get_attribute("textContent")
    canvas.send_keys(Keys.ENTER, "s")
    assert figures(page, "pinned") == [moved_to]
    assert page.find_element("id", "selection-count").text == "1 clip selected"
    canvas.send_keys(Keys.ESCAPE)
    assert not figures(page, "pinned")
    canvas.send_keys(" ")
    assert page.find_element("css selector", "[data-plays]").text == "Play"
    before = frame(page, "current")
    page.execute_async_script("setTimeout(arguments[0], 300)")
    assert frame(page, "current") == before
    reached = set()
    page.find_element("id", "theme-button").send_keys("")
    for _ in range(80):
        ActionChains(page).send_keys(Keys.TAB).perform()
        reached.add(page.execute_script("const e = document.activeElement; return e.id || e.closest('[id]')?.id || ''"))
    assert {"color", "map-choice", "scatter", "zoom-in", "legend", "search", "export", "confusion"} <= reached


def test_the_keyboard_moves_in_the_confusion_matrix_and_opens_a_cell(page, html):
    found = carried(html)
    truth, guess = found["columns"][0], found["columns"][-1]
    page.find_element("css selector", "#confusion td button").send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ENTER)
    expected = np.flatnonzero((truth == 1) & (guess == 1)).tolist()
    chosen = [int(each.get_attribute("data-clip")) for each in page.find_elements("css selector", "#selection button")]
    assert chosen == expected
    assert figures(page, "pinned") == expected[:1]


def exported(browser, folder):
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    browser.execute_script("arguments[0].click()", browser.find_element("id", "export"))
    for _ in range(100):
        browser.execute_async_script("setTimeout(arguments[0], 50)")
        if (folder / "selection.csv").exists():
            return list(csv.reader((folder / "selection.csv").open(encoding="utf-8", newline="")))
    raise AssertionError("nothing was downloaded")


def test_a_box_selects_and_the_csv_file_has_its_rows(page, html, tmp_path):
    dataset, _ = small_set()
    page.find_element("css selector", "[data-mode=box]").click()
    canvas, _, _ = place_of(html, page, 0)
    width, height = page.execute_script("return [arguments[0].clientWidth, arguments[0].clientHeight]", canvas)
    chain = ActionChains(page).move_to_element_with_offset(canvas, -width // 2 + 3, -height // 2 + 3).click_and_hold()
    chain.move_to_element_with_offset(canvas, -20, 0).move_to_element_with_offset(canvas, 0, height // 2 - 3).release()
    chain.perform()
    places = carried(html)["places"][0]
    expected = np.flatnonzero(places[:, 0] < 65535 / 2).tolist()
    near = np.flatnonzero(abs(places[:, 0] - 65535 / 2) < 400).tolist()  # a pixel or so from the edge of the box
    head, *rows = exported(page, tmp_path)
    assert head == ["clip", "class", "subject", "view", "cluster", "predicted"]
    names = [escape(name, to="csv") for name in dataset.names]
    assert {row[0] for row in rows} ^ {names[i] for i in expected} <= {names[i] for i in near}
    for row in rows:
        i = names.index(row[0])
        assert row[1:3] == [dataset.class_names[dataset.labels[i]], str(dataset.subjects[i])]


def test_search_finds_hostile_names_and_selects_them(page, tmp_path):
    page.find_element("id", "search").send_keys("onerror")
    assert page.find_element("id", "found-count").text == "1 clip found"
    page.find_element("id", "select-found").click()
    rows = exported(page, tmp_path)[1:]
    assert [row[0] for row in rows] == [HOSTILE[0]]
    assert not page.find_elements("css selector", "img")


def test_a_color_stands_out_and_the_theme_changes(page):
    page.find_element("css selector", "#color").send_keys("subject")
    buttons = page.find_elements("css selector", "#legend button")
    assert len(buttons) == 3
    buttons[0].click()
    assert buttons[0].get_attribute("aria-pressed") == "true"
    page.find_element("id", "theme-button").click()


def test_nothing_is_loaded(page):
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert page.find_element("id", "page-error").get_attribute("hidden") is not None

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest

import skelblocks
from skelblocks.pages import pack_json, render_page, write_page

HOSTILE = '</title></script><img src="http://x.invalid/a.png" onerror="alert(1)">\u2028\u202e\x1b'
PLAYER = {"scripts": ["player.js"]}


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_names_are_text():
    html = render_page("base.html", title=HOSTILE, data={"names": pack_json([HOSTILE])})
    assert not [tag for tag, _ in Elements(html).found if tag == "img"]
    assert "\\u202e" in html
    assert "\u2028" not in html


def test_nothing_is_loaded_and_no_attribute_is_a_script_or_a_style():
    for tag, attributes in Elements(render_page("base.html", title="A page", **PLAYER)).found:
        assert not {name for name in attributes if name.startswith("on") or name == "style"}, tag
        assert {"src", "href"}.isdisjoint(attributes) or attributes["href"].startswith("#"), tag


def test_the_policy_names_each_script_and_style_by_its_hash():
    html = render_page("base.html", title="A page", **PLAYER)
    policy = next(each["content"] for tag, each in Elements(html).found if each.get("http-equiv"))
    for text in re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", html, flags=re.DOTALL):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_a_table_has_headers_and_text(monkeypatch):
    folder = Path(skelblocks.__file__).parent / "pages"
    loader = jinja2.ChoiceLoader(
        [
            jinja2.DictLoader(
                {
                    "own.html": '{% extends "base.html" %}{% block main %}{% from "tables.html" import table %}'
                    "{{ table('Counts', ['class', 'clips'], rows) }}{% endblock %}"
                }
            ),
            jinja2.FileSystemLoader(folder / "templates"),
        ]
    )
    monkeypatch.setattr(jinja2, "FileSystemLoader", lambda place: loader)
    html = render_page("own.html", title="A page", values={"rows": [["<b>", 3]]})
    assert '<th scope="row">&lt;b&gt;</th>' in html
    assert '<td class="number">3</td>' in html
    assert "<caption>Counts</caption>" in html


def test_pages_are_written_whole(tmp_path):
    html = render_page("base.html", title="A page")
    assert write_page(tmp_path / "page.html", html).read_text(encoding="utf-8") == html
    with pytest.raises(FileExistsError, match=r"path: .* exists already"):
        write_page(tmp_path / "page.html", html, overwrite=False)
    with pytest.raises(ValueError, match=r"ends in \.html, got 'page\.txt'"):
        write_page(tmp_path / "page.txt", html)
    with pytest.raises(FileNotFoundError, match="path: the folder"):
        write_page(tmp_path / "none" / "page.html", html)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.browser
def test_the_theme_is_switched_by_a_button(show):
    browser = show(render_page("base.html", title=HOSTILE, **PLAYER))
    ground = "return getComputedStyle(document.body).backgroundColor"
    before = browser.execute_script(ground)
    browser.find_element("id", "theme-button").click()
    assert browser.execute_script(ground) != before

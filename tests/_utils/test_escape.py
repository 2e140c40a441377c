import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skelblocks._utils.escape import TARGETS, escape

HOSTILE = [
    ("\x1b[31mred", r"\x1b[31mred"),
    ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
    ("\x9b31m", r"\x9b31m"),
    ("two\nlines", r"two\nlines"),
    ("two\r\nlines\ttab", r"two\r\nlines\ttab"),
    ("\u2028\u2029\x85\x0b\x0c", r"\u2028\u2029\x85\x0b\x0c"),
    ("abc\u202edcba\u202c", r"abc\u202edcba\u202c"),
    ("\u2066x\u2069\u200e\u200f\u061c", r"\u2066x\u2069\u200e\u200f\u061c"),
    ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
    ("\U000e0041", r"\U000e0041"),
    ("lone \udc80", r"lone \udc80"),
    ("\0", r"\x00"),
    ("\x7f\b", r"\x7f\x08"),
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
@pytest.mark.parametrize("to", ["terminal", "picture", "html"])
def test_nothing_that_is_obeyed_is_left(text, shown, to):
    assert escape(text, to=to) == shown


@pytest.mark.parametrize("text", ["walk towards", "naïve", "خانه‌ها", "走る", "👩‍🚒", "C:\\clips\\a.npz", "100 %"])
def test_ordinary_names_stay(text):
    assert escape(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        (r"a\|b", r"a\\\|b"),
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
        ("a & b", "a &amp; b"),
        ("`code` *bold* ~~gone~~", r"\`code\` \*bold\* \~\~gone\~\~"),
        ("[link](place)", r"\[link\](place)"),
        ("left_hand", "left_hand"),
        ("_left_ hand_", r"\_left\_ hand\_"),
        ("$a_$", r"\$a\_\$"),
        ("line\nbreak", r"line\\nbreak"),
    ],
)
def test_markdown(text, shown):
    assert escape(text, to="markdown") == shown


@given(st.text())
def test_any_text_is_one_printable_line_that_encodes(text):
    for to in TARGETS:
        shown = escape(text, to=to)
        shown.encode()
        assert len(shown.splitlines()) <= 1
        assert "<" not in shown or to in ("terminal", "picture", "csv")
    assert html.unescape(escape(text, to="html")) == escape(text)


def test_html_keeps_attributes_closed():
    assert escape("\"><script>'", to="html") == "&quot;&gt;&lt;script&gt;&#x27;"


@pytest.mark.parametrize("longest", [1, 2, 3, 10])
def test_long_texts_are_shortened(longest):
    assert len(escape("abcdefghijklmnopq", longest=longest)) == longest
    assert escape("a" * longest, longest=longest) == "a" * longest


@pytest.mark.parametrize("text", ["=1+1", "+1", "-2", "@SUM(A1)", "  =cmd|' /C calc'!A0"])
def test_no_cell_of_a_table_is_a_formula(text):
    assert escape(text, to="csv") == f"'{text}"
    assert escape(f"a{text}", to="csv") == f"a{text}"


def test_other_objects_and_unknown_targets():
    assert escape(3) == "3"
    assert escape(None) == "None"
    with pytest.raises(ValueError, match=r"to: expected one of 'terminal', .*'picture', 'csv', got 'tex'"):
        escape("x", to="tex")

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.data import ClipFormatError
from skelblocks.data.recordings.read_clip_labels import read_clip_labels

HEADERS = ["file,label", "clip,label", "file,start,end,label", "file,start_seconds,end_seconds,person,label", "label"]


@pytest.fixture
def read(tmp_path):
    def read_text(text, **more):
        path = tmp_path / "labels.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_clip_labels(path, **more)

    return read_text


def test_labels_by_recording_with_subjects(read):
    labels = read("file,label,subject\nday1/a.json,walk,anna\nday1\\b,sit,bob\n./c.npy,,anna\nd,-1,\n")
    assert labels.class_names == ("sit", "walk")
    assert [labels.label("x", file=name, start=0, stop=9) for name in ("day1/a", "day1/b", "c", "d", "e")] == [
        1,
        0,
        -1,
        -1,
        -1,
    ]
    assert labels.subject_names == ("anna", "bob")
    assert labels.subjects == {"day1/a": 0, "day1/b": 1, "c": 0}


def test_a_window_takes_the_label_of_the_piece_that_covers_half_of_it(read):
    labels = read("file,start,end,label\na,0,100,walk\na,100,200,sit\na,,,other\n")
    names = [labels.class_names[labels.label("x", file="a", start=s, stop=s + 40)] for s in (0, 79, 80, 81, 100, 180)]
    assert names == ["walk", "walk", "walk", "sit", "sit", "sit"]
    assert labels.class_names[labels.label("x", file="a", start=181, stop=221)] == "other"
    assert [row.start for row in labels.pieces("a")] == [0, 100]


def test_seconds_need_a_frame_rate(read):
    labels = read("file,start_seconds,end_seconds,label\na,1,2.5,walk\n")
    assert labels.label("x", file="a", start=30, stop=75, fps=30.0) == 0
    assert labels.label("x", file="a", start=76, stop=120, fps=30.0) == -1
    with pytest.raises(ValueError, match="line 2 counts in seconds"):
        labels.label("x", file="a", start=30, stop=75)


def test_recordings_have_frame_rates_and_other_columns_are_named(read):
    labels = read("video size,file,fps,label\n1080,a,25,walk\n720,b.json,29.97,sit\n,c,,sit\n")
    assert labels.fps == {"a": 25.0, "b": 29.97}
    assert labels.unread == ("video size",)


def test_persons_and_clips_have_labels_of_their_own(read):
    labels = read("file,person,label\na,0,push\na,1,fall\n")
    assert [labels.class_names[labels.label("x", file="a", start=0, stop=9, person=p)] for p in (0, 1)] == [
        "push",
        "fall",
    ]
    assert labels.label("x", file="a", start=0, stop=9, person=2) == -1
    labels = read("clip,label\na_00000-00064_p0,walk\n")
    assert labels.label("a_00000-00064_p0", file="a", start=0, stop=64) == 0
    assert labels.label("a_00000-00064_p1", file="a", start=0, stop=64) == -1


def test_whole_numbers_sort_by_value_and_a_classifier_has_its_own_order(read):
    text = "file,label\na,10\nb,9\n"
    assert read(text).class_names == ("9", "10")
    assert read("file,label\na,sit\n", class_names=["walk", "sit"]).label("x", file="a", start=0, stop=1) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected a header such as"),
        ("a,walk\n", "line 1: expected a header such as"),
        ("file,clip,label\na,b,c\n", "line 1: expected a header"),
        ("file,start,label\na,1,walk\n", "line 1: expected a header"),
        ("clip,start,end,label\na,1,2,walk\n", "line 1: expected a header"),
        ("file,start,end,start_seconds,end_seconds,label\na,1,2,1,2,w\n", "line 1: expected a header"),
        ("file,label\n", "expected at least one line after the header"),
        ("file,label\na,walk\n\nb\n", "line 4: expected 2 cells as in the header, got 1"),
        ("file,label\n,walk\n", "line 2: expected a name in the column 'file'"),
        ("file,label\na,walk\na.json,sit\n", "line 3: file 'a' has a label in line 2"),
        ("clip,label\na,walk\na,sit\n", "line 3: clip 'a' has a label in line 2"),
        ("file,start,end,label\na,9,9,walk\n", "line 2: expected start < end, got 9 and 9"),
        ("file,start,end,label\na,nan,9,walk\n", "line 2: start: expected a number >= 0, got 'nan'"),
        ("file,start,end,label\na,1,,walk\n", "line 2: end: expected a number >= 0, got ''"),
        ("file,person,label\na,0.5,walk\n", "line 2: person: expected a whole number"),
        ("file,label,subject\na,walk,x\na,sit,y\n", "line 3: file 'a' has"),
        ("file,fps,label\na,0,walk\n", "line 2: fps: expected one rate > 0 for file 'a', got 0"),
        ("file,person,fps,label\na,0,25,walk\na,1,30,walk\n", "line 3: fps: expected one rate"),
        ("file,fps,label\na,fast,walk\n", "line 2: fps: expected a number >= 0, got 'fast'"),
        ("clip,fps,label\na,25,walk\n", "line 1: expected a header"),
        ('file,label\na,"walk\n', "broken csv"),
        (b"file,label\na,\xff\n", "expected text in UTF-8"),
    ],
)
def test_errors_name_the_line(read, text, message):
    with pytest.raises(ClipFormatError, match=message.replace("(", r"\(")):
        read(text)


def test_a_label_that_the_classifier_lacks(read):
    with pytest.raises(ClipFormatError, match="line 3: label 'jump' is none of the 2 classes, walk, sit"):
        read("file,label\na,walk\nb,jump\n", class_names=["walk", "sit"])


@given(st.lists(st.text(alphabet='ab1-.,"\n\r ;\x00é', max_size=30), max_size=4), st.sampled_from(HEADERS))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_refused(tmp_path_factory, lines, header):
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    path.write_text("\n".join([header, *lines]), encoding="utf-8", newline="")
    try:
        labels = read_clip_labels(path)
    except ClipFormatError:
        return
    assert all(row.label < len(labels.class_names) for rows in labels.files.values() for row in rows)


def test_quotes_commas_and_a_mark_of_the_byte_order(read):
    labels = read(b'\xef\xbb\xbffile,label\r\n"a, b.json","sit, down"\r\n')
    assert labels.class_names == ("sit, down",)
    assert labels.label("x", file="a, b", start=0, stop=1) == 0

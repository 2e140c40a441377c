from check_phrases import find_phrases, main, read_phrases


def test_phrases_are_found_with_their_places(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("A clip has so many frames.\nThe mask, as there. As there is one clip, see there.\n")
    found = list(find_phrases([page], read_phrases()))
    assert [line.split("; ")[0] for line in found] == [
        f"{page}:1: 'so many'",
        f"{page}:2: 'see there'",
        f"{page}:2: ', as there'",
    ]


def test_every_phrase_has_advice():
    assert all(advice and pattern.pattern for pattern, advice in read_phrases())


def test_there_is_no_such_phrase(capsys):
    assert main() == 0, capsys.readouterr().out

import math
import re

import pytest

from skelblocks.pages.line_chart import line_chart


def points(line):
    return [tuple(map(float, pair.split(","))) for pair in line.points.split()]


def test_points_are_where_the_ticks_say():
    chart = line_chart({"a": ([1, 2, 3], [0.0, 5.0, 10.0])}, title="t", ylabel="y")
    across = {tick.text: tick.at for tick in chart.xticks}
    down = {tick.text: tick.at for tick in chart.yticks}
    assert points(chart.lines[0])[0] == pytest.approx((across["1"], down["0"]), abs=0.1)
    assert points(chart.lines[0])[-1] == pytest.approx((across["3"], down["10"]), abs=0.1)


@pytest.mark.parametrize(
    ("steps", "values"),
    [
        ([1], [3.5]),
        ([1, 2], [0.0, 0.0]),
        ([1, 2], [-1e9, 1e9]),
        ([1, 300], [1e-7, 3e-7]),
        (range(1, 12), [2.0**i for i in range(11)]),
    ],
)
def test_everything_is_inside_the_frame(steps, values):
    chart = line_chart({"a": (list(steps), values)}, title="t", ylabel="y")
    left, top, right, bottom = chart.frame
    for x, y in points(chart.lines[0]):
        assert left <= x <= right
        assert top <= y <= bottom
    assert 2 <= len(chart.yticks) <= 8
    assert len({tick.text for tick in chart.yticks}) == len(chart.yticks)
    assert all(left <= tick.at <= right for tick in chart.xticks)
    assert all(re.fullmatch("-?[0-9]+", tick.text) for tick in chart.xticks)


def test_values_that_are_not_finite_are_left_out():
    chart = line_chart({"a": ([1, 2, 3], [1.0, math.nan, 2.0]), "b": ([1], [math.inf])}, title="t", ylabel="y")
    assert [line.name for line in chart.lines] == ["a"]
    assert chart.lines[0].cells == ["1", "2", "1", "2"]
    assert line_chart({"b": ([1], [math.inf])}, title="t", ylabel="y") is None
    assert line_chart({}, title="t", ylabel="y") is None


def test_one_point_is_a_dot():
    chart = line_chart({"a": ([4], [2.0])}, title="t", ylabel="y")
    assert chart.lines[0].only is not None

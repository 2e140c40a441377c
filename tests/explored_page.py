"""Small sets with names that would be markup, and what a page carries."""

import re

import numpy as np

from skelblocks.data import ArrayDataset, synthetic_motion
from skelblocks.evaluation import coordinate_features
from skelblocks.pages import Packed, explore_page, neighbor_scores, unpack

HOSTILE = ['</script><img src=x onerror="alert(1)">', '=1+1,"quoted"', "a\u2028b\u202e", "n" * 5000, "<!--<script>"]


def small_set(*, count=24, names=None, **changes):
    """Clips of four classes, whose coordinates are their features."""
    motion = synthetic_motion("sbu", classes=4, subjects=3, views=2, frames=16, seed=0)
    rows = {
        "labels": motion.labels[:count],
        "subjects": motion.subjects[:count],
        "views": motion.views[:count],
        "class_names": [f"class {name}" for name in "abcd"],
        "names": names or [*HOSTILE, *(f"clip {i:02}" for i in range(len(HOSTILE), count))],
    }
    dataset = ArrayDataset(motion.x[:count].numpy(), layout="sbu", **{**rows, **changes})
    return dataset, coordinate_features(dataset.batch(np.arange(len(dataset))), frames=4)


def small_page(dataset, features, **changes):
    scores = neighbor_scores({"encoder": features}, dataset.labels, k=3)
    return explore_page(dataset, features, **{"maps": ("pca",), "neighbors": 3, "scores": scores, **changes})


def carried(html):
    """The data of a page by name."""
    found = {}
    pattern = (
        r'<script type="application/octet-stream" id="data-([^"]*)" data-dtype="(\w+)" data-shape="([\d,]*)">([^<]*)<'
    )
    for name, dtype, shape, text in re.findall(pattern, html):
        found[name] = unpack(Packed(text, dtype, tuple(map(int, filter(None, shape.split(","))))))
    return found


def at_ease(browser):
    """Wait for the page to be drawn."""
    browser.execute_async_script(
        "const done = arguments[0]; const wait = () => document.documentElement.dataset.ready ? done() :"
        "setTimeout(wait, 20); wait();"
    )

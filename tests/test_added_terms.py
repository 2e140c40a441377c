"""The study of added terms: every variant trains, and the table says what is there."""

import json

import pytest
import torch
from small_run import options_of

from benchmarks.studies import added_terms
from skelblocks import layouts
from skelblocks.training import MethodOptions

TRAINED = [name for name in added_terms.VARIANTS if name != "untrained"]


@pytest.mark.parametrize("name", TRAINED)
def test_every_variant_makes_its_views_and_trains(name):
    layout = layouts.get("nw-ucla")
    options = options_of(MethodOptions, base_channels=4, out_channels=8, embedding=8, queue_size=16, epochs=2)
    method = added_terms.build(name, options, layout=layout, persons=1)
    views = added_terms.make_views(name, layout=layout)
    clips = torch.randn(4, 3, 16, 20, 1)
    for epoch in (0, 1):
        made = views(clips, torch.Generator().manual_seed(epoch))
        output = method(*made, ids=torch.arange(4), epoch=epoch)
        output.loss.backward()
        method.update(output, step=epoch, total_steps=2)
    (encoder,) = method.encoders().values()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())
    assert encoder(clips).shape[:3] == (4, 1, 8)


def test_the_table_pairs_seeds_with_skeletonclr(tmp_path):
    for name, seed, knn in (("skeletonclr", 0, 60), ("skeletonclr", 1, 70), ("layout_views", 0, 65)):
        row = {"knn": knn, "linear": 80, "rank": 5, "seconds": 1}
        (tmp_path / f"{name}-{seed}.json").write_text(json.dumps(row))
    first, second = added_terms.table(tmp_path).splitlines()[2:]
    assert first == "| SkeletonCLR | 2 | 65.0 ± 7.1 | 80.0 ± 0.0 | 5.0 ± 0.0 | 1 |"
    assert second.startswith("| and layout views (MS-CLR's idea) | 1 | 65.0 (+5.0) | 80.0 (+0.0) |")

"""--encoder.absent skip: every block of a method leaves absent persons out, and what is saved does so too."""

import pytest
import torch
from small_run import METHODS, small_options

from skelblocks import extract_features, layouts
from skelblocks.encoders import ReadoutEncoder
from skelblocks.encoders.present_persons import absent_of
from skelblocks.interop import from_pretrained, save_pretrained
from skelblocks.training import EncoderOptions, load_page

SMALL = {"dropout": 0.0, "absent": "skip"}


def build(name, **options):
    torch.manual_seed(0)
    page = load_page(name)
    return page.build(small_options(page, **SMALL, **options), layout=layouts.get("sbu"), persons=2)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_learns_from_clips_of_one_person_as_if_there_were_room_for_one(name):
    page, method = load_page(name), build(name).double()
    clips = torch.randn(4, 3, 16, 15, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    clips[..., 1] = 0
    # HiCLR's default list gives noise to absent persons, as released, who are persons then.
    normal = {"normal": "aimclr"} if name == "hiclr" else {}
    make_views = page.make_views(small_options(page, **SMALL, **normal), layout=layouts.get("sbu"))
    views = make_views(clips, torch.Generator().manual_seed(0))
    state = {key: value.clone() for key, value in method.state_dict().items()}
    torch.manual_seed(1)  # of what a method draws itself
    loss = method(*views, ids=torch.arange(4)).loss
    loss.backward()
    gradients = [p.grad for p in method.parameters() if p.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)
    if name in {"actclr", "isc"}:
        return  # ActCLR's shares of mixed clips are means over all persons; ISC's BiGRU takes all persons as one vector
    method.load_state_dict(state)
    alone = [view[..., :1] if view.ndim == 5 else view for view in views]
    torch.manual_seed(1)
    torch.testing.assert_close(loss, method(*alone, ids=torch.arange(4)).loss)


def test_what_a_method_saves_skips_absent_persons(tmp_path):
    (encoder,) = build("skeletonclr").encoders().values()
    assert absent_of(encoder) == "skip"
    save_pretrained(tmp_path / "saved", encoder=encoder)
    found = from_pretrained(tmp_path / "saved")
    x = torch.randn(3, 3, 16, 15, 2)
    x[1:, ..., 1] = 0
    expected = ReadoutEncoder(encoder.eval())(x)
    torch.testing.assert_close(found.features(x), expected)
    torch.testing.assert_close(extract_features(found.encoder, x), expected)
    torch.testing.assert_close(found.features(x[1:, ..., :1]), expected[1:])


def test_the_choice_is_checked_and_segments_are_refused():
    with pytest.raises(ValueError, match=r"encoder\.absent: expected one of 'compute', 'skip', got 'drop'"):
        EncoderOptions(absent="drop")
    with pytest.raises(ValueError, match="segment: expected None with absent='skip'"):
        build("msmclr", segment=2)

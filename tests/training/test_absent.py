"""--encoder.absent skip: every block of a method leaves absent persons out, and what is saved does so too."""

import pytest
import torch
from small_run import small_options

from skelblocks import extract_features, layouts
from skelblocks.encoders import ReadoutEncoder
from skelblocks.encoders.present_persons import absent_of
from skelblocks.interop import from_pretrained, save_pretrained
from skelblocks.training import EncoderOptions, load_page

METHODS = {"skeletonclr": 2, "aimclr": 3, "msmclr": 3, "skeattnclr": 3, "crossmoco": 2}  # with the views of a step


def build(name, **options):
    torch.manual_seed(0)
    page = load_page(name)
    if name == "crossmoco":
        options["streams"] = ["joint"]
    made = small_options(page, dropout=0.0, absent="skip", **options)
    return page.build(made, layout=layouts.get("sbu"), persons=2)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_learns_from_clips_of_one_person_as_if_there_were_room_for_one(name):
    method = build(name).double()
    views = [torch.randn(4, 3, 16, 15, 2, dtype=torch.float64) for _ in range(METHODS[name])]
    for view in views:
        view[..., 1] = 0
    state = {key: value.clone() for key, value in method.state_dict().items()}
    loss = method(*views, ids=torch.arange(4)).loss
    loss.backward()
    gradients = {key: p.grad for key, p in method.named_parameters() if p.grad is not None}
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    method.load_state_dict(state)
    alone = method(*(view[..., :1] for view in views), ids=torch.arange(4)).loss
    torch.testing.assert_close(loss, alone)


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

"""Motion, teacher and student's view, each alone; the page that joins them is tested with the examples."""

import argparse
from dataclasses import replace

import numpy as np
import pytest
import torch

from skelblocks import layouts
from skelblocks.augment import project
from skelblocks.data import Preprocessing, motion_batches, preprocess
from skelblocks.encoders import STGCN
from skelblocks.interop import Pretrained, save_pretrained
from skelblocks.layouts import remap
from skelblocks.training import (
    DistillOptions,
    Motion,
    StudentView,
    Teacher,
    add_distill_options,
    motion_stream,
    open_motion,
    open_teacher,
)

NTU = layouts.get("ntu-rgb+d")
PLACED = Preprocessing(frames=16, to="ntu-rgb+d", missing="nearest", coordinates=3, scale="bones", y="auto")
WORDS = ["--teacher", "a.pt", "--layout", "coco-17", "--out", "mine"]


def parse(*words):
    parser = argparse.ArgumentParser()
    add_distill_options(parser)
    return DistillOptions.parse(parser.parse_args([*WORDS, *words]))


@pytest.mark.parametrize(("native", "half"), [(None, False), ("amx_bf16", True)])
def test_auto_precision_is_the_devices_and_is_recorded(monkeypatch, native, half):
    monkeypatch.setattr("skelblocks.training.distill_options.native_bfloat16", lambda device: native)
    chosen = parse("--precision", "auto")
    assert chosen.half is half
    assert chosen.to_dict()["precision"] == ("bf16" if half else "32")
    assert parse().half
    assert not parse("--precision", "32").half


def motion(n=3, frames=16, layout="azure-kinect-32"):
    layout = layouts.get(layout)
    return Motion(next(motion_batches(batch_size=n, layout=layout, frames=frames)), layout)


@pytest.fixture
def recorded(tmp_path):
    x = next(motion_batches(batch_size=6, layout="nw-ucla", frames=20)).numpy()
    pair = np.concatenate([x, x[::-1]], axis=-1)
    pair[:2, ..., 1] = 0
    names = layouts.get("nw-ucla").joints
    np.savez(tmp_path / "set.npz", x=pair, y=np.arange(6), joint_names=np.array(names))
    return tmp_path / "set.npz"


def teacher(layout="ntu-rgb+d", **settings):
    torch.manual_seed(0)
    encoder = STGCN(layout, base_channels=4, out_channels=8)
    return Pretrained(encoder=encoder.eval(), preprocessing=Preprocessing(frames=16, persons=2, **settings))


class TestOptions:
    def test_the_defaults_of_the_command_are_those_of_the_class(self):
        assert parse() == DistillOptions(teacher=("a.pt",), layout="coco-17")

    def test_a_student_from_nothing_learns_at_a_higher_rate_unless_one_is_given(self):
        assert (parse().highest_rate, parse("--start", "nothing").highest_rate) == (0.001, 0.004)
        options = parse("--start", "nothing", "--learning-rate", "0.002")
        assert (options.highest_rate, options.to_dict()["learning_rate"]) == (0.002, 0.002)

    def test_several_teachers_and_sets(self):
        options = parse("--teacher", "a.pt", "b.pt", "--motion", "synthetic", "--motion", "x.npz", "--no-noise")
        assert options.teacher == ("a.pt", "b.pt")
        assert options.motion == ("synthetic", "x.npz")
        assert not options.noise

    def test_the_record_names_files_without_their_folders(self):
        options = replace(parse(), teacher=("/home/me/a.pt",), motion=("/data/x.npz",), layout="/home/me/mine.json")
        record = options.to_dict()
        assert (record["teacher"], record["motion"], record["layout"]) == (["a.pt"], ["x.npz"], "mine.json")

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--steps", "0"], "steps: expected an integer >= 1, got 0"),
            (["--batch-size", "1"], "batch_size: expected an integer >= 2, got 1"),
            (["--learning-rate", "nan"], "learning_rate: expected a finite number"),
            (["--learning-rate", "0"], "learning_rate: expected a finite number > 0, got 0.0"),
            (["--yaw", "-1"], "yaw: expected a finite number >= 0 and <= 180"),
            (["--device", "abacus"], "device: 'abacus' is not available on this machine; try 'cpu'"),
            (["--seed", "-1"], "seed: expected an integer >= 0, got -1"),
            (["--base-channels", "8"], "base_channels, out_channels: expected none, .*; pass --start nothing"),
        ],
    )
    def test_wrong_values_say_what_was_expected(self, words, message):
        with pytest.raises(ValueError, match=message):
            parse(*words)

    def test_a_list_is_wanted(self):
        with pytest.raises(ValueError, match=r"teacher: expected a list with at least one entry, got 'a.pt'"):
            DistillOptions(teacher="a.pt", layout="coco-17")


class TestMotion:
    def test_every_person_is_a_clip(self, recorded):
        clips, layout = open_motion(str(recorded), frames=10)
        assert clips.shape == (10, 3, 10, 20, 1)  # two clips of one person, four of two
        assert layout.name == "nw-ucla"

    def test_a_file_without_names_of_joints_is_told_its_skeleton(self, recorded, tmp_path):
        with np.load(recorded) as arrays:
            np.savez(tmp_path / "bare.npz", x=arrays["x"], y=arrays["y"])
        expected = open_motion(str(recorded), frames=10)
        assert open_motion(f"{tmp_path / 'bare.npz'}@nw-ucla", frames=10).clips.equal(expected.clips)
        with pytest.raises(ValueError, match="layout"):
            open_motion(str(tmp_path / "bare.npz"), frames=10)

    def test_sources_share_a_batch(self, recorded):
        stream = motion_stream(["synthetic", str(recorded)], batch_size=5, frames=12, seed=0)
        synthetic, own = next(stream)
        assert synthetic.clips.shape == (3, 3, 12, 41, 1)
        assert own.clips.shape == (2, 3, 12, 20, 1)
        assert not next(stream)[0].clips.equal(synthetic.clips)

    def test_synthetic_motion_has_the_joints_of_the_teacher_themselves(self):
        """None of them is made from others, up to the noise, which each joint has of its own."""
        (motion,) = next(motion_stream(["synthetic"], batch_size=4, frames=8, seed=0))
        assert not remap(motion.clips, source=motion.layout, target=NTU)[1].any()
        assert not remap(motion.clips, source=motion.layout, target="coco-17")[1].any()

    def test_all_recorded_clips_come_before_any_comes_again(self, recorded):
        clips, _ = open_motion(str(recorded), frames=12)
        stream = motion_stream([str(recorded)], batch_size=4, frames=12, seed=0)
        heights = torch.cat([next(stream)[0].clips[:, 1].mean(dim=(1, 2, 3)) for _ in range(5)])
        expected = clips[:, 1].mean(dim=(1, 2, 3)).sort().values
        for turn in heights.split(10):
            torch.testing.assert_close(turn.sort().values, expected)

    def test_the_seed_decides(self, recorded):
        first, again, other = (
            next(motion_stream(["synthetic", str(recorded)], batch_size=4, frames=12, seed=seed)) for seed in (0, 0, 1)
        )
        assert all(a.clips.equal(b.clips) for a, b in zip(first, again, strict=True))
        assert not any(a.clips.equal(b.clips) for a, b in zip(first, other, strict=True))

    def test_what_is_no_motion_in_space(self, tmp_path):
        np.save(tmp_path / "flat.npy", np.random.default_rng(0).standard_normal((2, 2, 8, 17, 1)))
        np.save(tmp_path / "nobody.npy", np.zeros((2, 3, 8, 17, 1)))
        with pytest.raises(FileNotFoundError, match=r"motion: there is no file or folder 'none.npz'"):
            open_motion("none.npz", frames=8)
        with pytest.raises(ValueError, match="layout"):
            open_motion(str(tmp_path / "flat.npy"), frames=8)
        with pytest.raises(ValueError, match="batch_size: expected at least one clip from each of the 2 sources"):
            next(motion_stream(["synthetic", "synthetic"], batch_size=1, frames=8, seed=0))


class TestTeacher:
    def test_it_sees_its_own_joints_in_its_own_preprocessing(self):
        seen, found = motion(), teacher(align="official")
        x, _ = remap(seen.clips, source=seen.layout, target=NTU, missing="nearest")
        clips = preprocess(x.numpy(), layout=NTU, preprocessing=Preprocessing(frames=16, align="official"))
        expected = found.encoder(torch.from_numpy(clips))[:, 0].mean(dim=(2, 3))
        torch.testing.assert_close(Teacher(found)(seen), expected)

    def test_several_are_joined(self):
        both = Teacher(teacher(), teacher("nw-ucla"))(motion())
        assert both.shape == (3, 16)
        torch.testing.assert_close(both[:, 8:], Teacher(teacher("nw-ucla"))(motion()))

    def test_it_does_not_learn(self):
        frozen = Teacher(teacher()).train()
        assert not frozen.training
        assert not frozen.encoders[0].training
        assert not any(parameter.requires_grad for parameter in frozen.parameters())

    def test_what_is_no_teacher(self, tmp_path):
        with pytest.raises(ValueError, match="pretrained: expected at least one teacher"):
            Teacher()
        flat = Pretrained(
            encoder=STGCN(NTU, in_channels=2, base_channels=4, out_channels=8), preprocessing=Preprocessing()
        )
        with pytest.raises(
            ValueError, match=r"pretrained: expected encoders of clips with 3 coordinates .* got one with 2 coordinates"
        ):
            Teacher(flat)
        save_pretrained(tmp_path / "silent", encoder=teacher().encoder)
        with pytest.raises(ValueError, match=r"teacher: .* does not record how its clips were preprocessed"):
            open_teacher(str(tmp_path / "silent"))
        with pytest.raises(FileNotFoundError, match=r"teacher: there is no file or folder 'none.pt'"):
            open_teacher("none.pt")


class TestStudentView:
    def test_it_sees_what_the_preprocessing_makes_of_a_picture(self):
        """Training clips are made as the user's clips will be, up to the picture's unit and direction."""
        seen = motion()
        view = StudentView("coco-17", preprocessing=PLACED, noise=False, yaw=0.0, pitch=0.0)
        view.camera.roll = 0.0
        view.camera.projection = "orthographic"
        x, _ = remap(seen.clips, source=seen.layout, target="coco-17", missing="nearest")
        picture = project(x, torch.zeros(3, 3))
        pixels = 400 - 150 * picture  # in other units, y down
        pixels[:, 0] = 640 + 150 * picture[:, 0]
        prepared = preprocess(pixels.numpy(), layout="coco-17", preprocessing=PLACED)
        expected = torch.from_numpy(prepared)
        got = view(seen, generator=torch.Generator().manual_seed(2))
        sides = [(clip[0] * want[0]).sum().sign() for clip, want in zip(got, expected, strict=True)]
        for clip, want, side in zip(got, expected, sides, strict=True):
            torch.testing.assert_close(clip[0], side * want[0], rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(clip[1:], want[1:], rtol=1e-3, atol=1e-3)
        assert len(set(map(float, sides))) == 2  # as a depth camera counts x, and mirrored, as a picture counts it

    def test_half_of_the_clips_get_noise(self, generator):
        seen = motion(200, frames=4)
        noisy, clean = (StudentView("coco-17", preprocessing=PLACED, noise=noise) for noise in (True, False))
        x = noisy.picture(seen, generator=generator.manual_seed(0))
        y = clean.picture(seen, generator=generator.manual_seed(0))
        assert 0.4 < float((x != y).flatten(1).any(dim=1).float().mean()) < 0.6

    def test_in_space_clips_are_turned(self, generator):
        seen = motion(layout="sbu")
        settings = Preprocessing(frames=16, center=None)
        view = StudentView("sbu", preprocessing=settings, coordinates=3, noise=False)
        x = view(seen, generator=generator)
        assert x.shape == (3, 3, 16, 15, 1)
        lengths = [(clips[:, :, :, 4] - clips[:, :, :, 5]).norm(dim=1) for clips in (x, seen.clips)]
        torch.testing.assert_close(*lengths, rtol=1e-4, atol=1e-5)

    def test_the_stream_of_the_student(self):
        view = StudentView("coco-17", preprocessing=PLACED, stream="bone", noise=False)
        assert (view(motion())[:, :, :, NTU.center] == 0).all()


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)

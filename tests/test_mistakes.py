"""Mistakes that newcomers make: each gets an error, and nearly all errors say how to mend them.

The first half is Python, the second half commands. A row has what the user does, and what the message must say.
"""

import json
import shlex
import sys

import numpy as np
import pytest
import torch
from saved_run import save_run
from small_run import write_set
from torch import nn
from torch.nn.functional import normalize

from skelblocks import (
    EADM,
    STGCN,
    Compose,
    MomentumContrast,
    MomentumEncoder,
    MomentumQueue,
    MsMAttention,
    Pool,
    ProjectionHead,
    RandomJointMask,
    RandomRotation,
    RandomShear,
    RandomSpatialFlip,
    contrastive_logits,
    d3m_loss,
    extract_features,
    from_pretrained,
    info_nce,
    knn_accuracy,
    layouts,
    pool,
    save_pretrained,
    streams,
    synthetic_motion,
)
from skelblocks.augment import EstimatorNoise, RandomCamera, RandomGaussianNoise
from skelblocks.cli import main
from skelblocks.clips import Preprocessing
from skelblocks.data import ArrayDataset, PreparedSet
from skelblocks.evaluation import accuracy, fuse_scores, labeled_draw, linear_probe, model_cost, nearest_neighbors
from skelblocks.losses import InfoNCELoss, barlow_twins_loss
from skelblocks.testing import write_nw_ucla
from skelblocks.viz import confusion_matrix

CLIPS = torch.randn(8, 3, 16, 15, 2, generator=torch.Generator().manual_seed(0))
FEATURES, LABELS = CLIPS[:, :, 0, :4].flatten(1), torch.arange(8) % 2
ROWS = normalize(CLIPS[:, 0, :8, 0, 0], dim=1)  # (8, 8)
BANK = normalize(CLIPS[:4, 1, :8, 0].permute(0, 2, 1).flatten(0, 1), dim=1)


def encoder(**options):
    return STGCN("sbu", base_channels=2, out_channels=4, **options)


def contrast(width=4):
    return MomentumContrast(nn.Sequential(encoder(), Pool()), queue=MomentumQueue(width, size=16))


IN_PYTHON = {
    "flat clips": (lambda: encoder()(CLIPS[:, :2]), "axis 'c' is 2, not 3; .* in_channels=2"),
    "score as third channel": (lambda: encoder(in_channels=2)(CLIPS), r"pass x\[:, :2\]"),
    "one clip": (lambda: encoder()(CLIPS[0]), r"if this is one clip .*, pass x\[None\]"),
    "clips without a person axis": (lambda: encoder()(CLIPS[..., 0]), r"of one person, pass x\[\.\.\., None\]"),
    "clips (n, m, t, v, c)": (lambda: encoder()(CLIPS.permute(0, 4, 2, 3, 1)), 'rearrange.x, "n m t v c -> n c t v m"'),
    "clips (n, t, v, c)": (lambda: RandomShear()(CLIPS[..., 0].permute(0, 2, 3, 1)), '"n t v c -> n c t v 1"'),
    "other joints": (lambda: encoder()(CLIPS[:, :, :, :9]), "axis 'v' is 9, not 15; .*layout of these 9 joints"),
    "numpy": (lambda: encoder()(CLIPS.numpy()), r"expected a tensor, got ndarray; .*torch\.as_tensor\(x\)"),
    "list of clips": (lambda: RandomShear()(list(CLIPS)), r"expected a tensor, got list; .*torch\.stack\(x\)"),
    "integers": (lambda: encoder()(CLIPS.long()), r"floating-point tensor, got torch\.int64; .*x\.float\(\)"),
    "float64": (lambda: encoder()(CLIPS.double()), r"got torch\.float64; .*x\.float\(\)"),
    "layout's name": (lambda: STGCN("ntu"), "no layout is named 'ntu' .did you mean 'ntu-rgb"),
    "layout forgotten": (lambda: MsMAttention(4), r"MsMAttention: .* layout, got none; pass layout="),
    "layout by position": (lambda: MsMAttention(4, "sbu"), r"by name: layout=\.\.\."),
    "argument misspelled": (lambda: STGCN("sbu", base_channel=2), "got base_channel; did you mean base_channels"),
    "stream misspelled": (lambda: streams.convert(CLIPS, "bones", layout="sbu"), "got 'bones' .did you mean 'bone'"),
    "head without pool": (
        lambda: ProjectionHead(4, hidden_features=4, out_features=2)(torch.zeros(2, 1, 4, 2, 15)),
        r"feature map \(n, m, c, t, v\), pass pool\(x\)",
    ),
    "attention of other channels": (
        lambda: MsMAttention(64, layout="sbu")(torch.zeros(2, 8, 4, 15)),
        "axis 'c' is 8, not 64; build the block for 8 channels",
    ),
    "attention on clips": (lambda: EADM()(torch.zeros(2, 3, 16, 15, 2)), r"looks like clips .*; pass encoder\(x\)"),
    "mask of other dtype": (
        lambda: pool(torch.zeros(2, 1, 4, 2, 15), torch.ones(2, 1)),
        r"torch\.bool tensor, got torch\.float32; .*person_mask\.bool\(\)",
    ),
    "mask of other persons": (
        lambda: pool(torch.zeros(2, 1, 4, 2, 15), torch.ones(2, 3, dtype=torch.bool)),
        r"person_mask: expected \(n=2, m=1\), got shape \(2, 3\)",
    ),
    "temperature 0": (lambda: contrastive_logits(ROWS, ROWS, BANK, temperature=0), "temperature: .* > 0, got 0"),
    "queue as bank": (
        lambda: contrastive_logits(ROWS, ROWS, MomentumQueue(8, size=9), temperature=0.1),
        r"bank: expected a tensor, got MomentumQueue; .*queue\.bank",
    ),
    "bank of the released codes": (
        lambda: contrastive_logits(ROWS, ROWS, torch.zeros(8, 32), temperature=0.1),
        r"axis 'd' is 32, not 8; if its axes are exchanged, pass bank\.T",
    ),
    "key and bank exchanged": (
        lambda: contrastive_logits(ROWS[:2], BANK, ROWS[:2], temperature=0.1),
        r"key: expected \(n=2, d=8\), got shape \(8, 8\)",
    ),
    "momentum 1.5": (lambda: MomentumEncoder(encoder(), momentum=1.5), r"momentum: .* in \[0, 1\], got 1\.5; .*0\.99"),
    "a class for a module": (lambda: MomentumEncoder(STGCN), "got the class STGCN; pass an instance"),
    "update with a state dict": (
        lambda: MomentumEncoder(nn.Linear(2, 2)).update(nn.Linear(2, 2).state_dict()),
        "got OrderedDict; pass the module itself",
    ),
    "queue smaller than batch": (lambda: MomentumQueue(8, size=4).enqueue(ROWS), "at most size=4 rows, .*; enlarge"),
    "keys with NaN": (lambda: MomentumQueue(8, size=8).enqueue(ROWS * torch.nan), "got NaN or infinity in rows .*; "),
    "queue of other width": (lambda: contrast(width=8)(CLIPS, CLIPS), r"expected \(k, d=4\), got shape \(16, 8\)"),
    "update with logits": (lambda: contrast().update(ROWS), r"keys: expected the Keys .*, got Tensor; pass"),
    "embeddings for logits": (lambda: info_nce(ROWS), "rows of length 1, .* pass contrastive_logits"),
    "probabilities for logits": (lambda: info_nce(ROWS.softmax(dim=1)), "rows that sum to 1.*; pass the values before"),
    "query and key for logits": (lambda: InfoNCELoss()(ROWS, ROWS, BANK), r"write InfoNCELoss\(temperature=0\.07\)"),
    "one student": (lambda: d3m_loss(FEATURES, FEATURES), r"expected a list of tensors, .*; pass \[student_logits\]"),
    "batch of one": (lambda: barlow_twins_loss(ROWS[:1], ROWS[:1]), "at least two samples, .*; .*drop the last"),
    "seed for a generator": (lambda: RandomShear()(CLIPS, generator=3), r"pass torch\.Generator\(\)\.manual_seed\(3\)"),
    "seed for a draw": (lambda: labeled_draw(LABELS, 0.5, generator=0), r"pass torch\.Generator\(\)\.manual_seed\(0\)"),
    "draws of another transform": (
        lambda: RandomShear().transform(CLIPS, RandomRotation().sample(CLIPS.shape)),
        r"params: expected the ShearParams of RandomShear, got RotationParams; pass what sample\(x\.shape\)",
    ),
    "radians": (lambda: RandomRotation(np.pi / 6), "main_angle: expected degrees, got 0.52.*; pass 30"),
    "clips for a shape": (lambda: RandomShear().sample(CLIPS), r"shape: .*got a tensor; pass x\.shape"),
    "a class in Compose": (lambda: Compose([RandomShear]), r"got the class RandomShear; pass an instance"),
    "degrees for a shear": (lambda: RandomShear(30), r"amplitude: expected at most 5, got 30; .*math\.radians"),
    "pixels for bones": (
        lambda: EstimatorNoise("sbu", jitter=5),
        "jitter: expected at most 2, in lengths of a",
    ),
    "radians for a camera": (lambda: RandomCamera(yaw=np.pi / 2), "yaw: expected degrees, got 1.57.*; pass 90"),
    "percent for a ratio": (lambda: RandomJointMask((10, 30)), r"0 <= low <= high <= 1, got \(10, 30\)"),
    "flip without layout": (lambda: RandomSpatialFlip(), r"layout, got none; pass layout="),
    "labels as words": (lambda: dataset(labels=list("ab") * 4), r"labels: expected integers, .*numpy\.unique"),
    "labels as columns": (lambda: dataset(labels=np.eye(8)), r"pass labels\.argmax\(axis=1\)"),
    "labels beyond the names": (lambda: dataset(labels=[1, 2] * 4, class_names="ab"), "got 2; .*subtract 1"),
    "dates for labels": (
        lambda: dataset(labels=20180412 + np.arange(8)),
        r"labels: expected the numbers of classes, .*got 20180419 for 8 clips, .*numpy\.unique",
    ),
    "dates for labels of features": (
        lambda: linear_probe(FEATURES, 20180412 + LABELS, FEATURES, LABELS),
        r"train_labels: expected the numbers of classes, .*train_labels\.unique\(return_inverse=True\)",
    ),
    "list for an array": (lambda: ArrayDataset(list(CLIPS.numpy()), layout="sbu"), r"got list; pass numpy\.stack"),
    "tensor for an array": (lambda: ArrayDataset(CLIPS, layout="sbu"), r"pass clips\.numpy\(\)"),
    "clips with NaN": (
        lambda: ArrayDataset(np.full((2, 3, 4, 15, 1), np.nan), layout="sbu"),
        r"clips: .*NaN.*Preprocessing\(nan='unseen'\)",
    ),
    "subjects that are missing": (
        lambda: dataset().subset(dataset().subjects == 1),
        "selection: .*; compare an array of",
    ),
    "no prepared set": (lambda: PreparedSet("nowhere"), "there is no prepared set in 'nowhere'; name a folder"),
    "options by position": (lambda: synthetic_motion("sbu", 3), r"by name: .*classes=\.\.\."),
    "arguments exchanged": (
        lambda: knn_accuracy(FEATURES, FEATURES, LABELS, LABELS, k=1),
        r"train_labels: expected 1 axes|test_features: expected 2 axes|train_labels: expected \(n",
    ),
    "k above the bank": (lambda: knn_accuracy(FEATURES, LABELS, FEATURES, LABELS, k=20), r"k: .*1\.\.8, .*got \[20\]"),
    "neighbors of a map": (
        lambda: nearest_neighbors(torch.zeros(2, 1, 4, 2, 15), FEATURES, k=1),
        r"feature map \(n, m, c, t, v\), pass pool\(",
    ),
    "one number for topk": (lambda: accuracy(FEATURES, LABELS, topk=5), r"topk: .*got 5; pass \(5,\)"),
    "five of four classes": (lambda: accuracy(FEATURES[:, :4], LABELS, topk=(1, 5)), r"topk: .*1\.\.4, .*got 5"),
    "a list of scores": (lambda: fuse_scores([FEATURES, FEATURES]), "expected a dict of StreamScores.*; pass for"),
    "a dict without the module": (lambda: extract_features({"encoder": 1}, CLIPS), "Module, got dict; pass the module"),
    "a class to count": (lambda: model_cost(STGCN, CLIPS), "module: expected a torch.nn.Module, got type; pass"),
    "no pretrained folder": (lambda: from_pretrained("."), "no pretrained encoder in .*; "),
    "an encoder by position": (lambda: save_pretrained(encoder(), "place"), r"by name: encoder=\.\.\."),
    "a plot by position": (lambda: confusion_matrix(FEATURES, LABELS), r"confusion_matrix: expected 1 .*; pass|leave"),
    "a skeleton without a joint": (lambda: layouts.restrict("sbu", ["hand"]), "'hand' .did you mean"),
}


def dataset(**options):
    return ArrayDataset(CLIPS.numpy(), layout="sbu", **options)


@pytest.mark.parametrize("mistake", IN_PYTHON)
def test_in_python(mistake):
    call, message = IN_PYTHON[mistake]
    with pytest.raises((ValueError, TypeError, OSError), match=message):
        call()


def test_numbers_from_one_are_noticed():
    with pytest.warns(UserWarning, match=r"labels: expected integers from 0, got 1\.\.2, .*subtract 1"):
        dataset(labels=[1, 2] * 4)


def test_neighbors_among_the_same_clips_are_noticed():
    with pytest.warns(UserWarning, match=r"got the same tensor, .*; split the clips, or .*exclude_self=True"):
        knn_accuracy(FEATURES, LABELS, FEATURES, LABELS, k=1)


def test_exchanged_axes_are_noticed():
    with pytest.warns(UserWarning, match=r"read as .*three persons; .*rearrange\(x, \"n m t v c -> n c t v m\"\)"):
        RandomShear()(CLIPS.permute(0, 4, 2, 3, 1))


def test_noise_for_pixels_on_clips_in_meters_is_noticed():
    with pytest.warns(UserWarning, match=r"std: 20 is larger than the whole clip, which extends over .*; pass"):
        RandomGaussianNoise(20)(CLIPS)


def test_a_probe_that_diverges_is_noticed():
    with pytest.warns(UserWarning, match=r"learning_rate: with 3 the probe does not converge: .*; lower learning"):
        linear_probe(1000 * FEATURES[:1].expand(8, -1), LABELS, FEATURES, LABELS, epochs=2)


def test_a_bank_of_other_lengths_is_noticed():
    with pytest.warns(UserWarning, match=r"bank: expected rows of length 1, .*pass unit_rows\(bank\)"):
        contrastive_logits(ROWS, ROWS, 5 * BANK, temperature=0.1)


COMMANDS = {
    "eval linear run": r"invalid choice: 'eval'.*did you mean 'evaluate'.*--help",
    "": "required: COMMAND; .*--help",
    "train": "required: page.*`skelblocks train --help`",
    "train msmcrl": r"got 'msmcrl' \(did you mean 'msmclr'\?\)",
    "train mine.py": r"got 'mine\.py' .looked in .*`skelblocks copy msmclr \.`",
    "train words.txt": r"got 'words\.txt', whose name does not end in \.py",
    "train pstl --train.lr 3": "unrecognized arguments: --train.lr 3; did you mean --train.learning_rate",
    "train pstl --epochs 3": "epochs is train.epochs",
    "train pstl --train.epochs 1.5": r"train\.epochs: expected an integer, got 1\.5",
    "train pstl --train.epochs 0": "train.epochs: expected an integer >= 1, got 0",
    "train pstl --data.split xsub": "data.split: expected one of 'cross-subject'.*, got xsub",
    "train pstl --data.stream bones": r"got bones \(did you mean 'bone'\?\)",
    "train pstl --config aimclr_smal": r"config: .*'aimclr_smal'.*did you mean 'aimclr_small'",
    "train pstl --config words.txt": "config: expected groups of options in words.txt, got str; write for instance",
    "train pstl --config empty.yaml": "config: expected groups of options in empty.yaml, got none; write some",
    "train pstl --data.path nope.npz": "there is no file 'nope.npz' .looked in",
    "train pstl --data.path folder": "there is no prepared set in 'folder'; name a folder",
    "train pstl --data.path words.txt": r"expected a \.npz or \.npy file, got 'words\.txt'; save clips",
    "train pstl --data.path clips.npz --data.split cross-view": "data.split: .*'view'.*choose .*cross-subject or none",
    "train pstl --data.path clips.npz --data.train_ids [9]": r"no clip has \[9\]; .*has \[1, 2, 3, 4\]; choose",
    "train pstl --data.path clips.npz --data.train_ids [1,2,3,4]": "test part is empty; .*; choose some, but not all",
    "evaluate lin run": "invalid choice: 'lin'.*did you mean 'linear'",
    "evaluate linear": "runs: expected at least one",
    "evaluate linear nope": "runs: there is no folder 'nope' .looked in",
    "evaluate linear folder": "runs: .*'folder'.*; name the folder",
    "evaluate linear run --data.pth x": "did you mean --data.path",
    "evaluate semi run --semi.fractions [10]": r"semi\.fractions: .*got \[10\.0\]; .*10 %",
    "evaluate knn run --out words.txt": "out: .*'words.txt' is a file; choose another",
    "distill --layout sbu --out d": "required: --teacher; .*--help",
    "distill --teacher nope.pt --layout sbu --out d": "teacher: there is no file or folder 'nope.pt'; give",
    "distill --teacher run --layout coco --out d": "no layout is named 'coco' .did you mean 'coco-17'",
    "embed clips.npz run --out e": r"clips\.npz: expected a checkpoint .*, got an \.npz file.*encoder first",
    "embed run nope.npz --out e": "clips: there is no file or folder 'nope.npz' .looked in",
    "embed run clips.npz --out e --device gpu": "device: 'gpu' is not available on this machine; try 'cpu'",
    "embed run clips.npz --out e --part train": "'is_train'.*--part",
    "classify run clips.npz --out l.csv": "a classifier .*; .*`skelblocks evaluate linear`",
    "classify run clips.npz --out l.txt": r"ends in \.csv or \.json, got 'l\.txt'",
    "explore run --out x.txt": r"ends in \.html, got 'x\.txt'",
    "explore some.npz clips.npz --out x.html": "other clips: they are of 20 clips, and the set has 24; name the",
    "explore other.npz clips.npz --out x.html": "24 of 24 have another label, such as '0', which has 7 there",
    "explore run --out x.html --map tsn": "invalid choice: 'tsn'.*did you mean 'tsne'",
    "export folder --out x.onnx": "no pretrained encoder in 'folder'.*; name a folder",
    "export run --out x.pth": r"ends in \.pt2 or \.onnx, got 'x\.pth'",
    "import-official run --out i": r"got a folder; name the \.pt file",
    "import-official nope.pt --out i": "there is none; check the name",
    "inspect nope.npz": "there is no file or folder 'nope.npz' .looked in",
    "inspect clips.npz --draw p.txt": r"draw: expected a name that ends in \.png .*, got 'p\.txt'",
    "inspect clips.npz --layout coco-17": "'coco-17' has 17 joints, the clips have 20; layouts with 20 joints",
    "prepare nwucla --root raw --out s": "invalid choice: 'nwucla'.*did you mean 'nw-ucla'",
    "prepare ntu60 --root raw --out s": r"no files \*\.skeleton in 'raw', which has 2 \.json; check",
    "prepare ntu60 --root raw --missing-list no.txt --out s": "'no.txt': no such file or directory; check the name",
    "prepare nw-ucla --root raw --out raw": "out: 'raw' holds files that .*; choose another folder",
    "prepare nw-ucla --root raw --out s --to coco": "no layout is named 'coco' .did you mean 'coco-17'",
    "prepare poses --root two --out s": "1 of openpose with body-25 .* and 1 of alphapose .*; choose one .*--format",
    "prepare poses --root two --format openpose --labels labels.csv --out s": "line 2: there is no recording 'b'",
    "copy msmcrl": r"got 'msmcrl' \(did you mean .*'msmclr'",
    "copy msmclr words.txt": "words.txt .*; choose another",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with clips, a run, raw files and other files."""
    folder = tmp_path_factory.mktemp("mistakes")
    write_set(folder / "clips.npz")
    save_run(folder / "run", str(folder / "clips.npz"))
    write_nw_ucla(folder / "raw", clips=2)
    (folder / "folder").mkdir()
    (folder / "words.txt").write_text("hello")
    (folder / "empty.yaml").write_text("# nothing\n")
    features = np.ones((24, 2), dtype=np.float32)
    np.savez(folder / "some.npz", embeddings=features[:20], names=list(map(str, range(20))))
    np.savez(folder / "other.npz", embeddings=features, names=list(map(str, range(24))), labels=np.full(24, 7))
    (folder / "two").mkdir()
    people = {"people": [{"pose_keypoints_2d": [float(i) for i in range(75)]}]}
    (folder / "two" / "run_000_keypoints.json").write_text(json.dumps(people))
    entry = {"image_id": "0.jpg", "category_id": 1, "keypoints": [float(i) for i in range(51)], "score": 2.5}
    (folder / "two" / "walk.json").write_text(json.dumps([entry]))
    (folder / "labels.csv").write_text("file,label\nb,walk\n")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_on_the_command_line(command, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    before = sorted(place.iterdir())
    try:
        status = main(shlex.split(command))
    except SystemExit as end:  # of argparse
        status = end.code
    said = capsys.readouterr().err
    assert status in (1, 2), said
    assert "Traceback" not in said
    assert "looks like an error in skelblocks" not in said, said
    with pytest.raises(ValueError, match=COMMANDS[command]):
        raise ValueError(" ".join(said.split()))
    assert sorted(place.iterdir()) == before  # nothing is left behind


@pytest.mark.parametrize("command", ["explore run --out x.html", "inspect clips.npz --html x.html"])
def test_a_page_without_jinja2_fails_before_the_work(command, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setattr("skelblocks.cli.explore._open", None)
    monkeypatch.setattr("skelblocks.cli.inspect._open", None)
    assert main(command.split()) == 1
    assert 'pip install "skelblocks[pages]"' in capsys.readouterr().err


def test_encoders_for_flat_clips_are_named(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    flat = np.random.default_rng(0).standard_normal((4, 2, 16, 20, 1)).astype(np.float32)
    np.savez(place / "flat.npz", x=flat, joint_names=np.array(layouts.get("utd-mhad").joints))
    assert main(["embed", "run", "flat.npz", "--out", "flat"]) == 1
    assert "--coordinates 3" in capsys.readouterr().err
    assert not (place / "flat").exists()


def test_a_run_teaches(place):
    from skelblocks.training import open_teacher

    assert open_teacher(str(place / "run")).preprocessing == Preprocessing(frames=16)

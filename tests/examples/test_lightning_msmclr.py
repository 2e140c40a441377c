import warnings

import pytest
import torch
from small_run import load_file, small_method

from skelblocks.data import Sample
from skelblocks.interop import save_pretrained
from skelblocks.training import load_page

lightning = pytest.importorskip("lightning")

lightning_msmclr = load_file("lightning_msmclr")
LightningMsMCLR = lightning_msmclr.LightningMsMCLR


def twins():
    """The method of train_msmclr.py, and the module with its weights and bank."""
    torch.manual_seed(0)
    method = small_method(load_page("msmclr"), dropout=0.0)
    twin = LightningMsMCLR("sbu", base_channels=4, channels=16, embedding=8, dropout=0.0, queue_size=8)
    twin.query_branch.load_state_dict(method.contrast.query_branch.state_dict())
    twin.key_branch.load_state_dict(method.contrast.key_branch.state_dict())
    twin.attention.load_state_dict(method.attention.state_dict())
    twin.queue.load_state_dict(method.contrast.queue.state_dict())
    return method, twin


def test_a_step_is_that_of_train_msmclr():
    """Loss, gradients, key branch and queue."""
    method, twin = twins()
    views, ids = [torch.randn(4, 3, 16, 15, 1) for _ in range(3)], torch.arange(4)
    output = method(*views, ids=ids)
    loss, keys = twin(*views)
    torch.testing.assert_close(loss, output.loss, rtol=0, atol=0)
    output.loss.backward()
    loss.backward()
    for module in (method, twin):
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        torch.optim.SGD(trained, lr=0.1).step()
    method.update(output, step=1, total_steps=2)
    twin.on_train_batch_end({"keys": keys, "ids": ids}, Sample(views[0], ids, ids), 0)
    pairs = [
        (method.contrast.query_branch, twin.query_branch),
        (method.contrast.key_branch, twin.key_branch),
        (method.contrast.queue, twin.queue),
        (method.attention, twin.attention),
    ]
    for ours, reference in pairs:
        expected = ours.state_dict()
        assert expected.keys() == reference.state_dict().keys()
        for name, value in reference.state_dict().items():
            torch.testing.assert_close(value, expected[name], rtol=0, atol=0)


def test_its_sizes_are_the_papers():
    count = sum(parameter.numel() for parameter in LightningMsMCLR("ntu-rgb+d").parameters())
    assert count == 1_840_136 + 16_672


def test_it_takes_clips_in_a_picture():
    twin = LightningMsMCLR("coco-17", coordinates=2, base_channels=4, channels=16, embedding=8, queue_size=8)
    clips = torch.randn(4, 2, 16, 17, 1)
    loss, _ = twin(twin.normal(clips), twin.strong(clips), twin.normal(clips))
    assert loss.isfinite()


def test_it_trains_in_lightnings_loop(tmp_path):
    clips = torch.randn(12, 3, 16, 15, 1)
    loader = torch.utils.data.DataLoader([Sample(x, torch.tensor(0), torch.tensor(i)) for i, x in enumerate(clips)], 4)
    twin = LightningMsMCLR("sbu", base_channels=4, channels=16, embedding=8, queue_size=8, learning_rate=0.01)
    key = [p.clone() for p in twin.key_branch.parameters()]
    trainer = lightning.Trainer(
        max_epochs=2, default_root_dir=tmp_path, accelerator="cpu", enable_progress_bar=False, log_every_n_steps=1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(twin, loader)
    assert trainer.global_step == 6
    assert int(twin.queue.pointer) == 6 * 4 % 8
    assert twin.queue.ids.sort().values.tolist() == [4, 5, 6, 7, 8, 9, 10, 11]
    assert not all(torch.equal(a, b) for a, b in zip(key, twin.key_branch.parameters(), strict=True))
    assert torch.isfinite(trainer.callback_metrics["loss"])


def test_the_script_runs(tmp_path, monkeypatch):
    small = {"classes": 3, "subjects": 4, "views": 1, "frames": 32}
    synthetic = lightning_msmclr.synthetic_motion
    monkeypatch.setattr(lightning_msmclr, "synthetic_motion", lambda layout, **_: synthetic(layout, **small))
    monkeypatch.setattr(lightning_msmclr, "DataLoader", lambda part, **_: torch.utils.data.DataLoader(part, 4))
    assert 0 <= lightning_msmclr.main(1, str(tmp_path)) <= 100


def test_it_starts_from_an_encoder(tmp_path, capsys):
    source = LightningMsMCLR("sbu", base_channels=4, channels=16, embedding=8, queue_size=8)
    encoder, _, head = source.query_branch
    save_pretrained(tmp_path / "encoder", encoder=encoder, head=head)
    twin = LightningMsMCLR(
        "sbu", base_channels=4, channels=16, embedding=8, queue_size=8, start=str(tmp_path / "encoder")
    )
    assert "encoder and head. New weights: attention and queue." in capsys.readouterr().out
    for branch in (twin.query_branch, twin.key_branch.encoder):
        for name, value in branch.state_dict().items():
            assert value.equal(source.query_branch.state_dict()[name])
    fresh, started = twin.configure_optimizers()["optimizer"].param_groups
    assert (fresh["lr"], started["lr"]) == (0.1, 0.05)
    assert len(fresh["params"]) == len(list(twin.attention.parameters()))

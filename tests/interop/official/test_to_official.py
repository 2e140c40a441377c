import pytest
import torch
from official_states import official_state
from torch import nn

from skelblocks.attention import MHSAM, MsMAttention
from skelblocks.contrast import MomentumQueue
from skelblocks.encoders import DSTA, STGCN, ProjectionHead
from skelblocks.interop import CheckpointError, OfficialCheckpoint, OfficialStream, load_official, to_official


def encoder(**options):
    return STGCN("ntu-rgb+d", base_channels=4, out_channels=16, **options)


def msmclr():
    blocks = {"encoder": encoder(), "key_encoder": encoder()}
    blocks |= {name: ProjectionHead(16, hidden_features=16, out_features=8) for name in ("head", "key_head")}
    blocks |= {name: MsMAttention(16, layout="ntu-rgb+d") for name in ("attention", "key_attention")}
    return {**blocks, "queue": MomentumQueue(8, size=12)}


def test_blocks_of_ones_own_have_the_released_names():
    blocks = msmclr()
    blocks["queue"].enqueue(torch.randn(5, 8))
    own = blocks.pop("encoder")
    written = to_official(own, source="MsMCLR", **blocks)
    expected = {key for key in official_state("MsMCLR", queue=2) if ".dropout." not in key}
    # 4 * base_channels equals out_channels here, so that the last block's residual has no weights.
    assert set(written) == {key for key in expected if ".9.residual." not in key}
    assert written["queue"].shape == (8, 12)
    assert written["queue_ptr"].tolist() == [5]
    loaded = load_official(dict(written))
    assert torch.equal(loaded.queue.bank, blocks["queue"].bank)
    x = torch.randn(2, 3, 9, 25, 1)
    assert torch.equal(loaded.encoder(x), own.eval()(x))


def test_values_are_copies():
    own = encoder()
    written = to_official(own, source="PSTL")
    written["data_bn.weight"].zero_()
    assert own.data_norm.weight.all()
    assert all(value.is_contiguous() and not value.requires_grad for value in written.values())


def test_an_encoder_alone_under_a_stream_of_crossclr():
    written = to_official(encoder(), source="CrosSCLR", stream="bone")
    assert all(key.startswith("encoder_q_bone.") for key in written)


def test_biases_where_the_released_layer_has_none_must_be_zero():
    head = ProjectionHead(16, hidden_features=16, out_features=8, batch_norm=True)
    with pytest.raises(CheckpointError, match=r"head.layers.0.bias: SkeAttnCLR's layer has no bias"):
        to_official(encoder(), source="SkeAttnCLR", head=head)
    for index in (0, 3):
        nn.init.zeros_(head.layers[index].bias)
    plain = ProjectionHead(16, hidden_features=16, out_features=8, batch_norm=True, bias=False)
    plain.load_state_dict({name: value for name, value in head.state_dict().items() if name in plain.state_dict()})
    without = to_official(encoder(), source="SkeAttnCLR", head=plain)
    assert without["encoder_q.neck.proj.mlp.3.weight"].equal(plain.layers[3].weight[..., None])
    written = to_official(encoder(), source="SkeAttnCLR", head=head, attention=MHSAM(16, num_heads=4))
    assert written["encoder_q.neck.proj.mlp.0.weight"].shape == (16, 16, 1)
    assert "encoder_q.neck.proj.mlp.0.bias" not in written


def test_blocks_without_a_place_are_refused():
    with pytest.raises(CheckpointError, match="attention: files of AimCLR have no place for it"):
        to_official(encoder(), source="AimCLR", attention=MsMAttention(16, layout="ntu-rgb+d"))
    with pytest.raises(CheckpointError, match="key_encoder: files of PSTL have no place"):
        to_official(encoder(), source="PSTL", key_encoder=encoder())
    with pytest.raises(CheckpointError, match="both under the name 'fc'"):
        to_official(encoder(), source="AimCLR", head=ProjectionHead(16), classifier=nn.Linear(16, 3))
    two = OfficialCheckpoint(
        source="AimCLR", streams={name: OfficialStream(encoder=encoder()) for name in ("joint", "bone")}
    )
    with pytest.raises(CheckpointError, match="streams: AimCLR has one, got joint, bone"):
        to_official(two)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="source: expected one of 'SkeletonCLR'"):
        to_official(encoder())
    with pytest.raises(TypeError, match="checkpoint: expected an OfficialCheckpoint or an STGCN, got DSTA"):
        to_official(DSTA("ntu-rgb+d", frames=8, layers=[(8, 8, 4, 1)]), source="AimCLR")
    with pytest.raises(TypeError, match="source, blocks: a checkpoint has its own"):
        to_official(load_official(official_state("PSTL_encoder")), source="AimCLR")


def test_a_head_without_biases_goes_where_there_are_none():
    head = ProjectionHead(16, hidden_features=16, out_features=8, bias=False)
    with pytest.raises(
        CheckpointError, match="head: the layers of AimCLR have biases; train a ProjectionHead with bias=T"
    ):
        to_official(encoder(), source="AimCLR", head=head)

import pickle

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from skelblocks.clips import Sample


class Made(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        seen = torch.arange(2 * 3 * 1).view(2, 3, 1) > i
        return Sample(torch.full((2, 2, 3, 1), float(i)), torch.tensor(i % 2), torch.tensor(i), seen=seen)


def test_a_sample_is_a_tuple_of_three():
    sample = Made()[1]
    clip, label, index = sample
    assert all(a is b for a, b in zip((clip, label, index), (sample.clip, sample.label, sample.index), strict=True))
    assert len(sample) == 3
    assert Sample(clip, label, index).seen is None


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_mask_survives_a_loader(workers):
    batch = next(iter(DataLoader(Made(), batch_size=3, num_workers=workers)))
    assert isinstance(batch, Sample)
    assert batch.seen.shape == (3, 2, 3, 1)
    assert batch.seen[2].equal(Made()[2].seen)


def test_the_mask_survives_pickling_moving_and_replacing():
    sample = Made()[1]
    for other in (pickle.loads(pickle.dumps(sample)), sample.to("cpu"), sample._replace(label=torch.tensor(5))):
        assert other.seen.equal(sample.seen)
        assert other.clip.equal(sample.clip)
    half = sample.to(torch.float64)
    assert (half.clip.dtype, half.label.dtype, half.seen.dtype) == (torch.float64, torch.int64, torch.bool)
    assert sample.to("meta").seen.device.type == "meta"


def test_samples_with_and_without_a_mask_do_not_mix():
    plain = Sample(*Made()[0])
    assert default_collate([plain, plain]).seen is None
    with pytest.raises(ValueError, match="samples: expected all or none with a mask of seen joints, got both"):
        default_collate([plain, Made()[0]])

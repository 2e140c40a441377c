# ruff: noqa: B018, E402
# %% [markdown]
# # Pre-training and evaluation
#
# MsMCLR from blocks, trained for some seconds on synthetic motion without labels, then evaluated with them. The run
# is far too short and too small to compare anything; it shows the whole way. `examples/train_msmclr.py` is the method
# with all its options.

# %%
# %matplotlib inline
import torch
from torch import nn

from skelblocks import ArrayDataset, recipes, synthetic_motion, viz
from skelblocks.data import Preprocessing

motion = synthetic_motion("ntu-rgb+d", classes=5, subjects=16, views=1, frames=24, occlusion=0.0)
settings = Preprocessing(frames=24)  # and centered
dataset = ArrayDataset(motion.x.numpy(), layout="ntu-rgb+d", labels=motion.labels.numpy(), preprocessing=settings)
train, test = (dataset.subset(part.numpy()) for part in (motion.cross_subject(), ~motion.cross_subject()))
len(train), len(test)

# %% [markdown]
# ## The method
#
# Two query branches with shared weights, a key branch, a queue.

# %%
from skelblocks import (
    STGCN,
    MomentumEncoder,
    MomentumQueue,
    MsMAttention,
    Pool,
    ProjectionHead,
    contrastive_logits,
    d3m_loss,
    info_nce,
)

torch.manual_seed(0)
encoder = STGCN("ntu-rgb+d", base_channels=8, out_channels=64, dropout=0.0)
pool, head = Pool(), ProjectionHead(64, hidden_features=64, out_features=32)
branch = nn.Sequential(encoder, pool, head)
attend = MsMAttention(64, layout="ntu-rgb+d")
key_branch = MomentumEncoder(branch, momentum=0.99)
queue = MomentumQueue(32, size=64)
ordinary, strong = recipes.weak(), recipes.msmclr_strong("ntu-rgb+d")


def loss_of(clips):
    """The loss of a batch against the bank as it is, and its keys."""
    with torch.no_grad():
        query, extreme, key = ordinary(clips), strong(clips), ordinary(clips)
    keys = key_branch(key)
    logits = [
        contrastive_logits(head(pool(each)), keys, queue.bank, temperature=0.07)
        for each in (encoder(query), *attend(encoder(extreme)))
    ]
    return info_nce(logits[0]) + d3m_loss(logits[1:], logits[0]), keys


# %% [markdown]
# ## Before
#
# An untrained encoder is the baseline that a trained one has to be compared with. Features come from plain test
# clips.

# %%
from skelblocks import extract_features, knn_accuracy, linear_probe


def evaluate():
    """Top-1 accuracy on subjects who were not in training, in percent."""
    seen, unseen = (extract_features(encoder, part.as_tensor()) for part in (train, test))
    knn = knn_accuracy(seen, train.labels, unseen, test.labels, k=5)
    probe = linear_probe(seen, train.labels, unseen, test.labels, epochs=50, learning_rate=0.1, standardize=True)
    return f"kNN {100 * knn:.1f} %, linear {100 * probe.accuracy:.1f} %"


evaluate()

# %% [markdown]
# ## Training
#
# The order of a step: loss, backward, optimizer, key branch, queue. The first losses are small, since an untrained
# encoder gives all clips nearly the same embedding, and the queue holds random directions.

# %%
optimizer = torch.optim.SGD([*branch.parameters(), *attend.parameters()], lr=0.02, momentum=0.9, weight_decay=1e-4)
clips, losses = train.as_tensor(), []
for _ in range(20):
    encoder.train()
    for rows in torch.randperm(len(clips)).split(20):
        loss, keys = loss_of(clips[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        key_branch.update(branch)
        queue.enqueue(keys)
        losses.append(loss.item())
viz.curves({"loss": losses}, xlabel="step", ylabel="loss")

# %% [markdown]
# ## After

# %%
evaluate()

# %%
features = extract_features(encoder, test.as_tensor())
viz.embedding_scatter(features, test.labels, class_names=motion.class_names, method="pca")

# %% [markdown]
# ## Keep it
#
# `save_pretrained` writes weights as safetensors and everything else as JSON; `from_pretrained` gives the encoder
# back anywhere.

# %%
import tempfile

from skelblocks import from_pretrained, save_pretrained

with tempfile.TemporaryDirectory() as folder:
    save_pretrained(f"{folder}/mine", encoder=encoder, preprocessing=Preprocessing(frames=24, persons=1))
    found = from_pretrained(f"{folder}/mine")
found.layout.name, found.preprocessing

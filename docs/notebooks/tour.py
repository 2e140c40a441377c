# ruff: noqa: B018, E402
# %% [markdown]
# # A first tour
#
# From a skeleton to a contrastive loss, a block a step: a layout, clips, augmentations, an encoder, attention, a
# queue and a loss, each looked at. No data is needed.

# %%
# %matplotlib inline
import torch

from skelblocks import layouts, synthetic_motion, viz

layout = layouts.get("ntu-rgb+d")
print(layout.num_joints, "joints, the center is", layout.joints[layout.center])
[group.name for group in layout.parts]

# %% [markdown]
# ## Clips
#
# A batch of clips is `(N, C, T, V, M)`: samples, coordinates, frames, joints, persons. `synthetic_motion` makes
# labeled ones of articulated bodies that act in front of cameras.

# %%
clips = synthetic_motion(layout, classes=4, subjects=4, views=1, frames=32, seed=1)
print(clips.class_names)
clips.x.shape

# %%
viz.draw_skeleton(clips.x[0], layout=layout, frames=5, color_by="part", title=clips.class_names[0])

# %% [markdown]
# ## Augmentations
#
# A transform draws values (`sample`) that know nothing of the data, then applies them (`transform`). The same draw
# replays on another stream or view; with a generator, the global random state stays untouched.

# %%
from skelblocks import RandomRotation, RandomShear, RandomTemporalCrop, recipes, streams

shear = RandomShear(0.5)
params = shear.sample(clips.x.shape, generator=torch.Generator().manual_seed(0))
shear.transform(clips.x, params).equal(shear.transform(clips.x, params))

# %%
ops = {"shear": RandomShear(0.5), "rotation": RandomRotation(30.0), "crop": RandomTemporalCrop(6)}
viz.augmentation_strips(clips.x[0], ops, layout=layout, frames=5)

# %% [markdown]
# The methods' lists of augmentations are recipes. MsMCLR has two ordinary views and a strong one:

# %%
torch.manual_seed(0)
ordinary, strong = recipes.weak(), recipes.msmclr_strong(layout)
print(strong)
query, extreme, key_view = (
    streams.convert(view(clips.x), "joint", layout=layout) for view in (ordinary, strong, ordinary)
)

# %% [markdown]
# ## Encoder and embedding
#
# An encoder gives a feature map `(N, M, C, T', V)`; `pool` averages it to `(N, C)`; a head makes an embedding `(N,
# D)`.

# %%
from torch import nn

from skelblocks import STGCN, MomentumEncoder, Pool, ProjectionHead, pool

encoder = STGCN(layout, base_channels=8, out_channels=64)
head = ProjectionHead(64, hidden_features=64, out_features=16)
branch = nn.Sequential(encoder, Pool(), head)
feature_map = encoder(query)
feature_map.shape, branch(query).shape

# %% [markdown]
# ## Attention at three scales
#
# MsM attention averages the map over parts and bodies, and gates each scale by its motion.

# %%
from skelblocks import MsMAttention

attend = MsMAttention(64, layout=layout)
scales, weights = attend(encoder(extreme), return_attention=True)
print([tuple(scale.shape) for scale in scales])
viz.attention_map([matrix[0, 0].detach() for matrix in weights], names=["joint", "part", "body"])

# %% [markdown]
# ## Loss
#
# Keys come from a slowly moving copy of the branch, negatives from a queue of earlier keys. Logits are `(N, 1 + K)`,
# the positive first. InfoNCE tells a clip's own key from the others; D3M lets the strong view's scales follow the
# ordinary view.

# %%
from skelblocks import MomentumQueue, contrastive_logits, d3m_loss, info_nce

key_branch, queue = MomentumEncoder(branch, momentum=0.99), MomentumQueue(16, size=64)
keys = key_branch(key_view)


def logits(maps):
    return contrastive_logits(head(pool(maps)), keys, queue.bank, temperature=0.07)


teacher = logits(feature_map)
students = [logits(scale) for scale in scales]
loss = info_nce(teacher) + d3m_loss(students, teacher)
print(teacher.shape)
round(loss.item(), 3)

# %% [markdown]
# ## A step
#
# Loss from the old bank, backward, optimizer, and only then the key branch and the queue.

# %%
optimizer = torch.optim.SGD([*branch.parameters(), *attend.parameters()], lr=0.02, momentum=0.9)
loss.backward()
optimizer.step()
key_branch.update(branch)
queue.enqueue(keys)
int(queue.pointer)

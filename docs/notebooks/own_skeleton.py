# ruff: noqa: B018, E402
# %% [markdown]
# # A skeleton of your own
#
# A skeleton that is not in the catalogue: described as a dict, looked at, and used by augmentations, encoder and
# attention. Here it is an upper body of eleven joints, as a seated camera might give it.

# %%
# %matplotlib inline
import torch

from skelblocks import layouts, viz

upper_body = {
    "name": "upper-body",
    "joints": [
        "neck",
        "head",
        "spine",
        "shoulder_left",
        "elbow_left",
        "wrist_left",
        "hand_left",
        "shoulder_right",
        "elbow_right",
        "wrist_right",
        "hand_right",
    ],
    "edges": [[1, 0], [2, 0], [3, 0], [4, 3], [5, 4], [6, 5], [7, 0], [8, 7], [9, 8], [10, 9]],
    "center": 0,
    "swap": [0, 1, 2, 7, 8, 9, 10, 3, 4, 5, 6],
    "parts": {
        "trunk": [0, 2],
        "head": [1],
        "left_arm": [3, 4],
        "left_hand": [5, 6],
        "right_arm": [7, 8],
        "right_hand": [9, 10],
    },
    "bodies": {"left_arm": [3, 4, 5, 6], "right_arm": [7, 8, 9, 10], "torso": [0, 1, 2]},
}
layout = layouts.get(upper_body)
[(layout.joints[joint], layout.joints[parent]) for joint, parent in enumerate(layout.parents)][:5]

# %% [markdown]
# A mistake in it is an error that says where:

# %%
try:
    layouts.get({**upper_body, "bodies": {"left_arm": [3, 4, 5, 6], "torso": [0, 1, 2]}})
except ValueError as error:
    print(error)

# %% [markdown]
# The pairs of the mirror image, to be looked at, since a wrong pair raises nothing:

# %%
[(layout.joints[a], layout.joints[b]) for a, b in enumerate(layout.swap) if a < b]

# %% [markdown]
# ## Clips of yours
#
# Arrays come in any order of axes and in any length; `from_arrays` pads them, `ArrayDataset` centers and resamples.
# These joints have the names of the synthetic body, which stands in for a recording.

# %%
from skelblocks import ArrayDataset, synthetic_motion
from skelblocks.data import Preprocessing, from_arrays

motion = synthetic_motion(layout, classes=6, subjects=8, views=1, frames=40, occlusion=0.0)
recorded = [clip[:, : 30 + i % 10, :, 0].permute(1, 2, 0).numpy() for i, clip in enumerate(motion.x)]  # t v c
padded = from_arrays(recorded, "T V C", layout=layout)
settings, labels = Preprocessing(frames=24), motion.labels.numpy()
dataset = ArrayDataset(padded.clips, layout=layout, lengths=padded.lengths, labels=labels, preprocessing=settings)
dataset

# %%
viz.clip_strip({motion.class_names[i]: dataset[8 * i].clip for i in (0, 2)}, layout=layout, frames=5, color_by="part")

# %% [markdown]
# ## Blocks
#
# Everything that knows joints takes the layout: mirror images and region swaps, the graph of the encoder, the scales
# of attention.

# %%
from skelblocks import STGCN, MsMAttention, RandomSpatialFlip, SpatioTemporalOcclusion, pool, recipes

torch.manual_seed(0)
clips = dataset.as_tensor()
flipped = RandomSpatialFlip(layout, p=1.0)(clips)
print("left hand is the right one's:", flipped[:, :, :, 6].equal(clips[:, :, :, 10]))
encoder = STGCN(layout, base_channels=4, out_channels=32)
scales = MsMAttention(32, layout=layout)(encoder(recipes.aimclr_extreme(layout)(clips)))
[tuple(scale.shape) for scale in scales]

# %%
ops = {"flip": RandomSpatialFlip(layout, p=1.0), "occlusion": SpatioTemporalOcclusion(layout, joint_ratio=0.3)}
viz.augmentation_strips(clips[0], ops, layout=layout, frames=5, color_by="part")

# %% [markdown]
# ## By name, and in a file
#
# `register` makes it known by its name, for this process; a dict of plain lists goes into JSON. A saved encoder holds
# the whole layout, so that it opens where it is not registered.

# %%
import json

layouts.register(upper_body)
print(layouts.get("upper-body") == layouts.get(json.loads(json.dumps(layout.to_dict()))))
pool(encoder.eval()(clips)).shape

"""What EADM takes away at several margins, from feature maps of an untrained ST-GCN."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from skelblocks import EADM, STGCN, layouts, viz
from skelblocks.attention import eadm, energy_attention

torch.manual_seed(0)
encoder = STGCN(LAYOUT, base_channels=16, out_channels=256, dropout=0.0)
with torch.no_grad():
    feature_map = encoder(clips())  # (N, M, C, T', V)


def eadm_margins() -> Figure:
    energy = energy_attention(feature_map)[0, 0].mean(dim=0)  # (T', V), of the first clip
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    panels = figure.subplots(1, 5, sharey=True)
    image = panels[0].imshow(energy.T, cmap="magma_r", aspect="auto")
    panels[0].set(title="what decides", xlabel="step")
    panels[0].set_yticks(range(25), [name.replace("_", " ") for name in layouts.get(LAYOUT).joints], fontsize=8)
    for panel, margin in zip(panels[1:], (0.65, 0.665, 0.67, 0.7), strict=True):
        _, (joints, steps) = EADM(keep_margin=margin)(feature_map[:1], return_masks=True)
        kept = joints[0, 0, :, None] & steps[0, 0]  # (V, T')
        panel.imshow(kept, cmap=ListedColormap(["#333333", "#cfe3f1"]), vmin=0, vmax=1, aspect="auto")
        panel.set_title(f"keep_margin={margin}", fontsize=10)
        panel.set_xlabel("step")
    figure.colorbar(image, ax=panels, label="attention, mean over channels")
    return figure


def eadm_share() -> Figure:
    margins = torch.linspace(0.63, 0.76, 53).tolist()
    shares: dict[str, list[float]] = {"joints": [], "frames": [], "entries (official)": []}
    for margin in margins:
        _, (joints, frames) = eadm(feature_map, keep_margin=margin)
        _, (_, entries) = eadm(feature_map, keep_margin=margin, variant="official")
        for name, kept in zip(shares, (joints, frames, entries), strict=True):
            shares[name].append(1 - kept.float().mean().item())
    series = {name: (margins, share) for name, share in shares.items()}
    return viz.curves(series, xlabel="keep_margin", ylabel="share dropped")


if __name__ == "__main__":
    write(eadm_margins, eadm_share)

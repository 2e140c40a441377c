"""What EADM takes away at several margins, from feature maps of an untrained ST-GCN."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from skelblocks import EADM, STGCN, layouts, viz
from skelblocks.attention import eadm, energy_attention

LOOKS = {"dropped": "#333333", "kept": "#cfe3f1"}

torch.manual_seed(0)
encoder = STGCN(LAYOUT, base_channels=16, out_channels=256, dropout=0.0)
with torch.no_grad():
    feature_map = encoder(clips())  # (N, M, C, T', V)


def eadm_margins() -> Figure:
    energy = energy_attention(feature_map)[0, 0].mean(dim=0)  # (T', V), of the first clip
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    panels = figure.subplots(1, 5, sharey=True)
    image = panels[0].imshow(energy.T, cmap="magma_r", aspect="auto")
    panels[0].set_title("attention", fontsize=10.5)
    panels[0].set_yticks(range(25), [name.replace("_", " ") for name in layouts.get(LAYOUT).joints], fontsize=8)
    bar = figure.colorbar(image, ax=panels[0], location="bottom", pad=0.02, aspect=12, ticks=(0.66, 0.7))
    bar.set_label("mean of the channels", fontsize=9)
    for panel, margin in zip(panels[1:], (0.65, 0.665, 0.67, 0.7), strict=True):
        _, (joints, steps) = EADM(keep_margin=margin)(feature_map[:1], return_masks=True)
        kept = joints[0, 0, :, None] & steps[0, 0]  # (V, T')
        panel.imshow(kept, cmap=ListedColormap(list(LOOKS.values())), vmin=0, vmax=1, aspect="auto")
        panel.set_title(f"margin {margin}\n{100 * (1 - kept.float().mean()):.3g} % dropped", fontsize=10.5)
    for panel in panels:
        panel.set_xlabel("frame of the map")
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
    figure.legend(
        [Patch(color=color) for color in LOOKS.values()], LOOKS, loc="outside lower right", ncols=2, frameon=False
    )
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

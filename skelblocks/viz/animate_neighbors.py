"""Write a film of a clip and of the clips that are most similar by an encoder's features.

Axes: n clips, d features.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from torch import Tensor

from skelblocks._utils.checks import check_integer
from skelblocks.clips.clip_dataset import ClipDataset
from skelblocks.evaluation.retrieval import nearest_neighbors
from skelblocks.viz.animate_clip import animate_clip

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def animate_neighbors(
    dataset: ClipDataset, features: Tensor, place: int, path: str | os.PathLike[str], *, k: int = 3, **options: Any
) -> Figure:
    """Write a film of a clip and its k nearest neighbors, side by side, each with its cosine.

    Args:
        dataset: The clips, n of them.
        features: Features of the clips ``(n, d)``, such as :func:`~skelblocks.evaluation.extract_features` or the
            command ``embed`` gives.
        place: Index of the clip.
        path: File to write, ending in ``.gif`` or ``.mp4``.
        k: Number of neighbors.
        **options: For :func:`~skelblocks.viz.animate_clip`: ``fps``, ``title`` and others.

    Returns:
        The figure with the first frame.

    Raises:
        ImportError: Matplotlib is missing; for GIF, pillow; for MP4, imageio-ffmpeg.
        ValueError: The number of features is not the number of clips, the index does not exist, or there are fewer than
            k other clips.

    Example:
        >>> import pathlib, tempfile, torch
        >>> from skelblocks.data import ArrayDataset
        >>> x = torch.randn(6, 3, 4, 15, 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "neighbors.gif")
        ...     figure = animate_neighbors(ArrayDataset(x.numpy(), layout="sbu"), x.flatten(1), 2, path, k=2)
        ...     path.stat().st_size > 0
        True
    """
    check_integer(place, name="place", least=0)
    if len(features) != len(dataset.names) or place >= len(features):
        raise ValueError(
            f"features, place: expected one feature for each of the {len(dataset.names)} clips and a place among them, "
            f"got {len(features)} features and place {place}"
        )
    others = [other for other in range(len(features)) if other != place]
    cosines, rows = nearest_neighbors(features[place : place + 1], features[others], k=k)
    shown = {f"{dataset.names[place]}": dataset.batch([place])[0]}
    for rank, (cosine, row) in enumerate(zip(cosines[0].tolist(), rows[0].tolist(), strict=True)):
        other = others[row]
        shown[f"{rank + 1}. {dataset.names[other]} ({cosine:.2f})"] = dataset.batch([other])[0]
    return animate_clip(shown, path, layout=dataset.layout, **options)

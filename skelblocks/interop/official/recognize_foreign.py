"""Guess what an unknown file is, from tables of tensor names and first bytes."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

# Names in the methods that can be read, and their prefixes.
_PREFIXED = re.compile(r"(.*?\.)(encoder_[qk](_\w+)?|st_gcn_networks)\.")

# What a network's tensors are called, and whose it is; the first that occurs decides.
_NETWORKS = (
    (r"(\w+\.)*blocks\.\d+\.graph\.", "an encoder of skelblocks itself; use from_pretrained, or STGCN.load_state_dict"),
    (r"(\w+\.)*gru\w*\.(weight|bias)_[ih]h_l\d|(\w+\.)*(en|de)_\w+\.(weight|bias)_[ih]h_l\d", "a recurrent network"),
    (r"backbone\.gcn\.\d|cls_head\.", "a model of PYSKL or MMAction2"),
    (r"(\w+\.)*l\d+\.gcn\d?\.convs\.", "CTR-GCN, which is not an ST-GCN"),
    (r"(\w+\.)*l\d+\.gcn\d?\.(Linear_weight|Feature_Mask)", "Shift-GCN, which is not an ST-GCN"),
    (r"(\w+\.)*l\d+\.(gcn|tcn)\d?\.", "2s-AGCN or one of its relatives, which are not ST-GCNs"),
    (r"(\w+\.)*(gcn3d|sgcn|tcn)\d\.", "MS-G3D, which is not an ST-GCN"),
    (r"(\w+\.)*(graph_layers|in_nets|ff_nets)\.", "a DSTA network"),
    (r"(\w+\.)*(joints_embed|decoder_embed|pos_embed|blocks\.\d+\.(attn|norm1)\.)", "a transformer"),
    (r"(\w+\.)*layer[1-4]\.\d+\.(conv|bn)\d", "a ResNet, which takes images or heat maps"),
)
_FIRST_BYTES = (
    (b"version https://git-lfs", "a Git LFS pointer instead of the file; get the file itself with git lfs pull"),
    (b"<!DOCTYPE html", "a web page instead of the file; download the raw file"),
    (b"<html", "a web page instead of the file; download the raw file"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"{", "a JSON file"),
)


def seems_to_be(names: Iterable[str]) -> str:
    """The network that tensors of these names belong to; empty if none is known.

    Example:
        >>> seems_to_be(["model.st_gcn_networks.0.gcn.conv.weight", "model.data_bn.weight"])
        "one of them with names that begin with 'model.'; remove that: {key.removeprefix('model.'): value for ...}"
        >>> seems_to_be(["layer1.0.conv1.weight", "fc.bias"])
        'a ResNet, which takes images or heat maps'
    """
    listed = list(names)
    found = next((match for name in listed if (match := _PREFIXED.match(name))), None)
    if found and found[1].isprintable() and len(found[1]) < 80:
        return (
            f"one of them with names that begin with {found[1]!r}; remove that: "
            f"{{key.removeprefix({found[1]!r}): value for ...}}"
        )
    for pattern, kind in _NETWORKS:
        if any(re.match(pattern, name) for name in listed):
            return kind
    return ""


def file_seems_to_be(path: Path) -> str:
    """What a file is by its first bytes or by what its archive holds; empty if that is not known.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = Path(folder, "weights.pt")
        ...     _ = place.write_bytes(b"<!DOCTYPE html><title>Not found</title>")
        ...     file_seems_to_be(place)
        'a web page instead of the file; download the raw file'
    """
    with path.open("rb") as file:
        start = file.read(64)
    if start[8:10] == b'{"' and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return "a safetensors file; load it with safetensors.torch.load_file and pass the dict"
    for first, kind in _FIRST_BYTES:
        if start.lstrip().lower().startswith(first.lower()):
            return kind
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inner = archive.namelist()
        if any(name.endswith(".npy") for name in inner):
            return "an .npz file of NumPy"
        if any("/code/" in name and name.endswith(".py") for name in inner):
            return "a TorchScript module; load it with torch.jit.load and save its state_dict()"
        if any(name.endswith(("serialized_exported_program.json", "models/model.json")) for name in inner):
            return "a program of torch.export; the checkpoint that it was made of is another file"
        if not any(name.endswith("data.pkl") for name in inner):
            return "a zip archive; unpack it first"
    return ""

"""Common files that this package does not read: how to recognize them, and what reads them."""

from __future__ import annotations

import struct

from skelblocks.data.formats.json_file import json_keys

_VERSIONS = (0.0, 0.1, 0.2)  # of pose-format, as the float that its files begin with


def explain_refusal(head: bytes) -> str:
    r"""What a file is that is not read, with the remedy; empty if it is unknown.

    Args:
        head: The start of the file.

    Example:
        >>> explain_refusal(b"scorer,net,net\nbodyparts,nose,nose\ncoords,x,y\n")
        'got a table of DeepLabCut; read it with pandas.read_csv(path, header=[0, 1, 2]) in a function as format='
    """
    lines = head[: 1 << 14].split(b"\n")
    if len(lines) > 2 and lines[0].startswith(b"scorer") and b"bodyparts" in b"".join(lines[1:3]):
        return (
            "got a table of DeepLabCut; read it with pandas.read_csv(path, header=[0, 1, 2]) in a function as format="
        )
    if head.startswith(b"\x89HDF"):
        return (
            "got HDF5, as DeepLabCut and SLEAP write it; read it with pandas.read_hdf(path), or with the library that "
            "wrote it, in a function as format="
        )
    if len(head) > 1 and head[1] == 0x50 and 2 <= head[0] < 128 and not head[:2].isalnum():
        return (
            "got C3D, which holds markers and not joints; compute the joints from them, for instance with ezc3d, in a "
            "function as format="
        )
    if _is_pose_format(head):
        return "got a file of pose-format; read it with the library pose-format (Pose.read) in a function as format="
    if head.startswith(b"\x80") and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return (
            "got a pickle, which can run code and is not opened; 'skelblocks prepare pyskl' reads pyskl's pickles; "
            "save others as .npz without objects"
        )
    if head.strip() in (b"[]", b"{}"):
        return "got an empty list: the pose tool found no person"
    if {"box", "keypoints", "visible"} <= json_keys(head):
        return "got the result of Ultralytics' to_json, which does not say frames; write it with save_txt=True"
    if head[4:8] == b"ftyp" or head.startswith((b"\x1aE\xdf\xa3", b"RIFF")):
        return "got a video; run a pose estimator on it first"
    return ""


def _is_pose_format(head: bytes) -> bool:
    """A float for the version, width, height and depth, and the first component's name and format."""
    if len(head) < 16:
        return False
    version, *_, components, length = struct.unpack("<fHHHHH", head[:14])
    named = head[14 : 14 + length]
    known = any(abs(version - each) < 1e-6 for each in _VERSIONS)
    return (
        known and 0 < components < 100 and 0 < length < 100 and named.isascii() and named.decode("ascii").isprintable()
    )

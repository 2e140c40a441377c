from skelblocks.pages.pack_motion import pack_motion, unpack_motion
from skelblocks.pages.packed import Packed, pack_array, pack_json, unpack
from skelblocks.pages.render_page import render_page
from skelblocks.pages.write_page import write_page

__all__ = [
    "Packed",
    "pack_array",
    "pack_json",
    "pack_motion",
    "render_page",
    "unpack",
    "unpack_motion",
    "write_page",
]

from skelblocks.pages.explore_page import explore_page
from skelblocks.pages.explore_scores import Scores, neighbor_scores, run_scores
from skelblocks.pages.pack_motion import pack_motion, unpack_motion
from skelblocks.pages.packed import Packed, pack_array, pack_json, unpack
from skelblocks.pages.render_page import render_page
from skelblocks.pages.report_page import report_page
from skelblocks.pages.set_facts import SetFacts, set_facts
from skelblocks.pages.set_page import set_page
from skelblocks.pages.write_page import write_page

__all__ = [
    "Packed",
    "Scores",
    "SetFacts",
    "explore_page",
    "neighbor_scores",
    "pack_array",
    "pack_json",
    "pack_motion",
    "render_page",
    "report_page",
    "run_scores",
    "set_facts",
    "set_page",
    "unpack",
    "unpack_motion",
    "write_page",
]

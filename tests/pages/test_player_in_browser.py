"""The moving skeletons: the script reads exactly what `pack_motion` has written."""

import numpy as np
import pytest
import torch

from skelblocks.pages import pack_motion, render_page, unpack_motion

pytestmark = pytest.mark.browser

CLIP = """
const [index, done] = arguments;
window.motion ||= Motion.read();
window.motion.then((motion) => {
  const clip = motion.clip(index);
  const bits = [];
  const seen = [];
  for (let m = 0; m < motion.persons; m++) for (let t = 0; t < motion.frames; t++) {
    bits.push(motion.isPresent(index, m, t));
    for (let v = 0; v < motion.numJoints; v++) seen.push(motion.isSeen(index, m, v, t) ? 1 : 0);
  }
  done({points: Array.from(clip.points), length: clip.length, bits, seen, edges: motion.edges.length});
});
"""
PIXELS = """
const done = arguments[0];
window.motion ||= Motion.read();
window.motion.then((motion) => {
  setPlaying(false);
  const canvas = element("canvas");
  canvas.style.width = canvas.style.height = "200px";
  document.getElementById("main").append(canvas);
  const player = new Player(canvas, motion);
  player.show(0, "a clip");
  player.draw();
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let [full, faint] = [0, 0];
  for (let i = 3; i < data.length; i += 4) { if (data[i] > 200) full++; else if (data[i] > 30) faint++; }
  done([full, faint, canvas.getAttribute("aria-label")]);
});
"""


def page(clips, seen=None):
    data = pack_motion(clips, layout="sbu", seen=seen)
    return data, render_page("base.html", title="Motion", data=data, scripts=("player.js",))


@pytest.mark.parametrize("c", [2, 3])
def test_the_script_reads_the_same_clips(show, c):
    generator = torch.Generator().manual_seed(0)
    clips = torch.randn(2, c, 9, 15, 2, generator=generator)
    clips[1, :, 6:] = 0
    clips[1, :, :4, :, 1] = 0
    seen = torch.rand(2, 9, 15, 2, generator=generator) < 0.5
    data, html = page(clips, seen)
    browser = show(html)
    for index, expected in enumerate(unpack_motion(data)):
        found = browser.execute_async_script(CLIP, index)
        present = np.array(found["bits"], dtype=bool).reshape(2, 9)
        points = np.array(found["points"]).reshape(2, 15, 3, 9)[:, :, :c] * present[:, None, None]
        np.testing.assert_allclose(points, expected.permute(3, 2, 0, 1).numpy(), atol=1e-5)
        np.testing.assert_array_equal(present, (clips[index] != 0).any(dim=0).any(dim=1).T.numpy())
        np.testing.assert_array_equal(np.array(found["seen"]).reshape(2, 9, 15), seen[index].permute(2, 0, 1).numpy())
        assert found["length"] == (9, 6)[index]
        assert found["edges"] == 14


def test_unseen_joints_are_faint(show):
    clips = torch.rand(1, 3, 4, 15, 1, generator=torch.Generator().manual_seed(0))
    full, _, label = show(page(clips, torch.ones(1, 4, 15, 1, dtype=torch.bool))[1]).execute_async_script(PIXELS)
    assert full > 100
    assert label == "moving skeleton of a clip, 4 frames"
    full, faint, _ = show(page(clips, torch.zeros(1, 4, 15, 1, dtype=torch.bool))[1]).execute_async_script(PIXELS)
    assert full == 0
    assert faint > 100

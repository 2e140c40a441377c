"use strict";
// The page of a set: pairs of near copies that play side by side, and one clip of each class.

class PairViewer {
  constructor(motion, pairs) {
    this.pairs = pairs;
    this.sides = ["first", "second"].map((side) => ({
      player: new Player(document.getElementById(`copy-${side}`), motion),
      caption: document.getElementById(`copy-${side}-name`),
    }));
    for (const button of document.querySelectorAll("[data-pair]")) {
      button.addEventListener("click", () => {
        this.show(Number(button.dataset.pair));
        document.getElementById("copies-players").scrollIntoView({ block: "nearest" });
      });
    }
    document.getElementById("copy-previous").addEventListener("click", () => this.show(this.at - 1));
    document.getElementById("copy-next").addEventListener("click", () => this.show(this.at + 1));
    this.show(0);
  }

  show(at) {
    this.at = (at + this.pairs.length) % this.pairs.length;
    const pair = this.pairs[this.at];
    this.sides.forEach(({ player, caption }, side) => {
      player.show(pair.clips[side], pair.names[side]);
      player.time = 0;
      caption.textContent = pair.names[side];
    });
    document.getElementById("copy-place").textContent =
      `Pair ${this.at + 1} of ${this.pairs.length}, distance ${pair.distance}`;
    for (const button of document.querySelectorAll("[data-pair]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.pair) === this.at));
    }
  }
}

function showSamples(motion, samples) {
  const player = new Player(document.getElementById("sample"), motion);
  const caption = document.getElementById("sample-name");
  const choice = document.getElementById("sample-class");
  const show = () => {
    const sample = samples[choice.selectedIndex];
    player.show(sample.clip, sample.name);
    player.time = 0;
    caption.textContent = sample.name;
  };
  for (const { label } of samples) choice.append(element("option", label));
  choice.addEventListener("change", show);
  show();
}

async function start() {
  if (!hasData("motion")) return;
  const [motion, shown] = [await Motion.read("motion"), await readData("shown")];
  if (shown.pairs.length) new PairViewer(motion, shown.pairs);
  if (shown.samples.length) showSamples(motion, shown.samples);
  playerControls(document.getElementById("controls"));
}
start();

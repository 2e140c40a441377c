"use strict";
// Moving skeletons on canvases: any layout, several persons, unseen joints faint.
//
//   const motion = await Motion.read("motion");
//   const player = new Player(canvas, motion);
//   player.show(3, "a clip's name");           player.show(null);
//   playerControls(element);                   play and pause, speed and turn, for all players of the page

class Motion {
  // Reads what pack_motion has packed. Clips are decoded when they are first shown.
  static async read(name = "motion") {
    const motion = new Motion();
    const header = await readData(name);
    Object.assign(motion, header);
    [motion.count, motion.persons, motion.numJoints, motion.channels, motion.frames] = header.shape;
    motion.boxes = (await readData(`${name}-boxes`)).values;
    motion.low = (await readData(`${name}-low`)).values;
    motion.high = (await readData(`${name}-high`)).values;
    motion.present = (await readData(`${name}-present`)).values;
    motion.seen = header.masked ? (await readData(`${name}-seen`)).values : null;
    motion.decoded = new Map();
    return motion;
  }

  // {points, length, box}: points are (person, joint, coordinate, frame), with zeros for a third coordinate.
  clip(index) {
    const known = this.decoded.get(index);
    if (known) return known;
    const { persons, numJoints, channels, frames } = this;
    const points = new Float32Array(persons * numJoints * 3 * frames);
    const step = this.boxes[4 * index + 3];
    let from = index * persons * numJoints * channels * frames;
    for (let series = 0; series < persons * numJoints; series++) {
      for (let c = 0; c < channels; c++) {
        const origin = this.boxes[4 * index + c];
        let level = 0;
        for (let t = 0, to = (series * 3 + c) * frames; t < frames; t++, from++, to++) {
          const zigzag = this.low[from] | (this.high[from] << 8);
          level += zigzag & 1 ? -(zigzag + 1) / 2 : zigzag / 2;
          points[to] = origin + step * level;
        }
      }
    }
    const clip = { points, ...this.extent(index, points) };
    if (this.decoded.size > 400) this.decoded.clear(); // more than any page shows at once
    this.decoded.set(index, clip);
    return clip;
  }

  isPresent(index, person, frame) {
    const bytes = Math.ceil(this.frames / 8);
    return (this.present[(index * this.persons + person) * bytes + (frame >> 3)] >> (frame & 7)) & 1;
  }

  isSeen(index, person, joint, frame) {
    if (!this.seen) return 1;
    const bytes = Math.ceil(this.frames / 8);
    return (this.seen[((index * this.persons + person) * this.numJoints + joint) * bytes + (frame >> 3)] >> (frame & 7)) & 1;
  }

  // The frames up to the last one with somebody in it, and a cylinder around all joints, whatever way it is turned.
  extent(index, points) {
    const { persons, numJoints, frames } = this;
    let length = 0;
    const low = [Infinity, Infinity, Infinity];
    const high = [-Infinity, -Infinity, -Infinity];
    for (let m = 0; m < persons; m++) {
      for (let t = 0; t < frames; t++) {
        if (!this.isPresent(index, m, t)) continue;
        length = Math.max(length, t + 1);
        for (let v = 0; v < numJoints; v++) {
          for (let c = 0; c < 3; c++) {
            const value = points[((m * numJoints + v) * 3 + c) * frames + t];
            low[c] = Math.min(low[c], value);
            high[c] = Math.max(high[c], value);
          }
        }
      }
    }
    const center = low.map((value, c) => (length ? (value + high[c]) / 2 : 0));
    const across = length ? Math.hypot(high[0] - low[0], high[2] - low[2]) / 2 : 1;
    const up = length ? (high[1] - low[1]) / 2 : 1;
    return { length, center, reach: Math.max(across, up, 1e-9) };
  }
}

// One clock for all players, so that clips beside each other keep step.
const playback = {
  players: new Set(),
  playing: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
  speed: 1,
  turn: 0, // radians around the vertical
  last: 0,
  waiting: false,
  tick(now) {
    playback.waiting = false;
    const seconds = Math.min((now - playback.last) / 1000, 0.1);
    playback.last = now;
    for (const player of playback.players) {
      if (playback.playing) player.time += seconds * playback.speed * 20;
      player.draw();
    }
    if (playback.playing && playback.players.size) playback.wake();
  },
  wake() {
    if (playback.waiting) return;
    playback.waiting = true;
    requestAnimationFrame(playback.tick);
  },
};
document.addEventListener("themechange", () => playback.wake());

class Player {
  constructor(canvas, motion) {
    this.canvas = canvas;
    this.motion = motion;
    this.index = null;
    this.time = 0;
    canvas.setAttribute("role", "img");
    new ResizeObserver(() => this.draw()).observe(canvas);
    this.letTurn();
  }

  show(index, name = "") {
    if (index !== this.index) this.time = 0;
    this.index = index;
    if (index === null) {
      playback.players.delete(this);
      this.canvas.setAttribute("aria-label", "no clip");
    } else {
      playback.players.add(this);
      const { length } = this.motion.clip(index);
      this.canvas.setAttribute("aria-label", `moving skeleton of ${name}, ${length} frames`);
    }
    this.draw();
    playback.wake();
  }

  // Dragging sideways turns the skeletons of all players.
  letTurn() {
    let from = null;
    this.canvas.addEventListener("pointerdown", (event) => { from = event.clientX; });
    this.canvas.addEventListener("pointermove", (event) => {
      if (from === null || !(event.buttons & 1)) { from = null; return; }
      setTurn(playback.turn + (event.clientX - from) * 0.01);
      from = event.clientX;
    });
  }

  draw() {
    const { canvas, motion, index } = this;
    const size = canvas.clientWidth;
    const ratio = window.devicePixelRatio || 1;
    const pixels = Math.max(1, Math.round(size * ratio));
    if (canvas.width !== pixels || canvas.height !== pixels) canvas.width = canvas.height = pixels;
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, size, size);
    if (index === null) return;
    const clip = motion.clip(index);
    if (!clip.length) return;
    const frame = Math.floor(this.time) % clip.length;
    canvas.dataset.frame = frame;
    for (let m = 0; m < motion.persons; m++) {
      if (motion.isPresent(index, m, frame)) this.drawPerson(pen, clip, m, frame, size);
    }
  }

  drawPerson(pen, clip, person, frame, size) {
    const { motion, index } = this;
    const scale = (0.46 * size) / clip.reach;
    const [cos, sin] = [Math.cos(playback.turn), Math.sin(playback.turn)];
    const places = [];
    for (let v = 0; v < motion.numJoints; v++) {
      const at = (person * motion.numJoints + v) * 3 * motion.frames + frame;
      const x = clip.points[at] - clip.center[0];
      const y = clip.points[at + motion.frames] - clip.center[1];
      const z = clip.points[at + 2 * motion.frames] - clip.center[2];
      places.push([size / 2 + scale * (x * cos + z * sin), size / 2 - scale * y, motion.isSeen(index, person, v, frame)]);
    }
    pen.strokeStyle = pen.fillStyle = themeColor(person % 2 ? "person-2" : "person-1");
    pen.lineCap = "round";
    pen.lineWidth = Math.max(1.5, size / 90);
    for (const [a, b] of motion.edges) {
      const [from, to] = [places[a], places[b]];
      pen.globalAlpha = from[2] && to[2] ? 1 : 0.25;
      pen.setLineDash(person % 2 ? [size / 30, size / 45] : []); // the second person is told by more than the color
      pen.beginPath();
      pen.moveTo(from[0], from[1]);
      pen.lineTo(to[0], to[1]);
      pen.stroke();
    }
    for (const [x, y, seen] of places) {
      pen.globalAlpha = seen ? 1 : 0.25;
      pen.beginPath();
      pen.arc(x, y, Math.max(1.5, size / 80), 0, 2 * Math.PI);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }
}

function setPlaying(playing) {
  playback.playing = playing;
  for (const button of document.querySelectorAll("[data-plays]")) button.textContent = playing ? "Pause" : "Play";
  playback.last = performance.now();
  playback.wake();
}

function setTurn(radians) {
  playback.turn = radians;
  const degrees = Math.round((radians * 180) / Math.PI);
  const shown = ((degrees + 180) % 360 + 360) % 360 - 180;
  for (const slider of document.querySelectorAll("[data-turns]")) slider.value = shown;
  playback.wake();
}

// Fills an element with the controls of all players. The space bar plays and pauses wherever it has no other meaning.
function playerControls(place) {
  const button = element("button", "", { type: "button", "data-plays": "" });
  button.addEventListener("click", () => setPlaying(!playback.playing));
  const speed = element("select");
  for (const factor of [0.25, 0.5, 1, 2]) speed.append(element("option", `${factor}×`, { value: factor }));
  speed.value = 1;
  speed.addEventListener("change", () => { playback.speed = Number(speed.value); });
  const turn = element("input", "", { type: "range", min: -180, max: 180, step: 5, value: 0, "data-turns": "" });
  turn.addEventListener("input", () => setTurn((Number(turn.value) * Math.PI) / 180));
  const labels = [["Speed", speed], ["Turn", turn]].map(([name, control]) => {
    const label = element("label", name);
    label.append(control);
    return label;
  });
  place.classList.add("controls");
  place.append(button, ...labels);
  setPlaying(playback.playing);
}
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || event.target.closest("button, input, select, summary, a, [data-space]")) return;
  event.preventDefault();
  setPlaying(!playback.playing);
});

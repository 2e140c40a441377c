"use strict";
// The map: points on a canvas, with zoom, the nearest point to the pointer, and boxes and lassos around points.

class Scatter {
  // places: uint16 (n, 2). events: {onHover(index), onPin(index), onSelect(indices), onToggle(index)}.
  constructor(canvas, events) {
    this.canvas = canvas;
    this.events = events;
    this.places = new Uint16Array(0);
    this.categories = new Int32Array(0);
    this.only = null; // a category whose points stand out
    this.marked = { current: null, pinned: null, neighbors: [], selected: new Set() };
    this.mode = "point";
    this.zoom = 1;
    this.middle = [0.5, 0.5]; // of the view, in parts of the map
    this.path = null; // of a box or lasso that is being drawn, in pixels
    this.waiting = false;
    this.sprites = new Map();
    new ResizeObserver(() => this.wake()).observe(canvas);
    document.addEventListener("themechange", () => { this.sprites.clear(); this.wake(); });
    this.listen();
  }

  get count() { return this.places.length / 2; }

  wake() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  }

  side() { return Math.min(this.canvas.clientWidth, this.canvas.clientHeight) * 0.92 * this.zoom; }

  position(i) {
    const side = this.side();
    return [
      this.canvas.clientWidth / 2 + (this.places[2 * i] / 65535 - this.middle[0]) * side,
      this.canvas.clientHeight / 2 - (this.places[2 * i + 1] / 65535 - this.middle[1]) * side,
    ];
  }

  radius() { return Math.min(9, Math.max(2.5, Math.sqrt(9000 / this.count) * Math.sqrt(this.zoom))); }

  draw() {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const r = this.radius();
    const behind = [];
    const before = [];
    for (let i = 0; i < this.count; i++) (this.only === null || this.categories[i] === this.only ? before : behind).push(i);
    pen.globalAlpha = 0.15;
    for (const i of behind) this.stamp(pen, i, r, ratio);
    pen.globalAlpha = 1;
    for (const i of before) this.stamp(pen, i, r, ratio);
    this.drawMarks(pen, r);
    if (this.path) this.drawPath(pen);
  }

  // Copying a drawn mark is many times faster than drawing it.
  stamp(pen, i, r, ratio) {
    const [x, y] = this.position(i);
    const category = this.categories[i];
    const key = `${category} ${r} ${ratio}`;
    const half = Math.ceil(1.5 * r + 1);
    if (!this.sprites.has(key)) {
      const sprite = document.createElement("canvas");
      sprite.width = sprite.height = 2 * half * ratio;
      const own = sprite.getContext("2d");
      own.scale(ratio, ratio);
      drawMarker(own, category, half, half, r);
      if (this.sprites.size > 500) this.sprites.clear(); // of zooms that are over
      this.sprites.set(key, sprite);
    }
    pen.drawImage(this.sprites.get(key), x - half, y - half, 2 * half, 2 * half);
  }

  drawMarks(pen, r) {
    const ring = (i, size, width, color) => {
      const [x, y] = this.position(i);
      pen.strokeStyle = color;
      pen.lineWidth = width;
      pen.beginPath();
      pen.arc(x, y, size, 0, 2 * Math.PI);
      pen.stroke();
    };
    const { current, pinned, neighbors, selected } = this.marked;
    const ink = themeColor("ink");
    for (const i of selected) ring(i, r + 2.5, 1.5, ink);
    if (pinned !== null) {
      pen.strokeStyle = themeColor("mark");
      pen.lineWidth = 1.5;
      for (const i of neighbors) {
        pen.beginPath();
        pen.moveTo(...this.position(pinned));
        pen.lineTo(...this.position(i));
        pen.stroke();
      }
      for (const i of neighbors) ring(i, r + 4, 2, themeColor("mark"));
      ring(pinned, r + 5, 4, themeColor("mark"));
    }
    if (current !== null) {
      const [x, y] = this.position(current);
      drawMarker(pen, this.categories[current], x, y, r * 1.6);
      ring(current, r * 1.6 + 4, 2, ink);
    }
  }

  drawPath(pen) {
    pen.beginPath();
    outline(this.mode, this.path).forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    pen.strokeStyle = themeColor("accent");
    pen.lineWidth = 2;
    pen.setLineDash([6, 4]);
    pen.stroke();
    pen.setLineDash([]);
  }

  nearest([x, y], reach) {
    let best = null;
    let least = reach * reach;
    for (let i = 0; i < this.count; i++) {
      if (this.only !== null && this.categories[i] !== this.only) continue;
      const [px, py] = this.position(i);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least) [best, least] = [i, distance];
    }
    return best;
  }

  // The next point to the right, left, above or below: near, and not far off the way.
  toward(from, [dx, dy]) {
    const [x, y] = this.position(from);
    let best = null;
    let least = Infinity;
    for (let i = 0; i < this.count; i++) {
      if (i === from || (this.only !== null && this.categories[i] !== this.only)) continue;
      const [px, py] = this.position(i);
      const along = (px - x) * dx + (py - y) * dy;
      const aside = Math.abs((px - x) * dy - (py - y) * dx);
      if (along <= 0 || aside > 2 * along) continue;
      const cost = along + 2 * aside;
      if (cost < least) [best, least] = [i, cost];
    }
    return best;
  }

  inside(path) {
    const corners = outline(this.mode, path);
    const found = [];
    for (let i = 0; i < this.count; i++) {
      if (this.only !== null && this.categories[i] !== this.only) continue;
      if (isInside(this.position(i), corners)) found.push(i);
    }
    return found;
  }

  zoomBy(factor, at = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    const before = this.side();
    this.zoom = Math.min(50, Math.max(1, this.zoom * factor));
    const after = this.side();
    // What is under the pointer stays there.
    this.middle[0] += (at[0] - this.canvas.clientWidth / 2) * (1 / before - 1 / after);
    this.middle[1] -= (at[1] - this.canvas.clientHeight / 2) * (1 / before - 1 / after);
    if (this.zoom === 1) this.middle = [0.5, 0.5];
    this.wake();
  }

  listen() {
    const at = (event) => [event.offsetX, event.offsetY];
    let pressed = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.canvas.setPointerCapture(event.pointerId);
      pressed = { at: at(event), moved: false };
      if (this.mode !== "point") this.path = [at(event)];
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const here = at(event);
      if (!pressed) {
        this.events.onHover(this.nearest(here, 14));
        return;
      }
      pressed.moved ||= Math.hypot(here[0] - pressed.at[0], here[1] - pressed.at[1]) > 4;
      if (!pressed.moved) return;
      if (this.path) this.path.push(here);
      else {
        this.middle[0] -= event.movementX / this.side();
        this.middle[1] += event.movementY / this.side();
      }
      this.wake();
    });
    this.canvas.addEventListener("pointerup", (event) => {
      if (!pressed) return;
      const { moved } = pressed;
      const path = this.path;
      pressed = this.path = null;
      if (path && moved) this.events.onSelect(this.inside(path));
      else if (!moved) this.events.onPin(this.nearest(at(event), 14));
      this.wake();
    });
    this.canvas.addEventListener("pointercancel", () => { pressed = this.path = null; this.wake(); });
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 400), at(event));
    }, { passive: false });
    this.canvas.addEventListener("keydown", (event) => this.onKey(event));
  }

  onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { current } = this.marked;
    if (ways[event.key]) {
      const next = current === null ? this.nearest([this.canvas.clientWidth / 2, this.canvas.clientHeight / 2], Infinity)
        : this.toward(current, ways[event.key]);
      if (next !== null) this.events.onHover(next, true);
    } else if (event.key === "Enter" && current !== null) this.events.onPin(current);
    else if (event.key.toLowerCase() === "s" && current !== null) this.events.onToggle(current);
    else if (event.key === "Escape") this.events.onPin(null);
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.5);
    else if (event.key === "-") this.zoomBy(1 / 1.5);
    else if (event.key === "0") this.zoomBy(0);
    else if (event.key === " ") setPlaying(!playback.playing);
    else return;
    event.preventDefault();
  }
}

// The corners of what was drawn: a lasso as it is, a box between its first and its last point.
function outline(mode, path) {
  if (mode !== "box") return path;
  const [[x1, y1], [x2, y2]] = [path[0], path[path.length - 1]];
  return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];
}

// Counts how often a ray from the point crosses the polygon.
function isInside([x, y], corners) {
  let inside = false;
  for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
    const [[x1, y1], [x2, y2]] = [corners[i], corners[j]];
    if ((y1 > y) !== (y2 > y) && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
}

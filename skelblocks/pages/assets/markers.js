"use strict";
// The marks of a map. Colors follow Okabe and Ito; every category also has its own shape, so that no two of the first
// 64 are told apart by color alone.

const MARKER_COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f4fc9", "#8c564b"];
const UNKNOWN_COLOR = "#888888";

const MARKER_SHAPES = [
  (pen, r) => pen.arc(0, 0, r, 0, 2 * Math.PI),
  (pen, r) => pen.rect(-0.88 * r, -0.88 * r, 1.76 * r, 1.76 * r),
  (pen, r) => polygon(pen, [[0, -1.2 * r], [1.1 * r, 0.8 * r], [-1.1 * r, 0.8 * r]]),
  (pen, r) => polygon(pen, [[0, -1.3 * r], [r, 0], [0, 1.3 * r], [-r, 0]]),
  (pen, r) => polygon(pen, [[0, 1.2 * r], [1.1 * r, -0.8 * r], [-1.1 * r, -0.8 * r]]),
  (pen, r) => polygon(pen, cross(r, 0)),
  (pen, r) => polygon(pen, cross(r, Math.PI / 4)),
  (pen, r) => polygon(pen, star(r)),
];

function polygon(pen, corners) {
  corners.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
}

function cross(r, angle) {
  const [long, thin] = [1.15 * r, 0.42 * r];
  const corners = [[thin, -long], [thin, -thin], [long, -thin], [long, thin], [thin, thin], [thin, long]];
  const all = [...corners, ...corners.map(([x, y]) => [-x, -y])];
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return all.map(([x, y]) => [x * cos - y * sin, x * sin + y * cos]);
}

function star(r) {
  return Array.from({ length: 10 }, (_, i) => {
    const length = i % 2 ? 0.55 * r : 1.3 * r;
    const angle = (i * Math.PI) / 5;
    return [length * Math.sin(angle), -length * Math.cos(angle)];
  });
}

function markerColor(category) {
  return category < 0 ? UNKNOWN_COLOR : MARKER_COLORS[category % 8];
}

function drawMarker(pen, category, x, y, r) {
  // Each block of eight categories shifts the shapes by one against the colors.
  const shape = category < 0 ? 0 : (category + Math.floor(category / 8)) % 8;
  pen.save();
  pen.translate(x, y);
  pen.beginPath();
  MARKER_SHAPES[shape](pen, r);
  pen.fillStyle = markerColor(category);
  pen.strokeStyle = isDark() ? "rgba(255,255,255,0.45)" : "rgba(0,0,0,0.55)"; // some colors are pale on the ground
  pen.lineWidth = Math.max(0.5, r / 6);
  pen.fill();
  pen.stroke();
  pen.restore();
}

// A small picture of a mark, for legends.
function markerPicture(category) {
  const ratio = window.devicePixelRatio || 1;
  const canvas = element("canvas", "", { "aria-hidden": "true", width: 16 * ratio, height: 16 * ratio });
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  drawMarker(pen, category, 8, 8, 5);
  return canvas;
}

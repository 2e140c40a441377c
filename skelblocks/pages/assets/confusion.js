"use strict";
// The confusion matrix: a table whose cells are buttons. One of them is in the tab order; arrow keys move among them.

function makeConfusion(place, clips, onOpen) {
  const [truth, guess] = [clips.column("class"), clips.column("predicted")];
  const names = clips.columns[truth].labels;
  const cells = new Map(); // "true predicted" to clips
  const rows = names.map(() => 0);
  for (let i = 0; i < clips.count; i++) {
    const [a, b] = [clips.value(truth, i), clips.value(guess, i)];
    if (a < 0 || b < 0) continue;
    const key = `${a} ${b}`;
    if (!cells.has(key)) cells.set(key, []);
    cells.get(key).push(i);
    rows[a] += 1;
  }
  const used = names.map((_, a) => a).filter((a) => rows[a] || [...cells.keys()].some((key) => key.endsWith(` ${a}`)));
  const table = element("table");
  table.append(head(names, used));
  const body = element("tbody");
  const buttons = used.map((a) => {
    const line = element("tr");
    line.append(element("th", shorten(names[a]), { scope: "row", title: names[a] }));
    const made = used.map((b) => cellButton(names, a, b, cells.get(`${a} ${b}`) || [], rows[a], onOpen));
    line.append(...made.map((button) => button.parentElement));
    body.append(line);
    return made;
  });
  table.append(body);
  place.replaceChildren(table);
  moveByArrows(table, buttons);
}

function head(names, used) {
  const line = element("tr");
  line.append(element("td", "true ↓ taken for →", { class: "soft" }));
  for (const b of used) {
    const cell = element("th", "", { scope: "col", title: names[b] });
    cell.append(element("span", shorten(names[b])));
    line.append(cell);
  }
  const made = element("thead");
  made.append(line);
  return made;
}

function cellButton(names, a, b, indices, total, onOpen) {
  const cell = element("td");
  const title = `${names[a]} taken for ${names[b]}: ${indices.length} of ${total}`;
  const button = element("button", indices.length || "", { type: "button", tabindex: -1, "aria-label": title, title });
  if (indices.length) {
    const share = indices.length / total;
    // Ink on a ground between the panel's color and the theme's accent stays readable at half of the way.
    cell.style.backgroundColor = `color-mix(in srgb, var(--${a === b ? "accent" : "mark"}) ${Math.round(8 + 42 * share)}%, transparent)`;
  }
  if (a === b) cell.className = "right";
  button.addEventListener("click", () => onOpen(indices, title));
  cell.append(button);
  return button;
}

function moveByArrows(table, buttons) {
  if (!buttons.length) return;
  const ways = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  let at = [0, 0];
  buttons[0][0].tabIndex = 0;
  const focus = ([row, column]) => {
    buttons[at[0]][at[1]].tabIndex = -1;
    at = [row, column];
    buttons[row][column].tabIndex = 0;
  };
  table.addEventListener("focusin", (event) => {
    buttons.forEach((line, row) => { if (line.includes(event.target)) focus([row, line.indexOf(event.target)]); });
  });
  table.addEventListener("keydown", (event) => {
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    const row = Math.min(buttons.length - 1, Math.max(0, at[0] + way[0]));
    const column = Math.min(buttons.length - 1, Math.max(0, at[1] + way[1]));
    focus([row, column]);
    buttons[row][column].focus();
  });
}

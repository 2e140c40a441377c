"use strict";
// Puts the page together: the map, the clips in motion, search, selection and confusion matrix.

async function explore() {
  const header = await readData("explore");
  const clips = new Clips(header, await readData("columns"), await readData("neighbors"), await readData("similarities"));
  const places = await readData("places");
  const motion = await Motion.read();
  const byId = (name) => document.getElementById(name);

  playerControls(byId("player-controls"));
  const current = new ClipPanel(clips, motion);
  byId("current").append(current.figure);
  const pinned = new ClipPanel(clips, motion);
  const neighbors = new NeighborPanels(byId("neighbors"), clips, motion);

  const scatter = new Scatter(byId("scatter"), {
    onHover: hover,
    onPin: pin,
    onSelect: (indices) => select([...selection.chosen, ...indices], `${indices.length} clips added to the selection`),
    onToggle: (index) => {
      selection.toggle(index);
      say(`${clips.line(index)} ${selection.chosen.has(index) ? "selected" : "not selected"}`);
    },
  });
  const selection = new Selection(clips, {
    onPin: pin,
    onChange: (chosen) => { scatter.marked.selected = chosen; scatter.wake(); },
  });
  new Search(clips, { onPin: pin, onSelect: (indices) => select(indices, `${indices.length} clips selected`) });
  if (byId("confusion")) {
    makeConfusion(byId("confusion"), clips, (indices, title) => {
      select(indices, title);
      if (indices.length) pin(indices[0]);
    });
  }

  function say(text) { byId("status").textContent = text; }

  function hover(index, byKey = false) {
    if (index === null || index === scatter.marked.current) return;
    scatter.marked.current = index;
    current.show(index);
    if (byKey) say(clips.columns.map((column, c) => `${column.name} ${clips.label(c, index)}`)
      .reduce((text, part) => `${text}, ${part}`, shorten(clips.names[index])));
    scatter.wake();
  }

  function pin(index) {
    scatter.marked.pinned = index;
    scatter.marked.neighbors = index === null ? [] : clips.neighborsOf(index).map((each) => each.index);
    if (index === null) {
      pinned.show(null);
      byId("pinned").replaceChildren(element("p", "Click a clip, or press Enter on it.", { class: "soft" }));
      say("no clip is pinned");
    } else {
      byId("pinned").replaceChildren(pinned.figure);
      pinned.show(index);
      hover(index);
      say(`pinned ${clips.line(index)}; its nearest neighbors: ${scatter.marked.neighbors.map((i) => clips.line(i)).join("; ")}`);
    }
    neighbors.show(index, pin);
    scatter.wake();
  }

  function select(indices, text) {
    selection.set(indices);
    say(text);
  }

  function colorBy(column) {
    scatter.categories = clips.values.subarray(column * clips.count, (column + 1) * clips.count);
    scatter.only = null;
    makeLegend(byId("legend"), clips, column, (category) => { scatter.only = category; scatter.wake(); });
    scatter.wake();
  }

  function showMap(map) {
    scatter.places = places.values.subarray(map * 2 * clips.count, (map + 1) * 2 * clips.count);
    scatter.zoomBy(0);
  }

  choose(byId("color"), clips.columns.map((column) => column.name), clips.column(header.color), colorBy);
  choose(byId("map-choice"), header.maps, 0, showMap);
  document.addEventListener("themechange", () => colorBy(byId("color").selectedIndex));
  for (const button of document.querySelectorAll("[data-mode]")) {
    button.addEventListener("click", () => {
      scatter.mode = button.dataset.mode;
      for (const other of document.querySelectorAll("[data-mode]")) other.setAttribute("aria-pressed", other === button);
    });
  }
  byId("zoom-in").addEventListener("click", () => scatter.zoomBy(1.5));
  byId("zoom-out").addEventListener("click", () => scatter.zoomBy(1 / 1.5));
  byId("zoom-all").addEventListener("click", () => scatter.zoomBy(0));
  hover(0);
  document.documentElement.dataset.ready = Math.round(performance.now()); // tests wait for it, measurements read it
}

function choose(select, names, first, onChange) {
  select.replaceChildren(...names.map((name) => element("option", name)));
  select.selectedIndex = first;
  select.addEventListener("change", () => onChange(select.selectedIndex));
  onChange(first);
}

// A button for each value that occurs; a pressed one makes its clips stand out.
function makeLegend(place, clips, column, onChoose) {
  const counts = new Map();
  for (let i = 0; i < clips.count; i++) {
    const value = clips.value(column, i);
    counts.set(value, (counts.get(value) || 0) + 1);
  }
  const { labels } = clips.columns[column];
  const buttons = [...counts.keys()].sort((a, b) => a - b).map((value) => {
    const text = value < 0 ? "unknown" : shorten(labels[value]);
    const button = element("button", "", { type: "button", "aria-pressed": "false" });
    button.append(markerPicture(value), element("span", `${text} (${counts.get(value)})`));
    button.addEventListener("click", () => {
      const chosen = button.getAttribute("aria-pressed") !== "true";
      for (const other of buttons) other.setAttribute("aria-pressed", chosen && other === button);
      onChoose(chosen ? value : null);
    });
    return button;
  });
  place.replaceChildren(...buttons);
}

explore();

"use strict";
// Selected clips and their csv file, and the search by name.

const MOST_LISTED = 200; // a longer list helps nobody, and slows the page down

function csvCell(text) {
  // An apostrophe keeps spreadsheets from running a name as a formula.
  const safe = /^\s*[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function selectionCsv(clips, selected) {
  const lines = [["clip", ...clips.columns.map((column) => column.name)]];
  for (const i of selected) lines.push([clips.names[i], ...clips.columns.map((_, c) => clips.label(c, i))]);
  return lines.map((line) => line.map(csvCell).join(",") + "\n").join("");
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = element("a", "", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// Fills a list with buttons that pin their clips.
function fillList(place, clips, indices, onPin) {
  const shown = indices.slice(0, MOST_LISTED);
  place.replaceChildren(...shown.map((i) => {
    const item = element("li");
    const button = element("button", clips.line(i), { type: "button", "data-clip": i });
    button.addEventListener("click", () => onPin(i));
    item.append(button);
    return item;
  }));
}

function counted(count, what) {
  const more = count > MOST_LISTED ? `; the first ${MOST_LISTED} are listed` : "";
  return `${count} ${count === 1 ? "clip" : "clips"} ${what}${more}`;
}

class Search {
  // onSelect gets the places of all clips that were found.
  constructor(clips, { onPin, onSelect }) {
    this.clips = clips;
    this.onPin = onPin;
    this.found = [];
    this.lines = clips.names.map((name, i) =>
      [name, ...clips.columns.map((_, c) => clips.label(c, i))].join("\n").toLowerCase());
    const input = document.getElementById("search");
    input.addEventListener("input", () => this.search(input.value));
    document.getElementById("select-found").addEventListener("click", () => onSelect(this.found));
    this.search("");
  }

  search(text) {
    const sought = text.trim().toLowerCase();
    this.found = [];
    for (let i = 0; i < this.clips.count; i++) if (this.lines[i].includes(sought)) this.found.push(i);
    fillList(document.getElementById("found"), this.clips, this.found, this.onPin);
    document.getElementById("found-count").textContent = counted(this.found.length, "found");
  }
}

class Selection {
  constructor(clips, { onPin, onChange }) {
    this.clips = clips;
    this.onPin = onPin;
    this.onChange = onChange;
    this.chosen = new Set();
    document.getElementById("clear").addEventListener("click", () => this.set([]));
    document.getElementById("export").addEventListener("click", () => {
      download("selection.csv", selectionCsv(clips, this.sorted()));
    });
    this.set([]);
  }

  sorted() { return [...this.chosen].sort((a, b) => a - b); }

  set(indices) {
    this.chosen = new Set(indices);
    const none = this.chosen.size === 0;
    fillList(document.getElementById("selection"), this.clips, this.sorted(), this.onPin);
    document.getElementById("selection-count").textContent = counted(this.chosen.size, "selected");
    document.getElementById("export").disabled = none;
    document.getElementById("clear").disabled = none;
    this.onChange(this.chosen);
  }

  toggle(index) {
    const changed = new Set(this.chosen);
    if (!changed.delete(index)) changed.add(index);
    this.set(changed);
  }
}

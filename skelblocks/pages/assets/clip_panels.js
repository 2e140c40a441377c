"use strict";
// Clips in motion with their names and labels: the one under the pointer, the pinned one, and its neighbors.

const LONGEST_NAME = 80;

function shorten(text) {
  if (text.length <= LONGEST_NAME) return text;
  return `${text.slice(0, LONGEST_NAME / 2)}…${text.slice(-LONGEST_NAME / 2)}`;
}

// What every part of the page knows of the clips.
class Clips {
  constructor(header, columns, neighbors, similarities) {
    this.names = header.names;
    this.columns = header.columns; // [{name, labels}]
    this.values = columns.values; // (column, clip)
    this.neighbors = neighbors.values; // (clip, neighbor)
    this.similarities = similarities.values;
    this.k = neighbors.shape[1];
  }

  get count() { return this.names.length; }

  column(name) { return this.columns.findIndex((column) => column.name === name); }

  value(column, i) { return this.values[column * this.count + i]; }

  label(column, i) {
    const value = this.value(column, i);
    return value < 0 ? "unknown" : this.columns[column].labels[value];
  }

  // The name and the first label, for one line.
  line(i) {
    const shown = this.columns[0].name === "cluster" ? "" : `, ${shorten(this.label(0, i))}`;
    return shorten(this.names[i]) + shown;
  }

  neighborsOf(i) {
    return Array.from({ length: this.k }, (_, j) => ({
      index: this.neighbors[i * this.k + j],
      similarity: this.similarities[i * this.k + j],
    }));
  }
}

class ClipPanel {
  constructor(clips, motion) {
    this.clips = clips;
    this.figure = element("figure", "", { class: "player" });
    const canvas = element("canvas");
    this.caption = element("figcaption");
    this.figure.append(canvas, this.caption);
    this.player = new Player(canvas, motion);
  }

  // extra: pairs of a term and a text that come before the labels. onPin: makes a button.
  show(index, extra = [], onPin = null) {
    const { clips } = this;
    if (index === null) {
      this.player.show(null);
      this.caption.replaceChildren(element("span", "No clip"));
      return;
    }
    this.figure.dataset.clip = index;
    this.player.show(index, clips.line(index));
    const facts = element("dl");
    const labels = clips.columns.map((column, c) => [column.name, shorten(clips.label(c, index))]);
    for (const [term, text] of [...extra, ...labels]) {
      const pair = element("div");
      pair.append(element("dt", term), element("dd", text));
      facts.append(pair);
    }
    this.caption.replaceChildren(element("span", shorten(clips.names[index]), { class: "name" }), facts);
    if (onPin) {
      const button = element("button", "Pin", { type: "button", "aria-label": `Pin ${clips.line(index)}` });
      button.addEventListener("click", () => onPin(index));
      this.caption.append(button);
    }
  }
}

class NeighborPanels {
  constructor(place, clips, motion) {
    this.place = place;
    this.clips = clips;
    this.panels = Array.from({ length: clips.k }, () => {
      const panel = new ClipPanel(clips, motion);
      panel.item = element("li");
      panel.item.append(panel.figure);
      return panel;
    });
  }

  show(pinned, onPin) {
    document.getElementById("neighbors-part").hidden = pinned === null;
    if (pinned === null) {
      for (const panel of this.panels) panel.show(null);
      this.place.replaceChildren();
      return;
    }
    this.place.replaceChildren(...this.panels.map((panel) => panel.item));
    this.clips.neighborsOf(pinned).forEach(({ index, similarity }, j) => {
      this.panels[j].show(index, [["similarity", similarity.toFixed(4)]], onPin);
    });
  }
}

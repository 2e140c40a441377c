"use strict";
// Light and dark, and what every script needs of the page. All scripts of a page share one scope.

const themeButton = document.getElementById("theme-button");
const darkSystem = window.matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : darkSystem.matches;
}

// What is drawn on a canvas does not follow the style sheet by itself: scripts redraw on "themechange".
function themeChanged() {
  themeButton.textContent = isDark() ? "Light theme" : "Dark theme";
  document.dispatchEvent(new Event("themechange"));
}

themeButton.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  themeChanged();
});
darkSystem.addEventListener("change", themeChanged);
themeChanged();

function themeColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// An element with text, never with markup: names from data go through here.
function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// A page that fails says so where the reader looks, not only in the console.
function showError(message) {
  const place = document.getElementById("page-error");
  place.textContent = `This page could not be drawn: ${message}`;
  place.hidden = false;
}
window.addEventListener("error", (event) => showError(event.message));
window.addEventListener("unhandledrejection", (event) => showError(String(event.reason)));

"use strict";
// Reads what the page carries. The data are base64 of deflated bytes, in elements that the browser does not run.

const ARRAYS = {
  int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array,
  int32: Int32Array, uint32: Uint32Array, float32: Float32Array,
};

function hasData(name) {
  return document.getElementById(`data-${name}`) !== null;
}

// The value of JSON; of an array, {values, shape}.
async function readData(name) {
  const place = document.getElementById(`data-${name}`);
  if (place === null) throw new Error(`there is no data named ${name}`);
  const letters = atob(place.textContent);
  const packed = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) packed[i] = letters.charCodeAt(i);
  // A blob's stream needs no address that the policy of the page would have to allow.
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = await new Response(stream).arrayBuffer();
  const { dtype, shape } = place.dataset;
  place.textContent = ""; // megabytes of letters that nobody reads again
  if (dtype === "json") return JSON.parse(new TextDecoder().decode(bytes));
  return { values: new ARRAYS[dtype](bytes), shape: shape ? shape.split(",").map(Number) : [] };
}

// The controls and pictures of the page. The state is what the sliders stand at; everything shown follows from it.

const $ = (name) => document.getElementById(name);
const make = (tag, text = "", attributes = {}) => {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const number = (value, digits = 4) => (value === 0 || Math.abs(value) >= 1e5 ? value.toFixed(0)
  : Math.abs(value) < 1e-4 ? value.toExponential(2) : Number(value.toPrecision(digits)).toString());
const withUnit = (value, unit, digits) => number(value, digits) + (unit ? ` ${unit}` : "");

const STOPS = 200; // of a slider
const REACH = 5; // standard deviations at the ends of the residual's colours

let data, run, store, state = { a: 0, b: 0, z: [] }, shown = {};

// 256 colours between stops, and the one at a share of the way.
function palette(stops) {
  const parts = stops.map((hex) => [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16)));
  return Array.from({ length: 256 }, (_, n) => {
    const place = (n / 255) * (parts.length - 1), left = Math.min(Math.floor(place), parts.length - 2);
    return parts[left].map((value, k) => value + (place - left) * (parts[left + 1][k] - value));
  });
}
const MAGMA = palette(["000004", "1c1044", "4f127b", "812581", "b5367a", "e55964", "fb8761", "fec287", "fcfdbf"]);
const BALANCE = palette(["2166ac", "67a9cf", "d1e5f0", "f7f7f7", "fddbc7", "ef8a62", "b2182b"]);
const colour = (colours, share) => colours[Math.round(255 * Math.min(Math.max(share, 0), 1)) || 0];

function paint(canvas, image, rgb) {
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d"), pixels = context.createImageData(image.width, image.height);
  for (let i = 0; i < image.width * image.height; i++) {
    const [red, green, blue] = rgb(i);
    pixels.data[4 * i] = red; pixels.data[4 * i + 1] = green; pixels.data[4 * i + 2] = blue; pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}

// Where a value stands on the common scale of the images: asinh for photons, linear else.
const stretch = (each) => (store.softening ? Math.asinh(each / store.softening) : each);
function share(value) {
  const { darkest, brightest } = store;
  return (stretch(value) - stretch(darkest)) / (stretch(brightest) - stretch(darkest));
}

// Channels together: three of a bounded scale are red, green and blue; else their sum.
function paintImage(canvas, image) {
  const pixels = image.width * image.height, of = (channel, i) => image.values[channel * pixels + i];
  if (store.colour) return paint(canvas, image, (i) => [0, 1, 2].map((channel) => 255 * share(of(channel, i))));
  const total = (i) => { let sum = 0; for (let c = 0; c < image.channels; c++) sum += of(c, i); return sum; };
  return paint(canvas, image, (i) => colour(MAGMA, share(total(i))));
}

const paintResidual = (canvas, image) =>
  paint(canvas, image, (i) => colour(BALANCE, 0.5 + image.values[i] / (2 * REACH)));

function paintBars() {
  const bar = { width: 64, height: 1 };
  document.querySelectorAll(".bar-of-images").forEach((each) => paint(each, bar, (i) => colour(MAGMA, i / 63)));
  document.querySelectorAll(".bar-of-residuals").forEach((each) => paint(each, bar, (i) => colour(BALANCE, i / 63)));
  document.querySelectorAll(".darkest").forEach((each) => { each.textContent = number(store.darkest, 3); });
  document.querySelectorAll(".brightest").forEach((each) => { each.textContent = withUnit(store.brightest, store.unit, 3); });
}

function stored(row) {
  const size = store.channels * store.side ** 2;
  return { values: store.images.subarray(row * size, (row + 1) * size), channels: store.channels, height: store.side,
    width: store.side };
}

// A slider of an aligned auxiliary latent moves through its factor's range, any other through its codes.
function span(latent) {
  return latent.aligned ? { low: latent.variable_low, high: latent.variable_high, of: (z) => factorOf(latent, z),
    back: (value) => codeOf(latent, value) } : { low: latent.low, high: latent.high, of: (z) => z, back: (value) => value };
}

function strongest(latent) {
  const [name, rho] = Object.entries(latent.rho).sort((one, two) => Math.abs(two[1]) - Math.abs(one[1]))[0] || ["", 0];
  return Math.abs(rho) >= 0.1 ? ` · ρ ${rho.toFixed(2)} with ${name}` : "";
}

function remark(latent) {
  const nats = latent.nats === null ? "" : `${number(latent.nats, 2)} nat`;
  if (!latent.active) return { text: `inactive: ${nats} (less than 0.01), its posterior is the prior`, warn: true };
  if (latent.variable && !latent.aligned)
    return { text: `ρ ${latent.variable_rho.toFixed(2)} with ${latent.variable}: not aligned · ${nats}`, warn: true };
  if (latent.variable) return { text: `${latent.name.split(" ")[0]} · ρ ${latent.variable_rho.toFixed(4)} · ${nats}` };
  return { text: nats + strongest(latent) };
}

function slider(latent, j) {
  const { low, high } = span(latent), unit = latent.aligned ? unitOf(latent.variable) : "";
  const box = make("div", "", { class: "latent" }), label = make("label", "", { for: `z${j}` });
  label.append(make("span", latent.aligned ? latent.variable : latent.name), make("output", "", { id: `value${j}`, for: `z${j}` }));
  const said = remark(latent), note = make("div", "", { class: "ends", id: `note${j}` });
  note.append(make("span", number(low, 3)), make("span", said.text, said.warn ? { class: "warn" } : {}),
    make("span", withUnit(high, unit, 3)));
  const input = make("input", "", { type: "range", id: `z${j}`, min: 0, max: STOPS, "aria-describedby": `note${j}` });
  input.addEventListener("input", () => move(j, Number(input.value)));
  box.append(label, input, note);
  return box;
}

const unitOf = (name) => (store.factors.find((factor) => factor.name === name) || {}).unit || "";

function move(j, stop) {
  const { low, high, back } = span(run.latents[j]);
  state.z[j] = back(low + ((high - low) * stop) / STOPS);
  render();
}

function showSliders() {
  run.latents.forEach((latent, j) => {
    const { low, high, of } = span(latent), value = of(state.z[j]);
    const unit = latent.aligned ? unitOf(latent.variable) : "", text = withUnit(value, unit, 3);
    $(`z${j}`).value = ((value - low) / (high - low || 1)) * STOPS;
    $(`z${j}`).setAttribute("aria-valuetext", text);
    $(`value${j}`).textContent = text;
  });
}

const auxiliary = () => run.auxiliary;

function fromGalaxies() {
  state.z = run.latents.map((_, j) => run.codes[j < auxiliary() ? state.a : state.b][j]);
}

const isMoved = (from, to) => state.z.slice(from, to).some((z, k) =>
  z !== run.codes[from < auxiliary() ? state.a : state.b][from + k]);

function choose(block, row) {
  state[block] = row;
  const whole = auxiliary() === 0;
  if (whole) state.a = state.b = row;
  run.latents.forEach((_, j) => { if (whole || (j < auxiliary()) === (block === "a")) state.z[j] = run.codes[row][j]; });
  render();
}

function galaxies(block, title) {
  const set = make("fieldset"), row = make("div", "", { class: "galaxies" });
  set.append(make("legend", title), row);
  store.rows.forEach((number_, k) => {
    const label = make("label"), input = make("input", "", { type: "radio", name: block, value: k,
      "aria-label": `${title}: test galaxy in row ${number_}` });
    input.checked = state[block] === k;
    input.addEventListener("change", () => choose(block, k));
    const canvas = make("canvas");
    paintImage(canvas, stored(k));
    label.append(input, canvas, make("span", String(number_)));
    row.append(label);
  });
  return set;
}

function controls() {
  const d = auxiliary(), both = d > 0 && d < run.latents.length;
  const pickers = d === 0 ? [galaxies("b", "All latents of the galaxy")]
    : [galaxies("a", "Auxiliary latents of the galaxy"), ...(both ? [galaxies("b", "Residual latents of the galaxy")] : [])];
  $("galaxies").replaceChildren(...pickers);
  const blocks = [["Auxiliary latents", run.latents.slice(0, d), 0], [d ? "Residual latents" : "Latents", run.latents.slice(d), d]];
  $("sliders").replaceChildren(...blocks.filter(([, latents]) => latents.length).map(([title, latents, from]) => {
    const set = make("fieldset");
    set.append(make("legend", title), ...latents.map((latent, k) => slider(latent, from + k)));
    return set;
  }));
}

function row(name, cells) {
  const line = make("tr");
  line.append(make("th", name, { scope: "row" }), ...cells.map((text) => make("td", text)));
  return line;
}

function showMoments(decoded, truth) {
  const units = { flux: "flux (ph)", size: "size (pixels)", e1: "e1", e2: "e2" };
  const text = (moments, name) => (moments ? number(moments[name], 4) : "not converged");
  $("moments").replaceChildren(...Object.entries(units).map(([name, title]) =>
    row(title, [text(decoded, name), ...(truth === undefined ? [] : [text(truth, name)])])));
}

function showFactors(wanted, truth) {
  const off = store.factors.filter((factor, k) =>
    Math.abs(truth.factors[k] - wanted[k]) > 0.005 * (factor.high - factor.low)).map((factor) => factor.name);
  $("factors").replaceChildren(...store.factors.map((factor, k) => row(factor.name + (factor.unit ? ` (${factor.unit})` : ""),
    [number(wanted[k], 4), number(truth.factors[k], 4) + (off.includes(factor.name) ? " ≠" : "")])));
  const names = store.factors.filter((factor) => !run.latents.some((latent) => latent.variable === factor.name));
  const moved = names.length && isMoved(auxiliary(), run.latents.length);
  $("match").disabled = !run.latents.some((latent) => latent.aligned && off.includes(latent.variable));
  const none = `No latent here is aligned with a factor: the true image is that of galaxy ${store.rows[state.a]}.`;
  const sentences = [!run.latents.some((latent) => latent.aligned) ? none : off.length ? `The true image is the nearest that was drawn: it differs in ${off.join(", ")}.`
    : "The true image has the factors that the sliders stand for."];
  if (moved) sentences.push(`Latents that no factor is tied to were moved: ${names.map((each) => each.name).join(", ")} of the true image are still those of galaxy ${store.rows[state.b]}.`);
  $("said").textContent = sentences.join(" ");
  $("said").classList.toggle("warn", Boolean(off.length || moved));
}

// The sliders to where the true image stands exactly.
function match() {
  store.factors.forEach((factor, k) => {
    const j = run.latents.findIndex((latent) => latent.variable === factor.name && latent.aligned);
    if (j >= 0) state.z[j] = codeOf(run.latents[j], shown.truth.factors[k]);
  });
  render();
}

function render() {
  showSliders();
  const decoded = decode(run, state.z);
  shown = { decoded, moments: store.galaxies ? measure(decoded) : undefined };
  paintImage($("decoded"), decoded);
  if (store.truth) renderTruth(decoded);
  else paintImage($("truth"), stored(state.a));
  if (store.galaxies) showMoments(shown.moments, store.truth ? shown.truthMoments : undefined);
}

function renderTruth(decoded) {
  const wanted = factorsOf(run, store, state.z, state.a, state.b), truth = nearestTruth(store, wanted);
  const residual = residualOf(store, decoded, truth.image);
  shown = { ...shown, wanted, truth, residual, truthMoments: measure(truth.image) };
  paintImage($("truth"), truth.image);
  paintResidual($("residual"), residual);
  const rms = Math.sqrt(residual.values.reduce((sum, value) => sum + value * value, 0) / residual.values.length);
  $("rms").textContent = `root mean square ${number(rms, 3)} ${store.sigma}`;
  showFactors(wanted, truth);
}

async function open(index) {
  const opened = data.runs[index];
  if (!opened.numbers) opened.numbers = await unpack(opened.packed);
  const of = data.stores[opened.store];
  if (!of.images) of.images = await unpack(of.packed);
  if (of.truth && !of.truth.images) {
    of.truth.rows = await unpack(of.truth.packed_rows);
    of.truth.images = await unpack(of.truth.packed);
  }
  const same = store === of;
  [run, store] = [opened, of];
  state = { a: same ? state.a : 0, b: same ? state.b : 0, z: [] };
  if (!auxiliary()) state.a = state.b;
  fromGalaxies();
  $("facts").textContent = run.facts;
  $("true-title").textContent = store.truth ? "True (GalSim)" : "Stored image";
  $("no-truth").hidden = Boolean(store.truth);
  for (const each of document.querySelectorAll(".with-truth")) each.hidden = !store.truth;
  for (const each of document.querySelectorAll(".with-moments")) each.hidden = !store.galaxies;
  $("noise").textContent = store.words;
  $("sigma").textContent = store.sigma;
  controls();
  paintBars();
  render();
}

function start() {
  data = JSON.parse($("data").textContent);
  $("run").replaceChildren(...data.runs.map((each, k) => make("option", each.title, { value: k })));
  $("run").disabled = data.runs.length < 2;
  $("run").addEventListener("change", () => open(Number($("run").value)));
  $("match").addEventListener("click", match);
  $("reset").addEventListener("click", () => { fromGalaxies(); render(); });
  return open(0);
}

// What is shown, for whoever tests the page.
window.explorer = { ready: start(), state: () => state, shown: () => shown, run: () => run, store: () => store, decode, measure, nearestTruth };

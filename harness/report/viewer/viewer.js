"use strict";
// The page of `prsbench view`. Data come as scripts that call put(), because fetch does not work on file://. Everything that
// comes from a data set or a method is set as textContent; no file name is made from it.
const $ = (id) => document.getElementById(id);
const ITEM = 60; // pixels, the height of an item in viewer.css
const KEY_METRICS = ["mdice_pranet", "dice@0.5", "prscore", "s_sem", "s_spatial", "s_vis", "position_accuracy", "centroid_error_of_text"];
const LAYERS = ["truth", "prediction", "point"];
const STEPS = [LAYERS, ["truth"], ["prediction", "point"], []]; // of the arrow keys
const ROWS = ["row", "row2", "row3"];
const LETTERS = ["A", "B", "C"];

// ---- data -----------------------------------------------------------------------------------------------------------------
const arrived = new Map();
const asked = new Map();
window.put = (name, value) => arrived.set(name, value);

/** A promise of the value in data/<name>.js, loaded once. */
function load(name) {
  if (!asked.has(name)) {
    asked.set(name, new Promise((done, fail) => {
      const script = document.createElement("script");
      const lost = () => fail(new Error(`data/${name}.js is missing or damaged: copy the whole folder, or write it again.`));
      script.src = `data/${name}.js`;
      script.onload = () => (arrived.has(name) ? done(arrived.get(name)) : lost());
      script.onerror = lost;
      document.head.append(script);
    }));
  }
  return asked.get(name);
}

let run; // the value of data/index.js
const columns = new Map(); // "metric row" -> Float64Array of one number per sample
let order = []; // numbers of the listed samples, in their order
let place = 0; // in `order`
let newest = 0; // counts updates, so that one that was overtaken stops
let state = {};
let ratings = {};

/** The scores of one row as Float64Array (NaN: no number), or null if the run has no such metric. */
async function column(metric, row) {
  const number = run.metrics.findIndex(([name]) => name === metric);
  if (number < 0) return null;
  const key = `${number} ${row}`;
  if (!columns.has(key)) {
    const text = atob((await load(`scores-${number}`))[row]);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    columns.set(key, new Float64Array(bytes.buffer));
  }
  return columns.get(key);
}

/** The texts of a sample, with its strings filled in. */
async function textsOf(sample) {
  const chunk = await load(`texts-${Math.floor(sample / run.texts)}`);
  const entry = chunk.samples[sample % run.texts];
  const rows = entry.rows.map((text) => chunk.texts[text]);
  return { ...entry, question: chunk.texts[entry.question], reference: chunk.texts[entry.reference], group: chunk.texts[entry.group], rows };
}

const statusOf = (sample, row) => run.statuses[run.status[row].charCodeAt(sample) - 48];
const imageOf = (sample) => (run.images[sample] < 0 ? "" : `images/${run.images[sample]}.${run.ending}`);
const rowsShown = () => ROWS.map((name) => run.rows.findIndex((row) => row.id === state[name]));
const facetOf = (key) => run.facets.find((facet) => facet.key === key);
const nameOf = (sample) => run.ids[sample].slice(facetOf("dataset").values[facetOf("dataset").of[sample]].length + 1);
const titleOf = (key, sample) => { const facet = facetOf(key); return facet.of[sample] < 0 ? "" : facet.titles[facet.of[sample]]; };
const format = (value) => (Number.isFinite(value) ? value.toFixed(3) : "–");

// ---- state and address ----------------------------------------------------------------------------------------------------
const NAMES = () => [...ROWS, "by", "sort", "order", "search", "sample", "status", ...run.facets.map((facet) => facet.key)];

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
  const unknown = [...given.keys()].filter((name) => !NAMES().includes(name));
  state = { by: "score", order: "worst", search: "" };
  state.sort = (run.metrics.find(([name]) => name === "mdice_pranet") ?? run.metrics[0] ?? [""])[0];
  const allowed = { by: ["score", "difference", "text"], order: ["worst", "best", "listed"], sort: run.metrics.map(([name]) => name), status: run.statuses };
  for (const facet of run.facets) allowed[facet.key] = facet.values;
  for (const [name, value] of given) {
    if (ROWS.includes(name)) {
      const row = run.rows.find(({ id }) => id === value) ?? run.rows.find(({ method }) => method === value);
      if (row) state[name] = row.id;
      else unknown.push(`${name}=${value}`);
    } else if (name === "search" || (name === "sample" && run.ids.includes(value)) || allowed[name]?.includes(value)) state[name] = value;
    else if (!unknown.includes(name)) unknown.push(`${name}=${value}`);
  }
  state.row ??= run.rows[0].id;
  if (!given.has("row2") && !given.has("row")) state.row2 ??= run.rows[1]?.id;
  return unknown.length ? `Not known here and ignored: ${unknown.join(", ")}.` : "";
}

function writeAddress() {
  const parts = NAMES().filter((name) => state[name]).map((name) => `${name}=${encodeURIComponent(state[name])}`);
  if (`#${parts.join("&")}` !== location.hash) history.replaceState(null, "", `#${parts.join("&")}`);
}

function say(text, isError = false) {
  $("message").textContent = text;
  $("message").className = isError ? "error" : "";
}

// ---- which samples, in which order ------------------------------------------------------------------------------------------
async function values() {
  const [a, b] = rowsShown();
  const [ofA, ofB] = [await column(state.sort, a), b < 0 ? null : await column(state.sort, b)];
  if (state.by === "difference") return ofA && ofB ? ofA.map((value, i) => Math.abs(value - ofB[i])) : null;
  if (state.by === "text") return (await column("s_vis", a))?.map((value) => 1 - value) ?? null;
  return ofA;
}

async function found(words, samples) {
  const shown = rowsShown().filter((row) => row >= 0);
  const last = Math.floor((run.ids.length - 1) / run.texts);
  const chunks = await Promise.all(Array.from({ length: last + 1 }, (_, number) => load(`texts-${number}`)));
  const hits = chunks.map((chunk) => chunk.texts.map((text) => text.toLowerCase().includes(words)));
  return samples.filter((sample) => {
    const [hit, entry] = [hits[Math.floor(sample / run.texts)], chunks[Math.floor(sample / run.texts)].samples[sample % run.texts]];
    return hit[entry.question] || hit[entry.reference] || shown.some((row) => hit[entry.rows[row]]) || run.ids[sample].toLowerCase().includes(words);
  });
}

/** Filter, search and sort; keeps the chosen sample if it is still listed, unless another place is asked for. */
async function update(wanted = null) {
  const turn = ++newest;
  const row = rowsShown()[0];
  const wantedStatus = run.statuses.indexOf(state.status);
  const filters = run.facets.filter((facet) => state[facet.key]).map((facet) => [facet.of, facet.values.indexOf(state[facet.key])]);
  let samples = run.ids.map((_, i) => i).filter((i) => statusOf(i, row) !== "not of this row"
    && (wantedStatus < 0 || run.status[row].charCodeAt(i) - 48 === wantedStatus) && filters.every(([of, value]) => of[i] === value));
  const words = state.search.trim().toLowerCase();
  if (words) samples = await found(words, samples);
  const by = await values();
  await Promise.all(rowsShown().filter((each) => each >= 0).map((each) => column(listedMetric(), each))); // for the list
  if (turn !== newest) return;
  if (by && state.order !== "listed") {
    const larger = state.by === "score" ? run.metrics.find(([name]) => name === state.sort)[2] === false : true; // is worse
    const sign = (state.order === "worst") === larger ? -1 : 1;
    samples.sort((a, b) => (Number.isNaN(by[a]) - Number.isNaN(by[b])) || sign * (by[a] - by[b]) || a - b);
  }
  order = samples;
  const kept = order.indexOf(run.ids.indexOf(state.sample));
  place = Math.max(0, wanted ?? kept);
  const scored = by ? samples.filter((i) => Number.isFinite(by[i])) : [];
  const mean = scored.reduce((sum, i) => sum + by[i], 0) / scored.length;
  const what = { score: titleOfMetric(), difference: `difference in ${titleOfMetric()}`, text: "1 − S_vis" }[state.by];
  $("count").textContent = `${samples.length} of ${run.ids.length} samples; mean ${what} ${format(mean)} over the ${scored.length} that have it`
    + (state.by === "difference" && !by ? ". Choose row B." : "") + (state.by === "text" && !by ? ": this run has no S_vis." : "");
  const active = [...run.facets.map((facet) => facet.key), "status"].filter((key) => state[key]).length;
  $("active").textContent = active ? `(${active} active)` : "";
  document.querySelectorAll(".item").forEach((item) => item.remove());
  $("space").style.height = `${order.length * ITEM}px`;
  await choose(place);
}

const listedMetric = () => (state.by === "text" ? "s_vis" : state.sort);
const titleOfMetric = () => (run.metrics.find(([name]) => name === state.sort) ?? ["", "score"])[1];

// ---- the list ---------------------------------------------------------------------------------------------------------------
/** A new element; children that are strings become text, never tags. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Draw the items in sight, and no others. */
function drawList() {
  const list = $("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ITEM) - 3);
  const last = Math.min(order.length, first + Math.ceil(list.clientHeight / ITEM) + 7);
  const present = new Map([...list.querySelectorAll(".item")].map((item) => [Number(item.dataset.place), item]));
  for (const [number, item] of present) if (number < first || number >= last) item.remove();
  for (let number = first; number < last; number++) {
    const item = present.get(number) ?? drawItem(number);
    item.setAttribute("aria-selected", String(number === place));
    if (!present.has(number)) list.append(item);
  }
  list.setAttribute("aria-activedescendant", order.length ? `item-${place}` : "");
}

function drawItem(number) {
  const sample = order[number];
  const source = imageOf(sample);
  const picture = source ? element("img", { loading: "lazy", decoding: "async", alt: "", src: source }) : element("div", { className: "none" });
  const kind = [titleOf("modality", sample), titleOf("position", sample)].join(" · ");
  const words = element("div", {}, element("b", {}, nameOf(sample)), element("span", {}, kind));
  const metric = run.metrics.findIndex(([name]) => name === listedMetric());
  const numbers = rowsShown().map((row, i) => {
    if (row < 0) return "";
    const [status, value] = [statusOf(sample, row), columns.get(`${metric} ${row}`)?.[sample] ?? NaN];
    return element("div", { className: status === "ok" ? "" : "lost" }, `${LETTERS[i]} ${status === "ok" ? format(value) : status}`);
  });
  const item = element("div", { className: "item", id: `item-${number}`, role: "option", ariaSetSize: order.length, ariaPosInSet: number + 1 },
    picture, words, element("div", { className: "numbers" }, ...numbers));
  item.dataset.place = number;
  item.style.top = `${number * ITEM}px`;
  return item;
}

// ---- one sample ---------------------------------------------------------------------------------------------------------------
/** Show the sample at a place of the list. */
async function choose(number) {
  place = Math.min(Math.max(0, number), Math.max(0, order.length - 1));
  state.sample = order.length ? run.ids[order[place]] : "";
  const list = $("list");
  if (place * ITEM < list.scrollTop) list.scrollTop = place * ITEM;
  else if ((place + 1) * ITEM > list.scrollTop + list.clientHeight) list.scrollTop = (place + 1) * ITEM - list.clientHeight;
  writeAddress();
  drawList();
  await drawSample();
}

async function drawSample() {
  const sample = order[place];
  $("detail").classList.toggle("empty", sample === undefined);
  $("name").textContent = sample === undefined ? "No sample fits these filters" : `${run.ids[sample]} (${place + 1} of ${order.length})`;
  for (const id of ["facts", "question", "panels"]) $(id).replaceChildren();
  if (sample === undefined) return void $("scores").tBodies[0].replaceChildren();
  const [texts, overlays] = await Promise.all([textsOf(sample), load(`overlays-${Math.floor(sample / run.overlays)}`)]);
  if (sample !== order[place]) return;
  const subgroups = run.facets.filter(({ key }) => !["dataset", "kind"].includes(key)).map(({ key, title }) => [title, titleOf(key, sample)]);
  const facts = [...subgroups, ["Group", texts.group], ["Size", texts.size.join(" × ")]].filter(([, value]) => value);
  $("facts").textContent = facts.map((pair) => pair.join(": ")).join(" · ");
  $("question").textContent = `“${texts.question}”`;
  const masks = overlays[sample % run.overlays];
  const panels = [truthPanel(sample, texts, masks[0])];
  for (const [i, row] of rowsShown().entries()) if (row >= 0) panels.push(await rowPanel(sample, texts, masks, row, LETTERS[i]));
  if (sample !== order[place]) return;
  $("panels").replaceChildren(...panels);
  await drawScores(sample);
}

/** The picture with its overlays; `alternative` says what is seen to those who cannot see it. */
function frame(sample, texts, layers, point, alternative) {
  const source = imageOf(sample);
  const base = source
    ? element("img", { src: source, alt: alternative })
    : element("div", { className: "absent" }, `Picture not there: ${run.reasons[-1 - run.images[sample]]}`);
  const box = element("div", { className: `frame${source ? "" : " gone"}` }, base);
  box.style.aspectRatio = texts.size.toReversed().join(" / ");
  for (const [name, png] of layers) {
    if (png) box.append(element("img", { src: `data:image/png;base64,${png}`, className: `layer ${name}`, alt: `${name} mask` }));
  }
  if (point) {
    const dot = element("div", { className: "dot", title: "where Text2Centroid reads the answer" });
    [dot.style.left, dot.style.top] = point.map((value) => `${(value + 1) * 50}%`);
    box.append(dot);
  }
  const stamp = run.kinds[facetOf("kind").values[facetOf("kind").of[sample]]];
  if (stamp) box.append(element("div", { className: "stamp" }, stamp));
  return box;
}

function truthPanel(sample, texts, mask) {
  const picture = frame(sample, texts, [["truth", mask]], null, `image of ${run.ids[sample]}`);
  return element("div", { className: "panel" }, element("h3", {}, "Image and truth"), picture, element("p", {}, texts.reference || "(no reference answer)"));
}

async function rowPanel(sample, texts, masks, row, letter) {
  const { id, labels } = run.rows[row];
  const [text, status] = [texts.rows[row].trim(), statusOf(sample, row)];
  const point = (await Promise.all(["text_x", "text_y"].map((name) => column(name, row)))).map((values) => values?.[sample]);
  const layers = [["prediction", masks[1 + row]], ["truth", masks[0]]];
  const picture = frame(sample, texts, layers, point.every(Number.isFinite) ? point : null, `image with the prediction of ${id}`);
  const answer = status === "ok" ? text || "(no text)" : [status.toUpperCase(), text].filter(Boolean).join(": ");
  const given = labels.slice(0, 4).map((pair) => pair.join(": ")).join(" · ") + (status === "ok" && !masks[1 + row] ? " · no prediction map is stored" : "");
  const choices = [1, 2, 3, 4, 5].map((value) => {
    const checked = ratingOf(sample, row) === value;
    const input = element("input", { type: "radio", name: `rating-${letter}`, value, checked, onchange: () => rate(sample, row, value) });
    return element("label", {}, input, String(value));
  });
  return element("div", { className: "panel" }, element("h3", {}, `${letter}: ${id}`), picture,
    element("p", { className: status === "ok" ? "" : "lost" }, answer), element("p", { className: "labels" }, given),
    element("fieldset", { className: "rating" }, element("legend", {}, "Rating"), ...choices));
}

async function drawScores(sample) {
  const rows = rowsShown().filter((row) => row >= 0);
  const metrics = run.metrics.filter(([name]) => KEY_METRICS.includes(name) || name === state.sort);
  const lines = await Promise.all(metrics.map(async ([name, title, , protocol]) => {
    const scores = await Promise.all(rows.map((row) => column(name, row)));
    return line("td", title, scores.map((values) => format(values[sample])), protocol);
  }));
  if (sample !== order[place]) return;
  $("scores").tHead.replaceChildren(line("th", "score", rows.map((row) => run.rows[row].id)));
  $("scores").tBodies[0].replaceChildren(...lines);
}

const line = (tag, head, texts, title = "") => element("tr", {}, element("th", { scope: tag === "td" ? "row" : "col", title }, head), ...texts.map((text) => element(tag, {}, text)));

function drawLabels() {
  const rows = rowsShown().filter((row) => row >= 0).map((row) => run.rows[row]);
  $("labels").tHead.replaceChildren(line("th", "label", rows.map(({ id }) => id)));
  $("labels").tBodies[0].replaceChildren(...run.rows[0].labels.map(([name], i) => line("td", name, rows.map(({ labels }) => labels[i][1]))));
  const notes = rows.flatMap(({ id, notes }) => notes.map((note) => `${id}: ${note}`));
  $("notes").replaceChildren(...[...notes, ...run.notes].map((note) => element("li", {}, note)));
}

// ---- ratings ----------------------------------------------------------------------------------------------------------------
const storageKey = () => `prsbench-viewer-${run.digest}`;
const ratingKey = (sample, row) => JSON.stringify([run.ids[sample], run.rows[row].id]);
const ratingOf = (sample, row) => ratings[ratingKey(sample, row)];

function readRatings() {
  try { ratings = JSON.parse(localStorage.getItem(storageKey()) ?? "{}"); } catch { ratings = {}; }
}

/** Keep a rating of 1 to 5 in this browser; 0 removes it. */
function rate(sample, row, value) {
  if (value) ratings[ratingKey(sample, row)] = value; else delete ratings[ratingKey(sample, row)];
  try {
    localStorage.setItem(storageKey(), JSON.stringify(ratings));
    say(`${Object.keys(ratings).length} ratings, kept in this browser`);
  } catch { say("This browser keeps no data for this page: export the ratings before you close it.", true); }
}

function exportRatings() {
  const entries = Object.keys(ratings).sort().map((key) => ({ sample: JSON.parse(key)[0], row: JSON.parse(key)[1], rating: ratings[key] }));
  const content = { format: 1, run: run.name, digest: run.digest, ratings: entries };
  const href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
  const anchor = element("a", { href, download: "ratings.json" });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
  say(`${entries.length} ratings exported to ratings.json`);
}

// ---- controls -----------------------------------------------------------------------------------------------------------------
const fail = (error) => say(error.message, true);

const option = ([value, text]) => element("option", { value }, text);

function field(parent, name, title, options) {
  const select = element("select", { id: `choose-${name}` }, ...options.map(option));
  parent.append(element("label", {}, title, select));
  bind(select, name);
}

function bind(control, name) {
  control.addEventListener(control.type === "search" ? "input" : "change", () => {
    state[name] = control.value;
    const wait = control.type === "search" ? 150 : 0;
    clearTimeout(control.timer);
    control.timer = setTimeout(() => { drawLabels(); update().catch(fail); }, wait);
  });
}

function showState() {
  for (const name of NAMES()) {
    const control = $(`choose-${name}`) ?? { by: $("by"), sort: $("sort"), order: $("order"), search: $("search") }[name];
    if (control) control.value = state[name] ?? "";
  }
  $("more").open ||= [...run.facets.map(({ key }) => key), "status"].some((key) => state[key]);
  drawLabels();
}

async function jump(order_, wanted) {
  if (order_) { state.order = order_; $("order").value = order_; }
  await update(wanted);
}

function layers(shown) {
  for (const name of LAYERS) {
    $(name).checked = shown.includes(name);
    document.body.classList.toggle(`no-${name}`, !shown.includes(name));
  }
}

function step(by) {
  const shown = LAYERS.filter((name) => $(name).checked).join();
  const now = STEPS.findIndex((names) => names.join() === shown);
  layers(STEPS[(now + by + STEPS.length) % STEPS.length]);
}

function onKey(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox") return;
  const inList = event.target === $("list");
  const actions = {
    ArrowRight: () => choose(place + 1), ArrowLeft: () => choose(place - 1),
    ArrowDown: () => (inList ? choose(place + 1) : step(1)), ArrowUp: () => (inList ? choose(place - 1) : step(-1)),
    Home: () => inList && choose(0), End: () => inList && choose(order.length - 1),
    "/": () => $("search").focus(),
  };
  if (order.length) for (const key of "012345") actions[key] = () => { rate(order[place], rowsShown()[0], Number(key)); return drawSample(); };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  Promise.resolve(action()).catch(fail);
}

async function start() {
  run = await load("index");
  if (run.format !== 1) throw new Error(`The data have format ${run.format}, this page reads 1: write the viewer again.`);
  document.title = $("title").textContent = `prsbench viewer: ${run.name}`;
  $("warnings").replaceChildren(...run.warnings.map((text) => element("p", {}, text)));
  readRatings();
  const ids = run.rows.map(({ id }) => [id, id]);
  field($("rows"), "row", "Row A", ids);
  field($("rows"), "row2", "Row B", [["", "–"], ...ids]);
  field($("rows"), "row3", "Row C", [["", "–"], ...ids]);
  $("sort").append(...run.metrics.map(option));
  for (const { key, title, values, titles } of run.facets) {
    if (values.length > 1) field($("facets"), key, title, [["", "all"], ...values.map((value, i) => [value, titles[i]])]);
  }
  field($("facets"), "status", "Status in row A", [["", "all"], ...run.statuses.slice(0, -1).map((status) => [status, status])]);
  for (const name of ["by", "sort", "order", "search"]) bind($(name), name);
  $("point").disabled = !run.metrics.some(([name]) => name === "text_x");
  for (const name of LAYERS) $(name).onchange = () => layers(LAYERS.filter((each) => $(each).checked));
  $("worst").onclick = () => jump("worst", 0).catch(fail);
  $("best").onclick = () => jump("best", 0).catch(fail);
  $("random").onclick = () => choose(Math.floor(Math.random() * order.length)).catch(fail);
  $("reset").onclick = () => { location.hash = ""; };
  $("export").onclick = exportRatings;
  $("previous").onclick = () => choose(place - 1).catch(fail);
  $("next").onclick = () => choose(place + 1).catch(fail);
  $("list").addEventListener("scroll", () => requestAnimationFrame(drawList), { passive: true });
  $("list").addEventListener("click", (event) => { const item = event.target.closest(".item"); if (item) choose(Number(item.dataset.place)).catch(fail); });
  window.addEventListener("resize", drawList);
  window.addEventListener("hashchange", () => follow().catch(fail));
  document.addEventListener("keydown", onKey);
  await follow();
  document.body.dataset.ready = "yes";
  performance.mark("ready");
}

/** Show what the address says. */
async function follow() {
  const ignored = readAddress();
  showState();
  await update();
  say(ignored, Boolean(ignored));
}

start().catch(fail);

"use strict";
// The page of `prsbench view`: its address, its list of samples and its controls.
const ITEM = 60; // pixels, the height of an item in viewer.css
const LAYERS = ["truth", "prediction", "point"];
const STEPS = [LAYERS, ["truth"], ["prediction", "point"], []]; // of the arrow keys
const ROWS = ["row", "row2", "row3"];

let order = []; // numbers of the listed samples, in their order
let place = 0; // in `order`
let newest = 0; // counts updates, so that one that was overtaken stops
let state = {};

const rowsShown = () => ROWS.map((name) => run.rows.findIndex((row) => row.id === state[name]));
const fail = (error) => say(error.message, true);

// ---- state and address ----------------------------------------------------------------------------------------------------
const NAMES = () => [...ROWS, "by", "sort", "order", "search", "sample", "status", ...run.facets.map(({ key }) => key)];

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
  const sorts = run.metrics.map(([name]) => name);
  state = { by: "score", order: "worst", search: "", sort: sorts.find((name) => name === "mdice_pranet") ?? sorts[0] ?? "" };
  const allowed = { sort: sorts, status: run.statuses, sample: run.ids };
  for (const { key, values } of run.facets) allowed[key] = values;
  for (const name of ["by", "order"]) allowed[name] = [...$(`choose-${name}`).options].map(({ value }) => value);
  const unknown = [];
  for (const [name, value] of given) {
    const row = ROWS.includes(name) && (run.rows.find(({ id }) => id === value) ?? run.rows.find((one) => one.method === value));
    if (row) state[name] = row.id;
    else if (name === "search" || allowed[name]?.includes(value)) state[name] = value;
    else unknown.push(NAMES().includes(name) ? `${name}=${value}` : name);
  }
  state.row ??= run.rows[0].id;
  if (!given.has("row2") && !given.has("row")) state.row2 = run.rows[1]?.id;
  return unknown.length ? `Not known here and ignored: ${unknown.join(", ")}.` : "";
}

function writeAddress() {
  const parts = NAMES().filter((name) => state[name]).map((name) => `${name}=${encodeURIComponent(state[name])}`);
  if (`#${parts.join("&")}` !== location.hash) history.replaceState(null, "", `#${parts.join("&")}`);
}

/** Show what the address says. */
async function follow() {
  const ignored = readAddress();
  for (const name of NAMES()) {
    const control = $(`choose-${name}`);
    if (control) control.value = state[name] ?? "";
  }
  $("more").open ||= filtersInUse().length > 0;
  await update();
  say(ignored, Boolean(ignored));
}

// ---- which samples, in which order ------------------------------------------------------------------------------------------
const filtersInUse = () => [...run.facets.map(({ key }) => key), "status"].filter((key) => state[key]);
const listedMetric = () => (state.by === "text" ? "s_vis" : state.sort);

/** What samples are sorted by: its title, its number of each sample or null, and whether a larger one is worse. */
async function sorting() {
  const [a, b] = rowsShown();
  const [, title, isHigherBetter] = run.metrics.find(([name]) => name === state.sort) ?? ["", "score", true];
  const ofA = await column(listedMetric(), a);
  if (state.by === "text") return ["1 − S_vis", ofA?.map((value) => 1 - value), true, ": this run has no S_vis."];
  if (state.by === "score") return [title, ofA, isHigherBetter === false, ""];
  const ofB = b < 0 ? null : await column(state.sort, b);
  return [`difference in ${title}`, ofB && ofA?.map((value, i) => Math.abs(value - ofB[i])), true, ". Choose row B."];
}

/** Filter, search and sort; keeps the chosen sample if it is still listed, unless another place is asked for. */
async function update(wanted = null) {
  const turn = ++newest;
  showLabels(rowsShown());
  const rows = rowsShown().filter((row) => row >= 0);
  const filters = run.facets.filter(({ key }) => state[key]).map(({ key, of, values }) => [of, values.indexOf(state[key])]);
  const isWanted = (sample) => {
    const status = statusOf(sample, rows[0]);
    const isOfStatus = state.status ? status === state.status : status !== "not of this row";
    return isOfStatus && filters.every(([of, value]) => of[sample] === value);
  };
  let samples = [...run.ids.keys()].filter(isWanted);
  const words = state.search.trim().toLowerCase();
  if (words) samples = await found(words, samples, rows);
  const [title, by, isLargerWorse, lack] = await sorting();
  await Promise.all(rows.map((row) => column(listedMetric(), row))); // for the list
  if (turn !== newest) return;
  if (by && state.order !== "listed") {
    const sign = (state.order === "worst") === isLargerWorse ? -1 : 1;
    samples.sort((a, b) => (Number.isNaN(by[a]) - Number.isNaN(by[b])) || sign * (by[a] - by[b]) || a - b);
  }
  order = samples;
  const scored = by ? samples.filter((i) => Number.isFinite(by[i])) : [];
  const mean = scored.reduce((sum, i) => sum + by[i], 0) / scored.length;
  const counted = `${samples.length} of ${run.ids.length} samples`;
  const meant = `mean ${title} ${format(mean)} over the ${scored.length} that have it`;
  $("count").textContent = `${counted}; ${meant}${by ? "" : lack}`;
  $("active").textContent = filtersInUse().length ? `(${filtersInUse().length} active)` : "";
  document.querySelectorAll(".item").forEach((item) => item.remove());
  $("space").style.height = `${order.length * ITEM}px`;
  await choose(wanted ?? order.indexOf(run.ids.indexOf(state.sample)));
}

// ---- the list ---------------------------------------------------------------------------------------------------------------
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
  const src = imageOf(sample);
  const image = { loading: "lazy", decoding: "async", alt: "", src };
  const picture = src ? element("img", image) : element("div", { className: "none" });
  const kind = `${titleOf("modality", sample)} · ${titleOf("position", sample)}`;
  const numbers = rowsShown().map((row, i) => {
    if (row < 0) return "";
    const status = statusOf(sample, row);
    const text = status === "ok" ? format(columns.get(`${listedMetric()} ${row}`)?.[sample]) : status;
    return element("div", { className: status === "ok" ? "" : "lost" }, `${LETTERS[i]} ${text}`);
  });
  const role = { role: "option", ariaSetSize: order.length, ariaPosInSet: number + 1 };
  const item = element("div", { className: "item", id: `item-${number}`, ...role },
    picture,
    element("div", {}, element("b", {}, nameOf(sample)), element("span", {}, kind)),
    element("div", { className: "numbers" }, ...numbers));
  item.dataset.place = number;
  item.style.top = `${number * ITEM}px`;
  return item;
}

/** Show the sample at a place of the list. */
async function choose(number) {
  place = Math.min(Math.max(0, number), Math.max(0, order.length - 1));
  state.sample = run.ids[order[place]] ?? "";
  const name = `${state.sample} (${place + 1} of ${order.length})`;
  $("name").textContent = state.sample ? name : "No sample fits these filters";
  const list = $("list");
  list.scrollTop = Math.min(place * ITEM, Math.max(list.scrollTop, (place + 1) * ITEM - list.clientHeight));
  writeAddress();
  drawList();
  await showSample(order[place], rowsShown());
}

// ---- controls -----------------------------------------------------------------------------------------------------------------
const options = (pairs) => pairs.map(([value, text]) => element("option", { value }, text));

function field(parent, name, title, pairs) {
  parent.append(element("label", {}, title, element("select", { id: `choose-${name}` }, ...options(pairs))));
}

function bind(control, name) {
  const isSearch = control.type === "search";
  let timer;
  control.addEventListener(isSearch ? "input" : "change", () => {
    state[name] = control.value;
    clearTimeout(timer);
    timer = setTimeout(() => update().catch(fail), isSearch ? 150 : 0);
  });
}

function jump(to) {
  state.order = $("choose-order").value = to;
  return update(0);
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
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
  if (event.altKey || event.ctrlKey || event.metaKey || isTyping) return;
  const inList = event.target === $("list");
  const actions = {
    ArrowRight: () => choose(place + 1),
    ArrowLeft: () => choose(place - 1),
    ArrowDown: () => (inList ? choose(place + 1) : step(1)),
    ArrowUp: () => (inList ? choose(place - 1) : step(-1)),
    Home: () => inList && choose(0),
    End: () => inList && choose(order.length - 1),
    "/": () => $("choose-search").focus(),
  };
  if (order.length && /^[0-5]$/.test(event.key)) {
    actions[event.key] = () => {
      rate(order[place], rowsShown()[0], Number(event.key));
      return showSample(order[place], rowsShown());
    };
  }
  if (!actions[event.key]) return;
  event.preventDefault();
  Promise.resolve(actions[event.key]()).catch(fail);
}

async function start() {
  await loadRun();
  document.title = $("title").textContent = `prsbench viewer: ${run.name}`;
  $("warnings").replaceChildren(...run.warnings.map((text) => element("p", {}, text)));
  readRatings();
  const ids = run.rows.map(({ id }) => [id, id]);
  ROWS.forEach((name, i) => field($("rows"), name, `Row ${LETTERS[i]}`, name === "row" ? ids : [["", "–"], ...ids]));
  for (const { key, title, values, titles } of run.facets) {
    if (values.length > 1) field($("facets"), key, title, [["", "all"], ...values.map((value, i) => [value, titles[i]])]);
  }
  field($("facets"), "status", "Status in row A", [["", "all"], ...run.statuses.slice(0, -1).map((status) => [status, status])]);
  $("choose-sort").append(...options(run.metrics));
  for (const control of document.querySelectorAll("[id^=choose-]")) bind(control, control.id.slice("choose-".length));
  $("point").disabled = !run.metrics.some(([name]) => name === "text_x");
  for (const name of LAYERS) $(name).onchange = () => layers(LAYERS.filter((each) => $(each).checked));
  const buttons = {
    worst: () => jump("worst"),
    best: () => jump("best"),
    random: () => choose(Math.floor(Math.random() * order.length)),
    reset: async () => { location.hash = ""; },
    export: async () => exportRatings(),
    previous: () => choose(place - 1),
    next: () => choose(place + 1),
  };
  for (const [id, act] of Object.entries(buttons)) $(id).onclick = () => act().catch(fail);
  $("list").addEventListener("scroll", () => requestAnimationFrame(drawList), { passive: true });
  $("list").addEventListener("click", ({ target }) => {
    const item = target.closest(".item");
    if (item) choose(Number(item.dataset.place)).catch(fail);
  });
  window.addEventListener("resize", drawList);
  window.addEventListener("hashchange", () => follow().catch(fail));
  document.addEventListener("keydown", onKey);
  await follow();
  document.body.dataset.ready = "yes";
  performance.mark("ready");
}

start().catch(fail);

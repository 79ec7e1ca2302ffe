"use strict";
// One sample: its picture with the prediction of each row, its scores, what the rows were given, and the reader's ratings.
// What comes from a data set or a method is set as textContent; no file name is made from it.
const KEY_METRICS = ["mdice_pranet", "dice@0.5", "prscore", "s_sem", "s_spatial", "s_vis", "position_accuracy",
  "centroid_error_of_text"];
const LETTERS = "ABC"; // of the rows side by side
let shown; // the sample, so that one that was overtaken is not drawn
let ratings = {};

const $ = (id) => document.getElementById(id);
const format = (value) => (Number.isFinite(value) ? value.toFixed(3) : "–");

function say(text, isError = false) {
  $("message").textContent = text;
  $("message").className = isError ? "error" : "";
}

/** A new element; children that are strings become text, never tags. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Fill a table; the first text of each line is its head, with a tooltip from `titles`. */
function fillTable(table, head, lines, titles = []) {
  const line = (tag, scope, [name, ...texts], title = "") =>
    element("tr", {}, element("th", { scope, title }, name), ...texts.map((text) => element(tag, {}, text)));
  table.tHead.replaceChildren(line("th", "col", head));
  table.tBodies[0].replaceChildren(...lines.map((texts, i) => line("td", "row", texts, titles[i])));
}

// ---- one sample ---------------------------------------------------------------------------------------------------------------
/** Show a sample with these rows (-1: no row); nothing if it is undefined. */
async function showSample(sample, rowsByLetter) {
  shown = sample;
  const isThere = sample !== undefined;
  $("detail").classList.toggle("empty", !isThere);
  for (const id of ["facts", "question", "panels"]) $(id).replaceChildren();
  $("scores").tBodies[0].replaceChildren();
  if (!isThere) return;
  const rows = rowsByLetter.filter((row) => row >= 0);
  const letters = [...LETTERS].filter((_, i) => rowsByLetter[i] >= 0);
  const metrics = run.metrics.filter(([name]) => KEY_METRICS.includes(name) || name === $("choose-sort").value);
  const score = async (name, row) => (await column(name, row))?.[sample];
  const [texts, masks, points, scores] = await Promise.all([
    textsOf(sample),
    masksOf(sample),
    Promise.all(rows.map((row) => Promise.all([score("text_x", row), score("text_y", row)]))),
    Promise.all(metrics.map(([name]) => Promise.all(rows.map((row) => score(name, row))))),
  ]);
  if (sample !== shown) return;
  const subgroups = run.facets.filter(({ key }) => !["dataset", "kind"].includes(key));
  const facts = subgroups.map(({ key, title }) => [title, titleOf(key, sample)]);
  facts.push(["Group", texts.group], ["Size", texts.size.join(" × ")]);
  $("facts").textContent = facts.filter(([, value]) => value).map((pair) => pair.join(": ")).join(" · ");
  $("question").textContent = `“${texts.question}”`;
  const truth = frame(sample, texts.size, { truth: masks[0] }, [], `image of ${run.ids[sample]}`);
  $("panels").replaceChildren(
    panel("Image and truth", truth, element("p", {}, texts.reference || "(no reference answer)")),
    ...rows.map((row, i) => rowPanel(sample, row, letters[i], texts, masks, points[i])));
  const lines = metrics.map(([, title], i) => [title, ...scores[i].map(format)]);
  const protocols = metrics.map(([, , , protocol]) => protocol);
  fillTable($("scores"), ["score", ...rows.map((row) => run.rows[row].id)], lines, protocols);
}

const panel = (title, ...parts) => element("div", { className: "panel" }, element("h3", {}, title), ...parts);

/** The picture with its overlays; `alt` says what is seen to those who cannot see it. */
function frame(sample, size, layers, point, alt) {
  const src = imageOf(sample);
  const absent = () => element("div", { className: "absent" }, `Picture not there: ${whyNoImage(sample)}`);
  const base = src ? element("img", { src, alt }) : absent();
  const box = element("div", { className: `frame${src ? "" : " gone"}` }, base);
  box.style.aspectRatio = size.toReversed().join(" / ");
  for (const [name, png] of Object.entries(layers)) {
    if (png) box.append(element("img", { src: `data:image/png;base64,${png}`, className: `layer ${name}`, alt: `${name} mask` }));
  }
  if (point.length && point.every(Number.isFinite)) {
    const dot = element("div", { className: "dot", title: "where Text2Centroid reads the answer" });
    [dot.style.left, dot.style.top] = point.map((value) => `${(value + 1) * 50}%`);
    box.append(dot);
  }
  const stamp = run.kinds[valueOf("kind", sample)];
  if (stamp) box.append(element("div", { className: "stamp" }, stamp));
  return box;
}

function rowPanel(sample, row, letter, texts, masks, point) {
  const { id, labels } = run.rows[row];
  const [text, status, mask] = [texts.rows[row].trim(), statusOf(sample, row), masks[1 + row]];
  const isOk = status === "ok";
  const answer = isOk ? text || "(no text)" : [status.toUpperCase(), text].filter(Boolean).join(": ");
  const given = labels.slice(0, 4).map((pair) => pair.join(": "));
  if (isOk && !mask) given.push("no prediction map is stored");
  const choices = [1, 2, 3, 4, 5].map((value) => {
    const checked = ratings[ratingKey(sample, row)] === value;
    const how = { type: "radio", name: `rating-${letter}`, value, checked, onchange: () => rate(sample, row, value) };
    return element("label", {}, element("input", how), String(value));
  });
  return panel(`${letter}: ${id}`,
    frame(sample, texts.size, { prediction: mask, truth: masks[0] }, point, `image with the prediction of ${id}`),
    element("p", { className: isOk ? "" : "lost" }, answer),
    element("p", { className: "labels" }, given.join(" · ")),
    element("fieldset", { className: "rating" }, element("legend", {}, "Rating"), ...choices));
}

function showLabels(rowsByLetter) {
  const rows = rowsByLetter.filter((row) => row >= 0).map((row) => run.rows[row]);
  const lines = run.rows[0].labels.map(([name], i) => [name, ...rows.map(({ labels }) => labels[i][1])]);
  fillTable($("labels"), ["label", ...rows.map(({ id }) => id)], lines);
  const notes = rows.flatMap(({ id, notes }) => notes.map((note) => `${id}: ${note}`));
  $("notes").replaceChildren(...[...notes, ...run.notes].map((note) => element("li", {}, note)));
}

// ---- ratings ----------------------------------------------------------------------------------------------------------------
const storageKey = () => `prsbench-viewer-${run.digest}`;
const ratingKey = (sample, row) => JSON.stringify([run.ids[sample], run.rows[row].id]);

function readRatings() {
  try { ratings = JSON.parse(localStorage.getItem(storageKey()) ?? "{}"); } catch { ratings = {}; }
}

/** Keep a rating of 1 to 5 in this browser; 0 removes it. */
function rate(sample, row, value) {
  if (value) ratings[ratingKey(sample, row)] = value;
  else delete ratings[ratingKey(sample, row)];
  try {
    localStorage.setItem(storageKey(), JSON.stringify(ratings));
    say(`${Object.keys(ratings).length} ratings, kept in this browser`);
  } catch { say("This browser keeps no data for this page: export the ratings before you close it.", true); }
}

function exportRatings() {
  const keys = Object.keys(ratings).sort();
  const entries = keys.map((key) => ({ sample: JSON.parse(key)[0], row: JSON.parse(key)[1], rating: ratings[key] }));
  const content = { format: 1, run: run.name, digest: run.digest, ratings: entries };
  const href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
  element("a", { href, download: "ratings.json" }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
  say(`${entries.length} ratings exported to ratings.json`);
}

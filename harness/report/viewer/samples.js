"use strict";
// Samples, rows and scores as the files in data/ hold them; viewer.js shows them. Data come as scripts that call put(), because
// fetch does not work on file://.
let run; // the value of data/index.js
const arrived = new Map();
const asked = new Map();
const columns = new Map(); // "metric row" -> Float64Array of one number per sample
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

async function loadRun() {
  run = await load("index");
  if (run.format !== 1) throw new Error(`The data have format ${run.format}, this page reads 1: write the viewer again.`);
}

/** The scores of one row as Float64Array (NaN: no number), or null if the run has no such metric. */
async function column(metric, row) {
  const number = run.metrics.findIndex(([name]) => name === metric);
  if (number < 0) return null;
  const key = `${metric} ${row}`;
  if (!columns.has(key)) {
    const text = atob((await load(`scores-${number}`))[row]);
    columns.set(key, new Float64Array(Uint8Array.from(text, (character) => character.charCodeAt(0)).buffer));
  }
  return columns.get(key);
}

/** The texts of a sample, with its strings filled in. */
async function textsOf(sample) {
  const chunk = await load(`texts-${Math.floor(sample / run.texts)}`);
  const entry = chunk.samples[sample % run.texts];
  const [question, reference, group] = [entry.question, entry.reference, entry.group].map((text) => chunk.texts[text]);
  return { size: entry.size, question, reference, group, rows: entry.rows.map((text) => chunk.texts[text]) };
}

/** The masks of a sample as PNGs in base64: the truth, then one per row; "" where there is none. */
const masksOf = async (sample) => (await load(`overlays-${Math.floor(sample / run.overlays)}`))[sample % run.overlays];

/** The samples whose question, reference, id or answer in one of the rows holds the words, which are in lower case. */
async function found(words, samples, rows) {
  const last = Math.floor((run.ids.length - 1) / run.texts);
  const chunks = await Promise.all(Array.from({ length: last + 1 }, (_, number) => load(`texts-${number}`)));
  const hits = chunks.map((chunk) => chunk.texts.map((text) => text.toLowerCase().includes(words)));
  return samples.filter((sample) => {
    const number = Math.floor(sample / run.texts);
    const entry = chunks[number].samples[sample % run.texts];
    const texts = [entry.question, entry.reference, ...rows.map((row) => entry.rows[row])];
    return texts.some((text) => hits[number][text]) || run.ids[sample].toLowerCase().includes(words);
  });
}

const statusOf = (sample, row) => run.statuses[run.status[row].charCodeAt(sample) - 48];
const imageOf = (sample) => (run.images[sample] < 0 ? "" : `images/${run.images[sample]}.${run.ending}`);
const whyNoImage = (sample) => run.reasons[-1 - run.images[sample]];
const facetOf = (key) => run.facets.find((facet) => facet.key === key);
const valueOf = (key, sample, names = "values") => facetOf(key)[names][facetOf(key).of[sample]] ?? "";
const titleOf = (key, sample) => valueOf(key, sample, "titles");
const nameOf = (sample) => run.ids[sample].slice(valueOf("dataset", sample).length + 1);

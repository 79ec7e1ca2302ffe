"use strict";
// Sorting, filtering and columns that stay in view. Without this script the page shows the same tables as they are.

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// A number to sort by; NaN for "-", status words and other texts.
function numberOf(text) {
  const found = /^[<+-]?\s*(\d+(\.\d+)?)/.exec(text);
  return found ? (text[0] === "-" ? -1 : 1) * Number(found[1]) : NaN;
}

function addSorting(table) {
  const body = table.tBodies[0], original = [...body.rows];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, place) => {
    const button = make("button", { type: "button", title: "Sort by this column" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const isNumber = head.classList.contains("number"), before = head.getAttribute("aria-sort");
      const cycle = isNumber ? ["descending", "ascending", null] : ["ascending", "descending", null];
      const order = cycle[(cycle.indexOf(before) + 1) % 3];
      for (const other of heads) other.removeAttribute("aria-sort");
      if (order) head.setAttribute("aria-sort", order);
      const sign = order === "descending" ? -1 : 1, keys = new Map();
      for (const row of original) {
        const text = row.cells[place].textContent;
        keys.set(row, isNumber ? numberOf(text) : text);
      }
      const compare = (a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        if (!isNumber) return sign * x.localeCompare(y, "en", { numeric: true });
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);  // texts stay last
        return sign * (x - y);
      };
      body.append(...(order ? [...original].sort(compare) : original));
    });
  });
}

function addFilter(scroll, table) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < 4) return;
  const count = make("span", {}), input = make("input", { type: "search", autocomplete: "off", spellcheck: false });
  count.setAttribute("role", "status");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = [...row.cells].map((cell) => cell.textContent.toLowerCase()).join(" ");
      row.hidden = !words.every((word) => text.includes(word));
    }
    count.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows` : "";
  });
  scroll.before(make("div", { className: "tools" }, make("label", {}, "Filter rows ", input), count));
}

// Means stay in view to the right of the first column; their places depend on the widths of those before them.
function placeMeans(table) {
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  let left = heads[0].offsetWidth;
  const means = heads.flatMap((head, place) => (head.classList.contains("mean") ? [place] : []));
  const group = table.querySelector("th.group.mean");
  if (group) group.style.left = `${left}px`;
  for (const place of means) {
    for (const row of [heads, ...[...table.tBodies[0].rows].map((line) => line.cells)]) row[place].style.left = `${left}px`;
    left += heads[place].offsetWidth;
  }
}

function markPlace() {
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    const first = entries.find((entry) => entry.isIntersecting);
    if (!first) return;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(first.target.id).setAttribute("aria-current", "true");
  }, { rootMargin: "-10% 0px -70% 0px" });
  for (const name of links.keys()) seen.observe(document.getElementById(name));
}

const scrolls = [...document.querySelectorAll(".scroll")], tables = scrolls.map((scroll) => scroll.querySelector("table"));
scrolls.forEach((scroll, i) => {
  addSorting(tables[i]);
  addFilter(scroll, tables[i]);
});
const place = () => tables.forEach(placeMeans);
place();
addEventListener("resize", place);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
markPlace();
document.body.dataset.ready = "yes";

"use strict";
// One event: sorts, filters and groups tables, marks what belongs together. All of it is readable without.

const all = (what, where = document) => [...where.querySelectorAll(what)];
const one = (what, where = document) => where.querySelector(what);
const CHUNK = 200; // rows added at a time, as the reader gets to them

function human(kb) {
  if (Math.abs(kb) < 1024) return kb + " kB";
  let value = kb / 1024, step = 0;
  for (; Math.abs(value) >= 1023.95 && step < 3; step++) value /= 1024;
  return value.toFixed(1) + " " + ["MiB", "GiB", "TiB", "PiB"][step];
}

async function unpacked(base64, how = "deflate") {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream(how))).text();
}

// --- tables: rows of the page itself, or, of long ones, packed data

function table(element, around) {
  const heads = all("thead th", element), body = one("tbody", element);
  const kinds = heads.map((th) => th.dataset.kind);
  const tools = one(".tools:not(.flames *)", around), said = tools && one("output", tools);
  const search = tools && one("input[type=search]", tools), grouping = tools && one("input[type=checkbox]", tools);
  const kind = tools && one("select.kind", tools), rest = one(`script[data-of="${element.id}"]`, around);
  let rows = null, sorted = -1, down = false, waiting = [], range = null;

  const value = (td, kind) => {
    if (!td.textContent && td.dataset.v === undefined) return null;
    return td.dataset.v !== undefined ? +td.dataset.v : kind === "text" || kind === "path" ? td.textContent : +td.textContent;
  };
  async function load() {
    if (rows) return;
    if (!rest) {
      rows = all("tr", body).map((tr) => ({
        tr, values: [...tr.cells].map((td, i) => value(td, kinds[i])), words: tr.textContent.toLowerCase(),
      }));
      return;
    }
    const data = JSON.parse(await unpacked(rest.textContent));
    rows = data.looks.map((look, n) => {
      const values = data.columns.map((column) => column[n]);
      return { look, values, words: values.filter((v) => typeof v === "string").join(" ").toLowerCase() + " " + values[0] };
    });
  }
  function drawn(row) {
    if (row.tr) return row.tr;
    const tr = document.createElement("tr");
    if (row.look) tr.className = row.look;
    row.values.forEach((value, i) => {
      const td = tr.insertCell();
      if (kinds[i] !== "text") td.className = kinds[i] === "path" ? "p" : "n";
      if (value !== null) td.textContent = kinds[i] === "kb" ? human(value) : value;
    });
    return tr;
  }
  function grouped(rows) {
    const by = +element.dataset.group, groups = new Map();
    for (const row of rows) {
      const group = groups.get(row.values[by]);
      if (!group) groups.set(row.values[by], { look: row.look ?? row.tr.className, count: 1, values: [...row.values] });
      else {
        group.count++;
        row.values.forEach((v, i) => {
          if (i === by) return;
          if (kinds[i] === "kb") group.values[i] = v === null ? group.values[i] : (group.values[i] ?? 0) + v;
          else if (group.values[i] !== v) group.values[i] = null;
        });
      }
    }
    for (const group of groups.values()) if (group.count > 1) group.values[by] += " × " + group.count;
    return [...groups.values()];
  }
  async function show() {
    await load();
    const words = search ? search.value.toLowerCase() : "";
    let found = rows.filter((row) => (!words || row.words.includes(words)) &&
      (!kind || !kind.value || row.tr.dataset.kind === kind.value) && (!range || range(row)));
    const count = found.length;
    if (grouping && grouping.checked) found = grouped(found);
    if (sorted >= 0) {
      const way = down ? -1 : 1, nothing = (v) => v === null || v === undefined;
      found = [...found].sort((a, b) => {
        const x = a.values[sorted], y = b.values[sorted];
        if (nothing(x) || nothing(y)) return nothing(x) - nothing(y);
        return way * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
      });
    }
    const groups = grouping && grouping.checked ? `, ${found.length} names` : "";
    waiting = [...found];
    body.replaceChildren();
    more();
    
    if (said) said.textContent = count === rows.length ? `${count} rows${groups}` : `${count} of ${rows.length} rows${groups}`;
  }
  function more() {
    const next = waiting.splice(0, CHUNK).map(drawn);
    body.append(...next);
    if (waiting.length && next.length) watcher.observe(next[next.length - 1]);
  }
  const watcher = new IntersectionObserver((seen) => {
    if (!seen.some((each) => each.isIntersecting)) return;
    watcher.disconnect();
    more();
  }, { rootMargin: "600px" });

  heads.forEach((th, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...th.childNodes);
    th.append(button);
    button.addEventListener("click", () => {
      down = sorted === i ? !down : kinds[i] === "kb" || kinds[i] === "number";
      sorted = i;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      th.setAttribute("aria-sort", down ? "descending" : "ascending");
      show();
    });
  });
  if (tools) tools.hidden = false;
  for (const input of [search, grouping, kind]) if (input) input.addEventListener("input", show);
  if (rest) {
    one(".cut", around)?.remove();
    const folded = element.closest("details");
    if (folded) folded.addEventListener("toggle", () => { if (folded.open && !rows) show(); });
  }
  return { limit(test) { range = test; show(); } };
}

// --- one event: pieces of bars and rows of legends that are the same thing, copying, what is folded

function event(root, json) {
  for (const element of all("table.rows", root)) table(element, element.closest("details, section") ?? root);
  for (const linked of all(".linked", root)) {
    const mark = (key) => {
      for (const part of all("[data-key]", linked)) {
        const same = part.dataset.key === key;
        part.classList.toggle(part.tagName === "TR" ? "on" : "dim", part.tagName === "TR" ? same : key !== null && !same);
      }
    };
    for (const part of all("[data-key]", linked)) {
      if (part.tagName === "TR") part.tabIndex = 0;
      part.addEventListener("pointerenter", () => mark(part.dataset.key));
      part.addEventListener("focus", () => mark(part.dataset.key));
      part.addEventListener("pointerleave", () => mark(null));
      part.addEventListener("blur", () => mark(null));
    }
  }
  for (const button of all(".copy", root)) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await copied(one("#" + button.dataset.of, root));
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
  // flame.js
  for (const each of all(".flames", root)) flames(each);
  const link = one("#json");
  if (link && json) link.onclick = async (click) => {
    click.preventDefault();
    const away = document.createElement("a");
    away.href = URL.createObjectURL(new Blob([await json()], { type: "application/json" }));
    away.download = "oom.json";
    away.click();
    setTimeout(() => URL.revokeObjectURL(away.href), 1000);
  };
}

async function copied(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
  } catch { // a page from a file may not: the old way
    const range = document.createRange();
    range.selectNodeContents(element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy");
  }
}

function revealed() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (target) target.scrollIntoView({ block: "center" });
}

if (one("main#event")) {
  const link = one("#json"), data = link && link.getAttribute("href").split("base64,")[1];
  event(document, data && (() => unpacked(data, "gzip")));
  addEventListener("hashchange", revealed);
  revealed();
}
let folded = [];
addEventListener("beforeprint", () => {
  folded = all("details.card:not([open])");
  for (const each of folded) each.open = true;
});
addEventListener("afterprint", () => { for (const each of folded) each.open = false; });

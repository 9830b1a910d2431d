"use strict";
// Many events: zooms the timeline, opens an event. With page.js before it.

// --- the timeline of many: a part of it, from 0 to 1, is shown

function timeline(section, events) {
  const data = section.dataset, first = +data.first, last = +data.last, tools = one(".tools", section);
  const groups = all(".ticks", section).map((group) => all("span", group)), ticks = groups[0], said = one("output", tools);
  let from = 0, to = 1;
  const label = (at) => {
    const span = (last - first) * (to - from);
    if (data.axis === "order") return "no. " + Math.round(at);
    if (data.axis === "boot") return age(at, span);
    const time = new Date(at * 1000).toISOString();
    const day = time.startsWith("1972") ? time.slice(5, 10) : time.slice(0, 10);
    return span > 864000 ? day : span > 600 ? day + " " + time.slice(11, 16) : time.slice(11, span > 20 ? 19 : 22);
  };
  const age = (s, span) => span < 20 ? s.toFixed(2) + " s" : s < 120 ? s.toFixed(1) + " s" : s < 7200 ? (s / 60).toFixed(span < 600 ? 1 : 0) + " min"
    : s < 172800 ? Math.floor(s / 3600) + " h " + Math.floor(s / 60 % 60) + " min" : Math.floor(s / 86400) + " d " + Math.floor(s / 3600 % 24) + " h";
  function zoom(a, b) {
    const least = 1e-6, width = Math.min(1, Math.max(least, b - a));
    from = Math.min(Math.max(0, a), 1 - width);
    to = from + width;
    let seen = 0;
    for (const dot of all("circle", section)) {
      const at = (dot.dataset.at - from) / (to - from), out = at < -1e-9 || at > 1 + 1e-9;
      dot.setAttribute("cx", 1.5 + 97 * Math.min(1, Math.max(0, at)) + "%");
      dot.style.display = out ? "none" : "";
      seen += !out && !dot.closest("[hidden]");
    }
    for (const group of groups) group.forEach((tick, i) => {
      tick.textContent = label(first + (last - first) * (from + (to - from) * i / Math.max(1, ticks.length - 1)));
    });
    const whole = from <= 0 && to >= 1;
    said.textContent = whole ? "" : `${seen} OOMs from ${ticks[0].textContent} to ${ticks[ticks.length - 1].textContent}`;
    const places = new Map(all("circle", section).map((dot) => [dot.dataset.n, +dot.dataset.at]));
    if (events) events.limit(whole ? null : (row) => {
      const at = places.get(row.tr.dataset.n);
      return at !== undefined && at >= from - 1e-9 && at <= to + 1e-9;
    });
  }
  const by = (step) => () => { const middle = (from + to) / 2, half = (to - from) * step / 2; zoom(middle - half, middle + half); };
  const shift = (step) => () => { const width = to - from; zoom(from + step * width, to + step * width); };
  for (const [name, act] of [["in", by(0.5)], ["out", by(2)], ["left", shift(-0.5)], ["right", shift(0.5)], ["reset", () => zoom(0, 1)]])
    one("." + name, tools).addEventListener("click", act);
  const choice = one("select.by", tools);
  if (choice) choice.addEventListener("input", () => {
    for (const lanes of all(".lanes", section)) lanes.hidden = lanes.dataset.by !== choice.value;
  });
  for (const lane of all("svg.lane", section)) {
    let start = null, box = null;
    const place = (move) => {
      const rect = lane.getBoundingClientRect();
      return Math.min(1, Math.max(0, ((move.clientX - rect.left) / rect.width - 0.015) / 0.97));
    };
    lane.addEventListener("pointerdown", (down) => {
      if (down.target.tagName === "circle" || down.button) return;
      start = place(down);
      lane.setPointerCapture(down.pointerId);
      box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      box.setAttribute("class", "drag");
      box.setAttribute("height", "24");
      lane.append(box);
    });
    lane.addEventListener("pointermove", (move) => {
      if (start === null) return;
      const at = place(move);
      box.setAttribute("x", 1.5 + 97 * Math.min(start, at) + "%");
      box.setAttribute("width", 97 * Math.abs(at - start) + "%");
    });
    const end = (up) => {
      if (start === null) return;
      const a = Math.min(start, place(up)), b = Math.max(start, place(up)), width = to - from;
      box.remove();
      start = null;
      if (up.type === "pointerup" && b - a > 0.01) zoom(from + a * width, from + b * width);
    };
    lane.addEventListener("pointerup", end);
    lane.addEventListener("pointercancel", end);
    lane.addEventListener("click", (click) => {
      if (click.target.tagName === "circle") location.hash = "event-" + (+click.target.dataset.n + 1);
    });
  }
  tools.hidden = false;
  for (const part of all(".script", section)) part.hidden = false;
}

// --- many: each event's page is unpacked as it is opened

function many(overview, opened) {
  const events = one("#table-events") && table(one("#table-events"), one("#events"));
  if (one("#timeline")) timeline(one("#timeline"), events);
  let shown = 0, scrolled = 0;
  async function route() {
    const match = /^#event-(\d+)$/.exec(location.hash);
    if (!match) {
      const inside = !opened.hidden && location.hash.length > 1 && location.hash !== "#all" && one(location.hash, opened);
      if (inside) return revealed();
      if (!opened.hidden) {
        opened.hidden = true;
        overview.hidden = false;
        scrollTo(0, scrolled);
      }
      return;
    }
    const number = +match[1], packed = document.getElementsByClassName("packed");
    if (number < 1 || number > packed.length) return;
    if (number !== shown) {
      const both = await unpacked(packed[number - 1].textContent), cut = both.indexOf("\n");
      const page = one("#event");
      page.innerHTML = both.slice(cut + 1);
      event(page, async () => both.slice(0, cut));
      shown = number;
      one("nav .n", opened).textContent = `${number} of ${packed.length}`;
      one("nav .before", opened).href = "#event-" + Math.max(1, number - 1);
      one("nav .next", opened).href = "#event-" + Math.min(packed.length, number + 1);
    }
    if (opened.hidden) scrolled = scrollY;
    overview.hidden = true;
    opened.hidden = false;
    scrollTo(0, 0);
  }
  addEventListener("hashchange", route);
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", route);
  else route();
}

many(one("main#all"), one("main#opened"));

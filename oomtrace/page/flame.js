"use strict";
// The flame graph: zooms to a call, finds names, goes by keys. Pages without one do not have this script.

function flames(around) {
  const graph = one("svg.flame", around), said = one("output", around), search = one("input[type=search]", around);
  const process = one("select", around), row = +graph.dataset.row;
  const frames = all("svg", graph).map((svg) => ({
    svg, x: parseFloat(svg.getAttribute("x")) / 100, w: parseFloat(svg.getAttribute("width")) / 100, depth: +svg.getAttribute("y") / row,
    name: one("title", svg).textContent.replace(/: [^:]*$/, ""), title: one("title", svg).textContent,
  }));
  const root = frames[0], end = (frame) => frame.x + frame.w, near = 2e-5;
  const within = (inner, outer) => inner.x >= outer.x - near && end(inner) <= end(outer) + near;
  let zoomed = root, at = root;

  function zoom(to) {
    zoomed = to;
    for (const frame of frames) {
      const above = frame.depth < to.depth && within(to, frame), shown = above || (frame.depth >= to.depth && within(frame, to));
      const x = above ? 0 : (frame.x - to.x) / to.w, w = above ? 1 : frame.w / to.w;
      frame.svg.style.display = shown ? "" : "none";
      if (!shown) continue;
      frame.svg.setAttribute("x", 100 * x + "%");
      frame.svg.setAttribute("width", 100 * w + "%");
      let label = one("text", frame.svg);
      if (!label && w * graph.clientWidth > 16) {
        label = document.createElementNS("http://www.w3.org/2000/svg", "text");
        label.setAttribute("x", 4);
        label.setAttribute("y", 13);
        one("rect", frame.svg).after(label);
      }
      if (label) label.textContent = frame.name;
    }
    const first = to.depth < 1 ? "" : frames.find((frame) => frame.depth === 1 && within(to, frame)).name;
    process.value = [...process.options].some((option) => option.value === first) ? first : "";
    tell();
  }
  function tell() {
    const words = search.value.toLowerCase();
    let part = 0, upto = 0;
    for (const frame of [...frames].sort((a, b) => a.x - b.x || a.depth - b.depth)) {
      const found = Boolean(words) && frame !== root && frame.name.toLowerCase().includes(words);
      frame.svg.classList.toggle("found", found);
      if (found && within(frame, zoomed) && end(frame) > upto + near) {
        part += end(frame) - Math.max(frame.x, upto);
        upto = end(frame);
      }
    }
    said.textContent = words ? `${(100 * part / zoomed.w).toFixed(1)} % found` : zoomed === root ? "" : zoomed.title;
  }
  function go(to) {
    if (!to) return;
    at.svg.tabIndex = -1;
    at = to;
    at.svg.tabIndex = 0;
    at.svg.focus();
  }
  function key(event) {
    const shown = frames.filter((frame) => frame.svg.style.display !== "none"), beside = shown.filter((f) => f.depth === at.depth);
    const ways = {
      ArrowUp: () => go(shown.find((frame) => frame.depth === at.depth - 1 && within(at, frame))),
      ArrowDown: () => go(shown.find((frame) => frame.depth === at.depth + 1 && within(frame, at))),
      ArrowLeft: () => go(beside[beside.indexOf(at) - 1]),
      ArrowRight: () => go(beside[beside.indexOf(at) + 1]),
      Enter: () => zoom(at), " ": () => zoom(at),
      Escape: () => { zoom(root); go(root); },
    };
    if (!(event.key in ways)) return;
    event.preventDefault();
    ways[event.key]();
  }

  graph.setAttribute("role", "group");
  for (const frame of frames) {
    frame.svg.setAttribute("role", "button");
    frame.svg.setAttribute("aria-label", frame.title);
    frame.svg.tabIndex = frame === root ? 0 : -1;
    frame.svg.addEventListener("click", () => { zoom(frame); go(frame); });
  }
  graph.addEventListener("keydown", key);
  search.addEventListener("input", tell);
  process.addEventListener("change", () => zoom(frames.find((f) => f.depth === 1 && f.name === process.value) ?? root));
  one(".reset", around).addEventListener("click", () => { search.value = ""; zoom(root); });
  one(".tools", around).hidden = false;
  zoom(root); // names in full, as far as there is room
}

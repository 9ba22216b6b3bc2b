"use strict";
// The explorer: search, filters with counts, a list that draws only what is in view, one episode or two side by side.
// It runs from the file system: data comes in script files that call `siteData` (see webdancer.show.site_data).

const HEIGHT = 62; // of a row, as in explorer.css
const FILTERS = ["stage", "agent", "kind", "hops", "right", "outcome", "reason"];
const NUMBERS = { hops: (v) => (v === 1 ? "1 hop" : `${v} hops`), right: (v) => (v ? "right" : "wrong") };
const COUNTED = ["count", "difference"]; // their answers are worked out: no page holds them
const waiting = new Map();
const $ = (id) => document.getElementById(id);
const state = { index: null, text: [], shown: [], active: 0, open: [], pinned: null, unfolded: false };

/** Called by each data file: unpack what it brings and hand it to whoever waits for that name. */
function siteData(name, packed) {
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  waiting.get(name)?.resolve(new Response(stream).json());
}

/** The content of a data file, read once. */
function load(name) {
  if (!waiting.has(name)) {
    const entry = {};
    entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    waiting.set(name, entry);
    const script = make("script");
    script.src = `data/${name}.js`;
    script.onerror = () => entry.reject(new Error(`data/${name}.js cannot be read: run make site again`));
    document.head.append(script);
  }
  return waiting.get(name).promise;
}

const column = (name, row) => state.index.columns[name][row];
const label = (name, value) => (NUMBERS[name] ? NUMBERS[name](value) : state.index.names[name][value]) || "none";
const named = (name, row) => label(name, column(name, row));
const calls = (row) => (column("calls", row) === 1 ? "1 call" : `${column("calls", row)} calls`);
const question = (row) => state.index.questions[column("question", row)];

function prepare(index) {
  state.index = index;
  const asked = index.questions.map((parts) => parts.join(" ").toLowerCase());
  state.text = index.columns.question.map((q, row) => `${asked[q]} ${column("said", row).toLowerCase()}`);
  state.values = Object.fromEntries(FILTERS.map((name) => [name, [...new Set(index.columns[name])].sort((a, b) => a - b)]));
  for (const name of FILTERS) {
    const wanted = name === "reason" ? state.values[name].filter((v) => label(name, v) !== "none") : state.values[name];
    $(name).replaceChildren(...["", ...wanted.map((v) => label(name, v))].map((value) => Object.assign(make("option"), { value })));
    $(name).closest(".field").hidden = wanted.length < (name === "reason" ? 1 : 2);
  }
}

/** Which episodes pass, and for each filter how many each of its values would leave, the other filters as they are. */
function sift() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = FILTERS.map((name) => [name, state.index.columns[name], code(name)]);
  const counts = Object.fromEntries(FILTERS.map((name) => [name, new Map()]));
  const shown = [];
  state.text.forEach((text, row) => {
    if (!words.every((word) => text.includes(word))) return;
    const failed = wanted.filter(([, values, code]) => code !== null && values[row] !== code);
    if (!failed.length) shown.push(row);
    if (failed.length > 1) return;
    for (const [name, values] of failed.length ? failed : wanted) {
      counts[name].set(values[row], (counts[name].get(values[row]) ?? 0) + 1);
    }
  });
  return { shown, counts };
}

function code(name) {
  const chosen = $(name).value;
  return chosen ? (state.values[name].find((v) => label(name, v) === chosen) ?? -1) : null;
}

/** After any change of search or filters: sift, sort, say how many, draw. */
function update() {
  const { shown, counts } = sift();
  const by = $("order").value;
  if (by) shown.sort((a, b) => column(by, b) - column(by, a) || a - b);
  state.shown = shown;
  state.active = 0;
  for (const name of FILTERS) {
    for (const option of $(name).options) {
      const values = [...counts[name]].filter(([v]) => !option.value || label(name, v) === option.value);
      const count = values.reduce((sum, [, n]) => sum + n, 0).toLocaleString("en");
      option.textContent = `${option.value || "any"} (${count})`;
    }
  }
  const right = shown.filter((row) => column("right", row)).length;
  const share = shown.length ? `, ${Math.round((100 * right) / shown.length)} % right` : "";
  $("count").textContent = `${shown.length.toLocaleString("en")} of ${state.text.length.toLocaleString("en")} episodes${share}`;
  $("empty").hidden = shown.length > 0;
  $("list").hidden = !shown.length;
  $("list").scrollTop = 0;
  remember();
  draw();
}

/** The rows in view and a few around them; the active one always, because a screen reader is pointed to it. */
function draw() {
  const list = $("list");
  const first = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - 6);
  const last = Math.min(state.shown.length, Math.ceil((list.scrollTop + list.clientHeight) / HEIGHT) + 6);
  const at = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
  if (state.shown.length && !at.includes(state.active)) at.push(state.active);
  $("room").style.height = `${state.shown.length * HEIGHT}px`;
  $("room").replaceChildren(...at.map(rowNode));
  if (state.shown.length) list.setAttribute("aria-activedescendant", `row${state.active}`);
}

function rowNode(at) {
  const row = state.shown[at];
  const facts = [named("agent", row), named("kind", row), named("hops", row), calls(row)];
  const reason = named("reason", row);
  if (reason !== "none") facts.push(`dropped, ${reason}`);
  const node = make("div", `row${at === state.active ? " active" : ""}`, make("span", "q", question(row)[1] || question(row)[0]), make("span", "m", verdict(row), ` · ${facts.join(" · ")}`));
  node.id = `row${at}`;
  node.style.top = `${at * HEIGHT}px`;
  node.setAttribute("role", "option");
  node.setAttribute("aria-selected", String(state.open.includes(row)));
  node.setAttribute("aria-posinset", String(at + 1));
  node.setAttribute("aria-setsize", String(state.shown.length));
  node.onclick = () => move(at, true);
  return node;
}

function verdict(row) {
  const right = column("right", row);
  return make("span", `verdict ${right ? "right" : "wrong"}`, right ? "✓ right" : `✗ ${named("outcome", row)}`);
}

function move(to, opens = false) {
  state.active = Math.min(Math.max(to, 0), state.shown.length - 1);
  const list = $("list");
  const top = state.active * HEIGHT;
  if (top < list.scrollTop) list.scrollTop = top;
  if (top + HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top + HEIGHT - list.clientHeight;
  draw();
  if (opens && state.shown.length) openRow(state.shown[state.active]);
}

/** Show an episode; beside the pinned one, if there is one. */
async function openRow(row, focus = true) {
  state.open = state.pinned === null || state.pinned === row ? [row] : [state.pinned, row];
  const opened = state.open;
  remember();
  draw();
  try {
    const parts = await Promise.all(opened.map((r) => load(`part_${String(Math.floor(r / state.index.part)).padStart(3, "0")}`)));
    if (opened !== state.open) return; // another one was opened meanwhile
    const articles = opened.map((r, i) => article(r, parts[i][r % state.index.part]));
    $("detail").replaceChildren(tools(row), make("div", `columns${articles.length > 1 ? " two" : ""}`, ...articles));
  } catch (error) {
    $("detail").replaceChildren(make("p", "note", error.message));
  }
  document.body.classList.add("reading");
  $("detail").scrollTop = 0;
  if (focus) $("detail").querySelector("h2")?.focus();
}

function button(text, act, pressed) {
  const node = make("button", "", text);
  node.type = "button";
  node.onclick = act;
  if (pressed !== undefined) node.setAttribute("aria-pressed", String(pressed));
  return node;
}

function tools(row) {
  const at = state.shown.indexOf(row);
  const pin = () => { state.pinned = state.pinned === null ? row : null; openRow(row); };
  const before = button("Previous", () => move(at - 1, true));
  const after = button("Next", () => move(at + 1, true));
  before.disabled = at <= 0;
  after.disabled = at < 0 || at >= state.shown.length - 1;
  const unfold = () => { state.unfolded = !state.unfolded; openRow(row); };
  return make("div", "tools", button("Close", close), before, after, button("Unfold observations", unfold, state.unfolded), button("Keep beside the next", pin, state.pinned !== null));
}

function article(row, messages) {
  const [id, text, gold] = question(row);
  const heading = make("h2", "", text || id);
  heading.tabIndex = -1;
  const facts = make("dl", "facts");
  const fact = (name, value) => value !== "" && facts.append(make("dt", "", name), make("dd", "", value));
  fact("verdict", verdict(row));
  fact("reward", `${column("reward", row).toFixed(2)} (rule of 06)`);
  fact("right answer", gold);
  fact("given answer", column("said", row) || "none");
  fact("agent", `${named("agent", row)}, sample ${column("sample", row)}`);
  fact("stage", named("stage", row));
  fact("dropped", named("reason", row) === "none" ? "" : named("reason", row));
  fact("question", `${named("kind", row)}, ${named("hops", row)}${id ? `, ${id}` : ""}`);
  fact("ended by", `${named("stop", row)}, ${calls(row)}, ${column("tokens", row).toLocaleString("en")} tokens`);
  const told = COUNTED.includes(named("kind", row)) ? "" : gold;
  return make("article", "", heading, facts, others(row), renderEpisode(messages, told, state.unfolded));
}

/** Buttons to the other tries of the same question. */
function others(row) {
  const same = state.index.columns.question.flatMap((q, r) => (q === column("question", row) && !state.open.includes(r) ? [r] : []));
  if (!same.length) return "";
  const go = (r) => button(`${column("right", r) ? "✓" : "✗"} ${named("agent", r)} ${column("sample", r)}`, () => openRow(r));
  return make("details", "", make("summary", "small", same.length === 1 ? "1 more try of this question" : `${same.length} more tries of this question`), make("ul", "others", ...same.slice(0, 60).map((r) => make("li", "", go(r)))));
}

function close() {
  state.open = [];
  state.pinned = null;
  document.body.classList.remove("reading");
  $("detail").replaceChildren($("hello").content.cloneNode(true));
  remember();
  draw();
  $("list").focus();
}

/** Keep search, filters and open episode in the address, so that a link leads to what was seen. */
function remember() {
  const fields = ["search", "order", ...FILTERS].map((id) => [id, $(id).value]).filter(([, value]) => value);
  if (state.open.length) fields.push(["open", state.open.join(" ")]);
  const hash = new URLSearchParams(fields).toString();
  if (hash !== location.hash.slice(1)) location.replace(`#${hash}`);
  state.hash = location.hash;
}

function recall() {
  const fields = new URLSearchParams(location.hash.slice(1));
  for (const id of ["search", "order", ...FILTERS]) $(id).value = fields.get(id) ?? "";
  for (const name of FILTERS) if ($(name).selectedIndex < 0) $(name).value = "";
  const open = (fields.get("open") ?? "").split(" ").filter(Boolean).map(Number).filter((r) => r in state.text);
  state.pinned = open.length > 1 ? open[0] : null;
  update();
  if (open.length) openRow(open.at(-1), false);
}

function keys(event) {
  const typing = event.target.closest("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !typing) { event.preventDefault(); $("search").focus(); $("search").select(); return; }
  if (event.key === "Escape") { escape(event.target); return; }
  if (event.target.id === "search" && ["ArrowDown", "Enter"].includes(event.key)) { event.preventDefault(); $("list").focus(); return; }
  if (event.target.id !== "list") return;
  const page = Math.max(1, Math.floor($("list").clientHeight / HEIGHT) - 1);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  if (event.key in steps) { event.preventDefault(); move(state.active + steps[event.key]); }
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); move(state.active, true); }
}

function escape(target) {
  if (target.id === "search" && target.value) { target.value = ""; update(); return; }
  if (state.open.length) close();
  else $("list").focus();
}

async function start() {
  document.addEventListener("keydown", keys);
  if (matchMedia("(max-width: 760px)").matches) $("filters").open = false;
  try {
    prepare(await load("index"));
  } catch (error) {
    $("count").textContent = error.message;
    return;
  }
  $("search").oninput = update;
  for (const id of ["order", ...FILTERS]) $(id).onchange = update;
  $("reset").onclick = () => { for (const id of ["search", "order", ...FILTERS]) $(id).value = ""; update(); };
  $("list").onscroll = () => requestAnimationFrame(draw);
  addEventListener("resize", draw);
  addEventListener("hashchange", () => location.hash !== state.hash && recall());
  $("detail").replaceChildren($("hello").content.cloneNode(true));
  recall();
  document.body.dataset.ready = "true";
}

start();

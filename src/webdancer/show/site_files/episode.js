"use strict";
// An episode as DOM nodes. Page text only ever becomes a text node: nothing that a page holds is read as markup.

const SIGNS = { thought: "○", call: "▶", observation: "□", answer: "◆", off: "✕", aside: "≡" };
const TURN = /^<think>\n?([\s\S]*?)\n?<\/think>\s*(?:<tool_call>\n?([\s\S]*?)\n?<\/tool_call>|<answer>\n?([\s\S]*?)\n?<\/answer>)\s*$/;
const TAG = /<\/?(?:think|tool_call|tool_response|answer)>/;
const RESPONSE = /^<tool_response>\n([\s\S]*)\n<\/tool_response>$/;

/** A new element with a class and children: nodes, or strings that become text. */
function make(tag, name, ...children) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.append(...children);
  return node;
}

/** The parts of an assistant turn, or null if it is off the protocol (as `core.protocol.parse_turn` says). */
function parseTurn(text) {
  const found = TURN.exec(text);
  if (!found) return null;
  const [, thought, call, answer] = found;
  if (TAG.test(thought + (answer ?? ""))) return null;
  if (answer !== undefined) return { thought, answer };
  try {
    const { name, arguments: given, ...rest } = JSON.parse(call);
    const plain = given !== null && typeof given === "object" && !Array.isArray(given);
    return typeof name === "string" && plain && !Object.keys(rest).length ? { thought, name, given } : null;
  } catch {
    return null;
  }
}

/** Text with the whole words of `term` in <mark> elements. */
function marked(text, term) {
  const parts = document.createDocumentFragment();
  const found = finder(term);
  let at = 0;
  for (const hit of found ? text.matchAll(found) : []) {
    parts.append(text.slice(at, hit.index), make("mark", "", hit[0]));
    at = hit.index + hit[0].length;
  }
  parts.append(text.slice(at));
  return parts;
}

function finder(term) {
  const safe = (term ?? "").trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return safe ? new RegExp(`(?<![\\p{L}\\p{N}])${safe}(?![\\p{L}\\p{N}])`, "giu") : null;
}

/** One block: a label with its sign, then the text; folded ones are <details>. */
function block(kind, label, body, folded = false, open = false) {
  const sign = make("span", "sign", SIGNS[kind]);
  sign.setAttribute("aria-hidden", "true");
  const node = make(folded ? "details" : "div", `block ${kind}`, make(folded ? "summary" : "div", folded ? "" : "label", sign, label), body);
  if (folded) node.open = open;
  return node;
}

function callText(given) {
  return Object.entries(given)
    .map(([key, value]) => `${key}: ${Array.isArray(value) ? value.map(said).join(" | ") : said(value)}`)
    .join("\n");
}

function said(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The blocks of one assistant turn. */
function turnBlocks(text) {
  const turn = parseTurn(text);
  if (!turn) return [block("off", "Off the protocol", make("pre", "", text))];
  const nodes = [block("thought", "Thought", make("p", "", turn.thought))];
  if (turn.answer !== undefined) nodes.push(block("answer", "Answer", make("p", "", turn.answer)));
  else nodes.push(block("call", `Call: ${turn.name}`, make("pre", "", callText(turn.given))));
  return nodes;
}

/** All messages as a list: what the agent was told is folded, and so are the observations unless `open`. */
function renderEpisode(messages, gold, open) {
  const list = make("ol", "turns");
  let item = null;
  let seen = 0;
  for (const [role, content] of messages) {
    const response = role === "assistant" ? null : RESPONSE.exec(content);
    if (role === "assistant" || !item || !response) list.append((item = make("li")));
    if (role === "assistant") item.append(...turnBlocks(content));
    else if (response) {
      seen += 1;
      const holds = finder(gold)?.test(response[1]) ? ", holds the right answer" : "";
      const label = `Observation ${seen}, ${response[1].length.toLocaleString("en")} characters${holds}`;
      item.append(block("observation", label, make("pre", "", marked(response[1], gold)), true, open));
    } else {
      const label = `${role === "system" ? "System prompt" : "Task"}, ${content.length.toLocaleString("en")} characters`;
      item.append(block("aside", label, make("pre", "", content), true));
    }
  }
  return list;
}

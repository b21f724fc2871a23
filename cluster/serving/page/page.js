"use strict";
// Everything from the server is put in as text, never as markup.
const $ = (id) => document.getElementById(id);
const NOUNS = { image: "pictures", text: "texts", embedding: "embeddings" };
let model = null;
let asked = 0; // an answer that comes after a newer question is dropped
let shownPicture = null;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(text, problem = false) {
  $("status").textContent = text;
  $("status").classList.toggle("problem", problem);
}

const names = () => Object.keys(model.sides);
const modality = (side) => model.sides[side].modality;
const opposite = (side) => model.sides[side].opposite;
const isBridge = () => names().length > 2;
const count = (n) => n.toLocaleString("en");
const noun = (side) => NOUNS[modality(side)] || "rows";
// "texts"; of several sides of texts "texts (ja)"
const rowsOf = (side) => noun(side) + (names().filter((s) => modality(s) === modality(side)).length > 1 ? ` (${side})` : "");

function sideOf(kind) {
  // the chosen one if it is of this kind; else the first, of a bridge rather one of its ends
  const fitting = names().filter((side) => modality(side) === kind);
  if (fitting.includes($("from").value)) return $("from").value;
  return fitting.find((side) => opposite(opposite(side)) === side) || fitting[0];
}
const isTyped = (side) => ["text", "embedding"].includes(modality(side));
const typedSide = () => (model.sides[$("from").value] && isTyped($("from").value) ? $("from").value : sideOf("text") || sideOf("embedding"));

async function start() {
  try {
    const health = await (await fetch("/healthz")).json();
    model = health.model;
  } catch {
    say("The service does not answer. Is it still running?", true);
    return;
  }
  document.title = `${model.name || "Isthmus"}: search`;
  const rows = names().map((side) => `${count(model.sides[side].rows)} ${rowsOf(side)}`);
  const last = rows.pop();
  $("model").textContent = [model.name, `${rows.join(", ")} and ${last}`].filter(Boolean).join(": ");
  $("about").textContent = about();
  const listed = () => names().map((side) => new Option(`${noun(side)} (${side})`, side));
  $("to").append(...(isBridge() ? [] : [new Option("the other side", "")]), ...listed());
  const first = typedSide() || names()[0];
  $("from").append(...listed());
  $("from-part").hidden = names().filter(isTyped).length < 2 && names().every((side) => rowsOf(side) === noun(side));
  $("picture-part").hidden = !sideOf("image");
  askFrom(first);
}

function askFrom(side, to = isBridge() ? opposite(side) : $("to").value) {
  $("from").value = side;
  $("to").value = to;
  const typed = typedSide();
  $("query").disabled = !typed;
  const vectors = "A vector, as a JSON list of numbers";
  $("query-label").textContent = !typed ? "Drop a picture below" : modality(typed) === "text" ? "Describe what you are looking for" : vectors;
  const languages = typed ? model.sides[typed].columns : [];
  $("language").replaceChildren(new Option("any", ""), ...languages.map((language) => new Option(language, language)));
  $("language-part").hidden = languages.length < 2;
}

function about() {
  const parts = names().map((side) => [side, model.sides[side].index]).filter(([, index]) => index.kind !== "exact");
  const told = parts.map(([side, index]) => `${side}: approximate index, ${(100 * index.recall).toFixed(1)} % of the true first ${index.k}`);
  return `${model.about} ${told.length ? `${told.join("; ")}.` : "All rows are compared."}`;
}

async function search(request) {
  const mine = ++asked;
  say("Searching …");
  $("matches").setAttribute("aria-busy", "true");
  let response, body;
  try {
    response = await fetch("/search", request);
    body = await response.json();
  } catch {
    response = null;
  }
  if (mine !== asked) return;
  $("matches").removeAttribute("aria-busy");
  if (!response || !response.ok) {
    const told = body && body.error ? body.error : "the service does not answer";
    say(sentence(told), true);
    show({ matches: [], warnings: [] }, null);
    return;
  }
  show(body, body.to);
  const asking = isBridge() ? `${body.from} → ${body.to}: ` : "";
  say(`${asking}${body.matches.length} closest of ${count(model.sides[body.to].rows)} ${noun(body.to)}`);
}

function asJson(query) {
  const options = { k: Number($("k").value), thumbnails: true, ...($("to").value && { to: $("to").value }) };
  const body = JSON.stringify({ ...options, ...query });
  return search({ method: "POST", headers: { "content-type": "application/json" }, body });
}

function byText() {
  const text = $("query").value.trim();
  if (!text) return say("Type something to search for.", true);
  showAsked(null);
  const from = typedSide();
  if (from !== $("from").value) askFrom(from);
  if (modality(from) === "text") return asJson({ text, from, ...($("language").value && { language: $("language").value }) });
  try {
    return asJson({ vector: JSON.parse(text), from });
  } catch {
    return say("This is no JSON list of numbers.", true);
  }
}

function byPicture(file) {
  const from = sideOf("image");
  if (!from) return say("This model takes no pictures.", true);
  if (from !== $("from").value) askFrom(from);
  showAsked(file.name, URL.createObjectURL(file));
  const form = new FormData();
  form.append("image", file);
  form.append("from", from);
  form.append("k", $("k").value);
  form.append("thumbnails", "true");
  if ($("to").value) form.append("to", $("to").value);
  return search({ method: "POST", body: form });
}

function byMatch(match, side) {
  const to = opposite(side);
  askFrom(side, to);
  showAsked(`${match.title} (${side})`, match.thumbnail);
  window.scrollTo({ top: 0 });
  return asJson({ id: match.id, from: side, to });
}

function showAsked(text, picture) {
  if (shownPicture && shownPicture.startsWith("blob:")) URL.revokeObjectURL(shownPicture);
  shownPicture = picture || null;
  $("asked").replaceChildren();
  $("asked").hidden = !text;
  if (!text) return;
  if (picture) {
    const image = element("img");
    image.src = picture;
    image.alt = "";
    $("asked").append(image);
  }
  $("asked").append(element("span", "", `Searching with: ${text}`));
}

function show(found, side) {
  const { matches, warnings } = found;
  $("matches").replaceChildren(...matches.map((match, n) => tile(match, side, n)));
  $("matches").classList.toggle("texts", side !== null && !model.sides[side].thumbnails);
  $("legend").hidden = !matches.some((match) => match.confidence !== null || match.paired);
  $("warnings").hidden = !warnings.length;
  $("warnings").textContent = warnings.map(sentence).join(" ");
  $("meaning").hidden = !isBridge() || !matches.length;
  const rests = typeof found.ess === "number" ? ` The best match rests on ${found.ess.toFixed(1)} of them.` : "";
  $("meaning").textContent = `Score: ${found.meaning}.${rests} Choose a match to search with it.`;
}

const sentence = (told) => `${told.charAt(0).toUpperCase()}${told.slice(1)}.`;

function tile(match, side, n) {
  const item = element("li");
  const button = element("button", "match");
  button.type = "button";
  button.addEventListener("click", () => byMatch(match, side));
  if (modality(side) === "image") button.append(picture(match));
  const title = element("span", "title", match.title);
  title.dir = "auto";
  if (match.title !== match.id) title.append(element("span", "id", match.id));
  button.append(title, sure(match));
  button.setAttribute("aria-label", `${n + 1}. ${match.title}, ${inWords(match)}`);
  item.append(button);
  return item;
}

function picture(match) {
  if (!match.thumbnail) return element("span", "blank", "no preview");
  const image = element("img");
  image.src = match.thumbnail;
  image.alt = "";
  return image;
}

const percent = (p) => (p >= 0.995 ? "> 99 %" : p >= 0.01 ? `${Math.round(100 * p)} %` : "< 1 %");

const inDigits = (score, digits) => score.toFixed(digits).replace(/^-(?=[0.]+$)/, "").replace("-", "−"); // no −0.00

function inWords(match) {
  if (match.paired) return "known pair";
  if (match.confidence === null) return `score ${inDigits(match.score, 3)}`;
  return `confidence ${percent(match.confidence)}${match.mutual ? ", mutual" : ""}`;
}

function sure(match) {
  const made = element("span", "sure");
  const facts = element("span", "facts");
  if (match.confidence !== null) {
    const bar = element("span", "bar");
    const fill = element("i");
    fill.style.width = `${100 * match.confidence}%`;
    bar.append(fill);
    made.append(bar);
    facts.append(element("b", "", percent(match.confidence)));
  }
  if (match.paired) facts.append(element("span", "tag", "Known pair"));
  else if (match.mutual) facts.append(element("span", "tag", "Mutual"));
  facts.append(element("span", "", `score ${inDigits(match.score, 2)}`));
  made.append(facts);
  return made;
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  byText();
});
$("from").addEventListener("change", () => askFrom($("from").value));
$("picture").addEventListener("change", (event) => {
  if (event.target.files.length) byPicture(event.target.files[0]);
  event.target.value = "";
});
let depth = 0; // dragenter and dragleave come for every element that is crossed
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    depth = kind === "dragenter" ? depth + 1 : kind === "dragleave" ? depth - 1 : kind === "drop" ? 0 : depth;
    document.body.classList.toggle("dropping", depth > 0);
    if (kind === "drop" && event.dataTransfer.files.length) byPicture(event.dataTransfer.files[0]);
  });
}
window.ready = start(); // for tests: resolved once the page can be used

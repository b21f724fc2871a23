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

const sideOf = (modality) => Object.keys(model.sides).find((name) => model.sides[name].modality === modality);
const otherOf = (side) => Object.keys(model.sides).find((name) => name !== side);
const noun = (side) => NOUNS[model.sides[side].modality] || "rows";
const count = (n) => n.toLocaleString("en");

async function start() {
  try {
    const health = await (await fetch("/healthz")).json();
    model = health.model;
  } catch {
    say("The service does not answer. Is it still running?", true);
    return;
  }
  document.title = `${model.name || "Isthmus"}: search`;
  const sides = Object.keys(model.sides);
  $("model").textContent = [model.name, sides.map((s) => `${count(model.sides[s].rows)} ${noun(s)}`).join(" and ")].filter(Boolean).join(": ");
  $("about").textContent = about(sides);
  $("to").append(new Option("the other side", ""), ...sides.map((s) => new Option(`${noun(s)} (${s})`, s)));
  $("picture-part").hidden = !sideOf("image");
  const text = sideOf("text");
  if (!text) {
    const vectors = sideOf("embedding");
    $("query-label").textContent = vectors ? "A vector, as a JSON list of numbers" : "Drop a picture below";
    $("query").disabled = !vectors;
  }
  for (const language of text ? model.sides[text].columns : []) $("language").append(new Option(language, language));
  $("language-part").hidden = $("language").options.length < 2;
}

function about(sides) {
  const told = sides.map((side) => {
    const index = model.sides[side].index;
    const how = index.kind === "exact" ? "all compared" : `approximate index, ${(100 * index.recall).toFixed(1)} % of the true first ${index.k}`;
    return `${side}: ${how}`;
  });
  return `Aligned by ${model.aligner || "an aligner"} in ${model.dim} dimensions. ${told.join("; ")}.`;
}

async function search(request, side) {
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
    say(told.charAt(0).toUpperCase() + told.slice(1) + ".", true);
    show([], null);
    return;
  }
  show(body.matches, body.to);
  say(`${body.matches.length} closest of ${count(model.sides[body.to].rows)} ${noun(body.to)}`);
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
  if (sideOf("text")) return asJson({ text, ...($("language").value && { language: $("language").value }) });
  try {
    return asJson({ vector: JSON.parse(text) });
  } catch {
    return say("This is no JSON list of numbers.", true);
  }
}

function byPicture(file) {
  if (!sideOf("image")) return say("This model takes no pictures.", true);
  showAsked(file.name, URL.createObjectURL(file));
  const form = new FormData();
  form.append("image", file);
  form.append("k", $("k").value);
  form.append("thumbnails", "true");
  if ($("to").value) form.append("to", $("to").value);
  return search({ method: "POST", body: form });
}

function byMatch(match, side) {
  const to = otherOf(side);
  $("to").value = to;
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

function show(matches, side) {
  $("matches").replaceChildren(...matches.map((match, n) => tile(match, side, n)));
  $("matches").classList.toggle("texts", side !== null && !model.sides[side].thumbnails);
  $("legend").hidden = !matches.some((match) => match.confidence !== null || match.paired);
}

function tile(match, side, n) {
  const item = element("li");
  const button = element("button", "match");
  button.type = "button";
  button.addEventListener("click", () => byMatch(match, side));
  if (model.sides[side].modality === "image") button.append(picture(match));
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

function inWords(match) {
  if (match.paired) return "known pair";
  if (match.confidence === null) return `score ${match.score.toFixed(3)}`;
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
  facts.append(element("span", "", `score ${match.score.toFixed(2)}`));
  made.append(facts);
  return made;
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  byText();
});
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

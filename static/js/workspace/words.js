// Sentences, numbers and messages in the reader's language.

let texts = {};
const language = document.documentElement.lang || "en";
const oneDecimal = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1, useGrouping: false });

export function setTexts(given) {
  texts = given;
}

/** A sentence by its name, with the words in braces filled in. */
export function say(name, values = {}) {
  let sentence = texts[name];
  if (Array.isArray(sentence)) {
    sentence = sentence[values.count === 1 ? 0 : 1];
  }
  return sentence.replace(/\{(\w+)\}/g, (whole, key) => String(values[key] ?? whole));
}

export function decimal(value) {
  return value === null || value === undefined ? "–" : oneDecimal.format(value);
}

/** A share of 1 in percent; never rounded up to a certain 100 %. */
export function percent(share) {
  if (share === null) {
    return "–";
  }
  return share < 1 && share > 0.999 ? `> ${oneDecimal.format(99.9)} %` : `${oneDecimal.format(100 * share)} %`;
}

/** Let screen readers hear it. The same words twice are heard twice. */
export function announce(words) {
  const region = document.getElementById("said");
  region.textContent = "";
  requestAnimationFrame(() => {
    region.textContent = words;
  });
}

/** A message in the corner; what failed stays until it is closed. */
export function toast(level, words, lines = []) {
  const box = document.createElement("div");
  box.className = `site-toast site-toast-${level}`;
  box.dataset.toast = "";
  const body = document.createElement("div");
  body.className = "flex-fill";
  const first = document.createElement("div");
  first.textContent = words;
  body.append(first);
  if (lines.length) {
    const list = document.createElement("ul");
    list.className = "m-0 ps-3";
    for (const line of lines) {
      const item = document.createElement("li");
      item.textContent = line;
      list.append(item);
    }
    body.append(list);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn-close";
  close.dataset.toastClose = "";
  close.setAttribute("aria-label", texts.close);
  box.append(body, close);
  document.getElementById("toasts").append(box);
}

export function icon(sprite, name) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${sprite}#${name}`);
  picture.append(use);
  return picture;
}

export function dot(color) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("class", "class-dot");
  picture.setAttribute("viewBox", "0 0 12 12");
  picture.setAttribute("width", "12");
  picture.setAttribute("height", "12");
  picture.setAttribute("aria-hidden", "true");
  const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  circle.setAttribute("cx", "6");
  circle.setAttribute("cy", "6");
  circle.setAttribute("r", "5");
  circle.setAttribute("fill", color);
  picture.append(circle);
  return picture;
}

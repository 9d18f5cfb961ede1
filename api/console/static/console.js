// What pages do beyond htmx. Everything here is a comfort: without it forms have buttons, and pages are loaded anew by hand.
"use strict";

document.documentElement.classList.add("scripted");

// A form that is sent when something in it is chosen.
document.addEventListener("change", event => {
  const form = event.target.closest("form[data-submit-on-change]");
  if (form) form.requestSubmit();
});

// A form that goes on by itself: the answer to the one that was sent before.
for (const form of document.querySelectorAll("form[data-submit-at-once]")) form.requestSubmit();

// A page that says that something is not available looks again by itself.
for (const part of document.querySelectorAll("[data-reload-after]")) {
  setTimeout(() => location.reload(), 1000 * Number(part.dataset.reloadAfter));
}

// A menu closes when something else is wanted.
document.addEventListener("click", event => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", event => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A button that copies the text of the element that it names.
document.addEventListener("click", event => {
  const button = event.target.closest("[data-copy]");
  if (button) attempt(button, () => copy(document.getElementById(button.dataset.copy).innerText), button.dataset.copied);
});

// attempt does what a button is for, and has it say for a moment that this is done, where it says so, or that it failed.
async function attempt(button, act, done) {
  try {
    await act();
  } catch (reason) {
    console.info(reason); // a browser may refuse: that is no fault of the page
    say(button, button.dataset.failed, 5000);
    return;
  }
  if (done) say(button, done, 2000);
}

function say(button, text, time) {
  button.dataset.label ??= button.textContent;
  button.textContent = text;
  clearTimeout(button.sayTimer);
  button.sayTimer = setTimeout(() => { button.textContent = button.dataset.label; }, time);
}

// copy puts a text on the clipboard. Where the page does not come by HTTPS, browsers give it only what is selected on it.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const focus = document.activeElement;
  const field = document.createElement("textarea");
  field.className = "hidden";
  field.value = text;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focus.focus();
  if (!isCopied) throw new Error("the browser does not copy");
}

// A button that copies a table as a spreadsheet takes it: cells between tabs, and numbers as programs write them.
document.addEventListener("click", event => {
  const button = event.target.closest("[data-copy-table]");
  if (!button) return;
  const rows = [...document.getElementById(button.dataset.copyTable).rows];
  const cell = c => c.dataset.value ?? guard(c.textContent.replace(/\s+/g, " ").trim());
  attempt(button, () => copy(rows.map(row => [...row.cells].map(cell).join("\t")).join("\n") + "\n"), button.dataset.copied);
});

// guard is a text that no spreadsheet runs as a formula. Spreadsheets take quotes around it off.
function guard(text) {
  return /^"*[=+\-@\t\r]/.test(text) ? "'" + text : text;
}

// A button that saves the chart at a URL as a picture, twice as large as it is drawn.
document.addEventListener("click", event => {
  const button = event.target.closest("[data-save-png]");
  if (button) attempt(button, () => savePicture(button.dataset.savePng, button.dataset.name));
});

async function savePicture(url, name) {
  const answer = await fetch(url);
  if (answer.headers.get("Content-Type") !== "image/svg+xml") {
    location.assign(url); // which says what is wrong
    return;
  }
  const source = URL.createObjectURL(await answer.blob());
  try {
    const chart = new Image();
    chart.src = source;
    await chart.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * chart.naturalWidth;
    canvas.height = 2 * chart.naturalHeight;
    canvas.getContext("2d").drawImage(chart, 0, 0, canvas.width, canvas.height);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await new Promise(take => canvas.toBlob(take, "image/png")));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  } finally {
    URL.revokeObjectURL(source);
  }
}

// What somebody has typed stays, whatever comes from the service meanwhile.
document.addEventListener("htmx:oobBeforeSwap", event => {
  const fields = event.detail.target.querySelectorAll("input:not([type=hidden], [type=radio], [type=checkbox]), textarea");
  if ([...fields].some(field => field.value !== field.defaultValue)) event.detail.shouldSwap = false;
});

// What was chosen among options stays, when others take their place.
document.addEventListener("htmx:beforeSwap", event => {
  const input = event.detail.target.querySelector(".options input[type=radio]:checked");
  if (!input) return;
  const option = input.closest(".option"), hadFocus = document.activeElement === input;
  document.addEventListener("htmx:afterSwap", () => {
    let chosen = [...document.getElementsByName(input.name)].find(other => other.value === input.value);
    if (!chosen) {
      document.querySelector(`#${event.detail.target.id} .options`)?.prepend(option);
      chosen = input;
    }
    chosen.checked = true;
    if (hadFocus) chosen.focus();
  }, { once: true });
});

// A field is marked as long as something stands where what is wrong with it is said.
document.addEventListener("htmx:afterSettle", () => {
  for (const fault of document.querySelectorAll("[data-fault-of]")) {
    for (const id of fault.dataset.faultOf.split(" ")) {
      const field = document.getElementById(id);
      if (!field) continue;
      if (document.querySelector(`[data-fault-of~="${id}"]:not(:empty)`)) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
  }
});

// What a form has done is said once: the page that is loaded anew says it no more.
for (const part of document.querySelectorAll("[data-once]")) {
  const here = new URL(location);
  for (const name of part.dataset.once.split(" ")) here.searchParams.delete(name);
  history.replaceState(null, "", here);
}

// A page that is shown once, behind a form, is loaded anew as another, so that the form is not sent once more.
for (const part of document.querySelectorAll("[data-location]")) {
  history.replaceState(null, "", part.dataset.location);
}

// The time zones that a field can have.
function offerZones() {
  for (const list of document.querySelectorAll("datalist[data-zones]:empty")) {
    for (const zone of Intl.supportedValuesOf("timeZone")) list.append(new Option(zone, zone));
  }
}
offerZones();
document.addEventListener("htmx:afterSettle", offerZones);

// What a form has is kept when the page is asked for in another language.
document.addEventListener("submit", event => {
  const next = event.target.querySelector("input[name=next]"), form = document.querySelector("form[data-keep]");
  if (!next || !form) return;
  const fields = new URLSearchParams(new FormData(form));
  fields.delete("form");
  next.value = `${form.getAttribute("action")}?${fields}`;
});

// Whoever comes back to a form finds in it what he had typed: what follows from that is asked for anew. (A field of the form is named
// dataset, and hides that of the element.)
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-keep]")) {
    const isRestored = [...form.elements].some(field => field.value !== (field.defaultValue ?? field.value) || field.checked !== field.defaultChecked);
    if (isRestored) document.getElementById(form.getAttribute("data-keep")).dispatchEvent(new Event("change"));
  }
});

// What keeps itself up to date and does not any more is said to be old, until there is an answer again.
let answeredAt = new Date();
document.addEventListener("htmx:afterRequest", event => {
  if (!event.detail.successful) return;
  answeredAt = new Date();
  document.querySelector("[data-stale]").textContent = "";
});
for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, () => {
    const line = document.querySelector("[data-stale]");
    const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: line.dataset.zone };
    const text = line.dataset.stale.replace("%", answeredAt.toLocaleTimeString(document.documentElement.lang, clock));
    if (line.textContent !== text) line.textContent = text;
  });
}

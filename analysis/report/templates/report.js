"use strict";
(() => {
  // What a part of a drawing stands for is in its title; here it is shown at once, and on touch too.
  const tip = document.getElementById("tip");
  const words = new Map();
  for (const title of document.querySelectorAll(".plot title")) {
    words.set(title.parentNode, title.textContent);
    title.remove();
  }
  function tell(event) {
    const said = words.get(event.target);
    tip.hidden = !said;
    if (!said) return;
    tip.textContent = said;
    const beside = event.clientX + 14 + tip.offsetWidth < innerWidth ? event.clientX + 14 : event.clientX - 14 - tip.offsetWidth;
    tip.style.left = `${Math.max(4, beside)}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 4))}px`;
  }
  for (const plot of document.querySelectorAll(".plot")) {
    for (const kind of ["pointermove", "pointerdown"]) plot.addEventListener(kind, tell);
    plot.addEventListener("pointerleave", () => (tip.hidden = true));
  }
  addEventListener("scroll", () => (tip.hidden = true), { passive: true });

  // On a narrow screen each row is a card: its cells say which column they are of.
  for (const table of document.querySelectorAll("table")) {
    const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    for (const row of table.tBodies[0]?.rows ?? []) {
      [...row.cells].forEach((cell, place) => heads[place] && (cell.dataset.label = heads[place]));
    }
  }

  for (const button of document.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") === "false";
      button.setAttribute("aria-pressed", String(shown));
      for (const part of button.closest("figure").querySelectorAll("[data-series]")) {
        if (part.dataset.series === button.dataset.of) part.classList.toggle("off", !shown);
      }
    });
  }

  for (const plot of document.querySelectorAll(".network")) {
    const svg = plot.querySelector("svg");
    const whole = svg.getAttribute("viewBox").split(" ").map(Number);
    let view = [...whole];
    const show = () => svg.setAttribute("viewBox", view.join(" "));
    const zoom = (factor) => {
      const wide = Math.min(whole[2], Math.max(whole[2] / 16, view[2] * factor));
      const high = (wide * whole[3]) / whole[2];
      view = [view[0] + (view[2] - wide) / 2, view[1] + (view[3] - high) / 2, wide, high];
      show();
    };
    const all = () => ((view = [...whole]), show());
    const buttons = document.createElement("div");
    buttons.className = "zoom";
    for (const [sign, words, act] of [["+", "Zoom in", () => zoom(0.6)], ["\u2212", "Zoom out", () => zoom(1 / 0.6)], ["\u25a1", "Show all", all]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = sign;
      button.setAttribute("aria-label", words);
      button.title = words;
      button.addEventListener("click", act);
      buttons.append(button);
    }
    plot.append(buttons);
    plot.classList.add("live");
    svg.addEventListener("pointermove", (event) => {
      if (!(event.buttons & 1) || event.pointerType === "touch") return;
      const scale = view[2] / svg.clientWidth;
      view = [view[0] - event.movementX * scale, view[1] - event.movementY * scale, view[2], view[3]];
      show();
    });
  }
})();

"use strict";
(() => {
  const PAGE = 8;
  const data = JSON.parse(document.getElementById("data").textContent);
  const names = ["person", "number", "status", "kind", "stage", "reason", "text", "fields", "notes"];
  const rows = data.rows.map((row) => {
    const found = Object.fromEntries(names.map((name, place) => [name, row[place]]));
    found.person = data.people[found.person];
    found.all = [found.number, found.person, found.kind, found.reason, found.text, ...found.fields.flat(), ...found.notes].join("\n").toLowerCase();
    return found;
  });
  const kinds = new Set(rows.map((row) => row.kind)).size;
  const words = document.getElementById("words"), stage = document.getElementById("stage");
  // Texts of the run are only ever set as text: none of them becomes an element.
  function element(name, text, look) {
    const made = document.createElement(name);
    made.textContent = text;
    if (look) made.className = look;
    if (look !== "flag") made.dir = "auto";
    return made;
  }
  function show(row) {
    const item = element("li", "");
    const head = element("p", `row ${row.number}${kinds > 1 ? `, ${row.kind}` : ""} by: ${row.person}`, "who");
    item.append(head);
    if (row.reason) item.append(element("p", "", "why"));
    if (row.reason) item.lastChild.append(element("span", row.stage, "flag event"), ` ${row.reason}`);
    item.append(element("p", row.text, "said"));
    for (const note of row.notes) item.append(element("p", note, "quiet"));
    if (row.fields.length) {
      const more = element("details", "");
      more.append(element("summary", row.fields.map(([name]) => name).join(", "), "quiet"));
      for (const [name, text] of row.fields) more.append(element("h4", name), element("p", text, "said"));
      item.append(more);
    }
    return item;
  }
  const lists = [...document.querySelectorAll(".list")].map((part) => {
    const own = rows.filter((row) => row.status === part.dataset.status);
    const [back, next] = part.querySelectorAll("button");
    let found = own, first = 0;
    function draw() {
      part.querySelector("ol").replaceChildren(...found.slice(first, first + PAGE).map(show));
      const last = Math.min(first + PAGE, found.length);
      part.querySelector("[role=status]").textContent = found.length ? `${first + 1} to ${last} of ${found.length}` : "none";
      back.disabled = first === 0;
      next.disabled = last === found.length;
    }
    back.addEventListener("click", () => ((first -= PAGE), draw()));
    next.addEventListener("click", () => ((first += PAGE), draw()));
    return () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const only = part.dataset.status === "rejected" && stage.value;
      found = own.filter((row) => (!only || row.stage === only) && wanted.every((word) => row.all.includes(word)));
      first = 0;
      draw();
    };
  });
  const search = () => lists.forEach((draw) => draw());
  words.addEventListener("input", search);
  stage.addEventListener("change", search);
  words.form.addEventListener("submit", (event) => event.preventDefault());
  search();
})();

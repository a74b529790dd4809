"use strict";
(() => {
  const variable = /^var\((--[a-z0-9]+)\)$/;
  const isColour = /color$/i;

  // Plotly draws with fixed colours: the style sheet's are looked up before each drawing.
  function painted(value, styles, colour) {
    if (Array.isArray(value)) return value.map((item) => painted(item, styles, colour));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(
        Object.entries(value).map(([key, inner]) => [key, painted(inner, styles, isColour.test(key))]),
      );
    }
    const found = colour && typeof value === "string" ? variable.exec(value) : null;
    return found ? styles.getPropertyValue(found[1]).trim() : value;
  }

  function draw(plot) {
    const network = plot.classList.contains("network");
    const figure = JSON.parse(document.getElementById(`figure-${plot.dataset.chart}`).textContent);
    const { data, layout } = painted(figure, getComputedStyle(document.documentElement), false);
    for (const button of legendOf(plot)) {
      if (button.getAttribute("aria-pressed") === "false") {
        for (const trace of tracesOf(button)) data[trace].visible = false;
      }
    }
    if (network && window.matchMedia("(pointer: fine)").matches) layout.dragmode = "pan";
    return Plotly.react(plot, data, layout, {
      responsive: true,
      displaylogo: false,
      displayModeBar: network,
      modeBarButtons: [["zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]],
    });
  }

  const legendOf = (plot) => document.querySelectorAll(`.legend[data-chart="${plot.dataset.chart}"] button`);
  const tracesOf = (button) => button.dataset.traces.split(" ").map(Number);
  const plots = [...document.querySelectorAll(".plot")];

  for (const plot of plots) {
    draw(plot);
    for (const button of legendOf(plot)) {
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") === "false";
        button.setAttribute("aria-pressed", String(shown));
        Plotly.restyle(plot, { visible: shown }, tracesOf(button));
      });
    }
  }
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach(draw));
})();

"use strict";
(() => {
  const cards = [...document.querySelectorAll(".card")];
  const groups = [...document.querySelectorAll(".group")];
  const filters = document.querySelector(".filters");
  const zoom = document.querySelector("dialog.zoom");
  const stage = zoom.querySelector(".stage");
  let outcome = "", open = -1;

  const visible = () => cards.filter((card) => !card.hidden && !card.parentElement.parentElement.hidden);

  const apply = () => {
    const kind = filters.querySelector("select").value;
    for (const group of groups) group.hidden = outcome !== "" && group.dataset.outcome !== outcome;
    for (const card of cards) card.hidden = kind !== "" && card.dataset.kind !== kind;
    for (const button of filters.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.show === outcome));
    document.documentElement.dataset.shown = String(visible().length);
  };

  const show = (index) => {
    const list = visible();
    if (!list.length) return;
    open = (index + list.length) % list.length;
    stage.replaceChildren(...[...list[open].children].map((child) => child.cloneNode(true)));
    for (const name of ["tabindex", "role", "aria-label"]) stage.querySelector(".panels").removeAttribute(name);
    if (!zoom.open) zoom.showModal();
  };

  if (filters) {
    filters.hidden = false;
    filters.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) { outcome = button.dataset.show; apply(); }
    });
    filters.querySelector("select").addEventListener("change", apply);
    apply();
  }
  for (const card of cards) {
    const panels = card.querySelector(".panels");
    panels.tabIndex = 0;
    panels.setAttribute("role", "button");
    panels.setAttribute("aria-label", `Enlarge ${card.querySelector("h4").textContent}`);
    panels.addEventListener("click", () => show(visible().indexOf(card)));
    panels.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); show(visible().indexOf(card)); }
    });
  }
  zoom.addEventListener("click", (event) => {
    if (event.target === zoom || event.target.closest(".close")) zoom.close();
  });
  zoom.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") show(open + 1);
    if (event.key === "ArrowLeft") show(open - 1);
  });
  document.documentElement.dataset.script = "on";
})();

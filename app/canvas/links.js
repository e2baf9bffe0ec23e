// What elsewhere on the page belongs to crops: elements with data-medfly-crop="high-3" or data-medfly-crops="high-3
// medium-1", for all canvases or, with data-medfly-series, for one series. Hover and focus highlight the crops on the
// scan, a click (or Enter) goes there. No run of the script is needed.

const LINKED = "[data-medfly-crop], [data-medfly-crops]";

/** Listen on the document; returns how to stop. */
export function listenToLinks(viewer) {
  const handlers = {
    pointerover: (event) => viewer.highlight(namesOf(event, viewer)),
    focusin: (event) => viewer.highlight(namesOf(event, viewer)),
    pointerout: (event) => namesOf(event, viewer).length && viewer.highlight([]),
    focusout: (event) => namesOf(event, viewer).length && viewer.highlight([]),
    click: (event) => choose(event, viewer),
    keydown: (event) => event.key === "Enter" && !pressesItself(event) && choose(event, viewer),
  };
  for (const [name, handle] of Object.entries(handlers)) document.addEventListener(name, handle);
  return () => {
    for (const [name, handle] of Object.entries(handlers)) document.removeEventListener(name, handle);
  };
}

/** The names of the crops under an event, where they are this viewer's. */
export function namesOf(event, viewer) {
  const element = event.composedPath().find((one) => one.matches?.(LINKED));
  const series = element?.closest("[data-medfly-series]")?.dataset.medflySeries;
  if (!element || (series !== undefined && series !== viewer.header.series)) return [];
  const { medflyCrop, medflyCrops } = element.dataset;
  return (medflyCrops ?? medflyCrop).split(/\s+/).filter(Boolean);
}

function choose(event, viewer) {
  const names = namesOf(event, viewer);
  if (names.length) viewer.choose(names);
}

// A button answers Enter with a click of its own.
const pressesItself = (event) => event.composedPath()[0].matches?.("button, a[href], summary, input");

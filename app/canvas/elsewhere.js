// Whoever turns to something else on the page may ask the server about what is shown here, so it must know all of it
// first: cine stops, and what is not told yet is told at once.
//
// Streamlit (1.67) sends what is set within one turn of the browser's loop as one message, and as a fragment's where any
// of it is a fragment's: a button pressed in the turn in which the canvas tells something would do nothing. So a click
// is held back until the message before it is away. A form goes by itself and at once, with all values set so far.

const FORM = "[data-testid=stForm]";

/** Listen on the document; returns how to stop. */
export function listenElsewhere(viewer) {
  const { reporter } = viewer;
  const handlers = {
    pointerdown: () => reporter.now(),
    focusin: () => reporter.now(),
    keydown: (event) => (within(event, FORM) ? reporter.now() : viewer.cine.stop()),
    click: (event) => holdBack(event, reporter),
  };
  const listeners = Object.entries(handlers).map(([name, handle]) => {
    return [name, (event) => within(event, ".medfly-canvas") || handle(event)]; // on a canvas nothing is asked
  });
  for (const [name, listener] of listeners) document.addEventListener(name, listener, { capture: true });
  return () => {
    for (const [name, listener] of listeners) document.removeEventListener(name, listener, { capture: true });
  };
}

function holdBack(event, reporter) {
  reporter.now();
  if (!reporter.underway) return;
  const [target] = event.composedPath();
  event.stopImmediatePropagation();
  event.preventDefault();
  reporter.underway.then(() => target.dispatchEvent(new event.constructor(event.type, event)));
}

const within = (event, selector) => event.composedPath().some((one) => one.matches?.(selector));

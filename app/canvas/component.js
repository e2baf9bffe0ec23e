// Streamlit's side: it calls the default function at each view that it sends, and what that returns when the canvas goes.

import { Viewer } from "./viewer.js";

const viewers = new WeakMap();

export default function ({ parentElement, data, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".medfly-canvas");
  let viewer = viewers.get(parentElement);
  if (viewer?.root !== root || viewer.closed) {
    viewer?.close();
    viewer = new Viewer(root);
    viewers.set(parentElement, viewer);
    root.viewer = viewer; // for the tests, which look at what is shown
  }
  Object.assign(viewer.reporter, { setStateValue, setTriggerValue });
  if (data && data !== viewer.data) {
    viewer.data = data;
    viewer.show(data);
  }
  return () => viewer.close();
}

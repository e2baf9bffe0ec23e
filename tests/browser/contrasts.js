// For every text that is seen: its contrast against what lies behind it, and what WCAG 2.2 asks of it.
() => {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parsed = (colour) => {  // through a canvas: the browser itself reads every form of colour
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (front, back) => [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3]));
  const luminance = (colour) => {
    const [r, g, b] = colour.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    const text = element.getBoundingClientRect();
    const [x, y] = [(text.left + text.right) / 2, (text.top + text.bottom) / 2];
    for (let one = element; one; one = one.parentElement) {
      const box = one.getBoundingClientRect();  // a child may lie beside its parent, as a slider's value does
      const under = box.left <= x && x <= box.right && box.top <= y && y <= box.bottom;
      if (under) layers.push(parsed(getComputedStyle(one).backgroundColor));
    }
    const page = parsed(getComputedStyle(document.querySelector("[data-testid='stApp']")).backgroundColor);
    return layers.reverse().reduce((back, front) => over(front, back), page.slice(0, 3));
  };
  const opacity = (element) => {
    let all = 1;
    for (let one = element; one; one = one.parentElement) all *= parseFloat(getComputedStyle(one).opacity);
    return all;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.textContent.trim();
    if (!text || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (element.closest("style, script, noscript, :disabled, [data-testid='stIconMaterial']")) continue;
    const style = getComputedStyle(element);
    const back = behind(element);
    const [r, g, b, a] = parsed(style.color);
    const front = over([r, g, b, a * opacity(element)], back);
    const [low, high] = [luminance(front), luminance(back)].sort((x, y) => x - y);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
    found.push({ text: text.slice(0, 60), ratio: (high + 0.05) / (low + 0.05), needed: large ? 3 : 4.5,
                 colours: [style.color, back.map(Math.round).join()] });
  }
  return found;
}

// The server repeats in every view what the browser told it, some time later. Such an echo must not undo what the user
// has done since; a change that the browser never told is an order.

const MOST_UNDERWAY = 32; // what was told before these has come back, or never will

export class Echo {
  constructor(value) {
    this.last = JSON.stringify(value ?? null); // as the server sent it
    this.known = this.last; // to both, once all that is underway has come
    this.told = [];
  }

  /** The browser has told the server this value. */
  tell(value) {
    const text = JSON.stringify(value ?? null);
    if (text === this.known) return;
    this.known = text;
    this.told = [...this.told, text].slice(-MOST_UNDERWAY);
  }

  /** Whether a value that came is an order, to be obeyed. */
  orders(value) {
    const text = JSON.stringify(value ?? null);
    const place = this.told.indexOf(text);
    const repeated = text === this.last;
    this.last = text;
    if (place >= 0) this.told.splice(0, place + 1);
    if (repeated || place >= 0) return false;
    this.known = text;
    return true;
  }
}

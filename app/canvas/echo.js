// The server repeats in every view what the browser told it, some time later. Such an echo must not undo what the user
// has done since; a change that the browser never told is an order.

export class Echo {
  constructor(value) {
    this.last = JSON.stringify(value ?? null);
    this.told = [];
  }

  /** The browser has told the server this value. */
  tell(value) {
    this.told.push(JSON.stringify(value ?? null));
  }

  /** Whether a value that came is an order, to be obeyed. */
  orders(value) {
    const text = JSON.stringify(value ?? null);
    const place = this.told.indexOf(text);
    const repeated = text === this.last;
    this.last = text;
    if (place >= 0) this.told.splice(0, place + 1);
    return !repeated && place < 0;
  }
}

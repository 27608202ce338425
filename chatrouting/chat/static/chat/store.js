// Holds the state and tells when it has changed.

export class Store {
  constructor(reduce, state) {
    this.reduce = reduce;
    this.state = state;
    this.listeners = [];
  }

  dispatch(type, details = {}) {
    const before = this.state;
    this.state = this.reduce(before, { ...details, type });
    if (this.state !== before) for (const listener of this.listeners) listener(this.state);
  }

  onChange(listener) {
    this.listeners.push(listener);
  }
}

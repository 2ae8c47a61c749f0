// One small integer for each place of a database's dense array: a few bytes where a field of every entry would take eight.

const leastRoom = 16;

export class PlaceNumbers {
  #numbers = new Int32Array(0);

  /** 0 where none was set. */
  get(place: number): number {
    return this.#numbers[place] ?? 0;
  }

  set(place: number, number: number): void {
    if (place >= this.#numbers.length) {
      if (number === 0) return;
      this.#grow(place);
    }
    this.#numbers[place] = number;
  }

  #grow(place: number): void {
    const grown = new Int32Array(leastRoom + place + (place >> 1));
    grown.set(this.#numbers);
    this.#numbers = grown;
  }
}

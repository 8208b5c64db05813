/** What can be taken back: the newest first. Nothing here talks to the server, so that the order is easy to prove. */

export interface Done<T> {
  /** Settles with what was stored; an entry can be undone before the server has answered. */
  readonly stored: Promise<T>;
  readonly label: string;
  readonly dropId: number;
  readonly plateId: number;
}

export class UndoStack<T> {
  readonly #limit: number;
  #entries: Done<T>[] = [];

  constructor(limit = 100) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.length;
  }

  push(entry: Done<T>): void {
    this.#entries = [...this.#entries, entry].slice(-this.#limit);
  }

  /** Takes the newest entry off, or the given one when it is still there. */
  take(entry: Done<T> | undefined = this.#entries.at(-1)): Done<T> | undefined {
    if (entry === undefined || !this.#entries.includes(entry)) return undefined;
    this.#entries = this.#entries.filter((other) => other !== entry);
    return entry;
  }
}

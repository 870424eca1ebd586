/**
 * Remembers keys for a while, at most `limit` of them: the oldest go first. It spares the calls of clients that keep no
 * cookies, and of requests that were under way before the cookie arrived.
 */
export class Recent {
  readonly #until = new Map<string, number>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  has(key: string, now: number): boolean {
    const until = this.#until.get(key);
    if (until === undefined) {
      return false;
    }
    if (until <= now) {
      this.#until.delete(key);
      return false;
    }
    return true;
  }

  add(key: string, until: number): void {
    this.#until.delete(key); // a key that comes again is the newest
    this.#until.set(key, until);
    if (this.#until.size > this.#limit) {
      for (const oldest of this.#until.keys()) {
        this.#until.delete(oldest);
        break;
      }
    }
  }

  forget(): void {
    this.#until.clear();
  }
}

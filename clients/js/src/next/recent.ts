/**
 * Remembers things until they expire, at most `limit` of them: the oldest go first. It spares the calls of clients that
 * keep no cookies, and of requests that were under way before the cookie arrived.
 */
export class Recent<T extends { expires: number } = { expires: number }> {
  readonly #things = new Map<string, T>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: string, now: number): T | undefined {
    const thing = this.#things.get(key);
    if (thing !== undefined && thing.expires <= now) {
      this.#things.delete(key);
      return undefined;
    }
    return thing;
  }

  add(key: string, thing: T): void {
    this.#things.delete(key); // a key that comes again is the newest
    this.#things.set(key, thing);
    if (this.#things.size > this.#limit) {
      for (const oldest of this.#things.keys()) {
        this.#things.delete(oldest);
        break;
      }
    }
  }

  forget(): void {
    this.#things.clear();
  }
}

/**
 * Keeps calls from a Rollcall that does not answer. After a failure it is open for a while: nobody calls. Then one call
 * tries, while the others still go without, and closes it, or opens it again.
 */
export class Breaker {
  #openUntil = 0;
  #trying = false;

  /** Whether a call may be made now. Who is let through must report succeeded, failed or left. */
  enter(now: number): boolean {
    if (this.#openUntil === 0) {
      return true;
    }
    if (now < this.#openUntil || this.#trying) {
      return false;
    }
    this.#trying = true;
    return true;
  }

  /** Rollcall answered. */
  succeeded(): void {
    this.#openUntil = 0;
    this.#trying = false;
  }

  /** Rollcall did not do its work: nobody calls until then. */
  failed(until: number): void {
    this.#openUntil = until;
    this.#trying = false;
  }

  /** The call ended without an answer of either kind. */
  left(): void {
    this.#trying = false;
  }
}

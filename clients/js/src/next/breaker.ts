/**
 * Keeps calls from a Rollcall that does not answer. After a failure it is open for a while: nobody calls. Then one call
 * tries, while the others still go without, and closes it, or opens it again.
 */
export class Breaker {
  #openUntil = 0;
  #tryingUntil = 0;

  /**
   * Whether a call may be made now. Who is let through must report succeeded, failed or left; one that tries is given
   * up at `patience`, for a runtime may end a request without a word, and another may try then.
   */
  enter(now: number, patience: number): boolean {
    if (this.#openUntil === 0) {
      return true;
    }
    if (now < this.#openUntil || now < this.#tryingUntil) {
      return false;
    }
    this.#tryingUntil = patience;
    return true;
  }

  /** Rollcall answered. */
  succeeded(): void {
    this.#openUntil = 0;
    this.#tryingUntil = 0;
  }

  /** Rollcall did not do its work: nobody calls until then. */
  failed(until: number): void {
    this.#openUntil = until;
    this.#tryingUntil = 0;
  }

  /** The call ended without an answer of either kind. */
  left(): void {
    this.#tryingUntil = 0;
  }
}

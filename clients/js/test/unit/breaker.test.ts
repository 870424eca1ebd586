import { beforeEach, describe, expect, it } from "vitest";
import { Breaker } from "../../src/next/breaker.js";

describe("the breaker", () => {
  let breaker: Breaker;

  beforeEach(() => {
    breaker = new Breaker();
    breaker.failed(1000);
  });

  it("lets nobody through after a failure, and then one", () => {
    expect(breaker.enter(999, 3000)).toBe(false);
    expect(breaker.enter(1000, 3000)).toBe(true);
    expect(breaker.enter(1001, 3000)).toBe(false);
  });

  it.each<[string, (breaker: Breaker) => void, boolean]>([
    ["succeeds", (it) => it.succeeded(), true],
    ["fails", (it) => it.failed(5000), false],
    ["leaves", (it) => it.left(), true],
  ])("when that one %s, lets the next through: %3$s", (_, end, next) => {
    breaker.enter(1000, 3000);
    end(breaker);
    expect(breaker.enter(1001, 3000)).toBe(next);
  });

  it("gives that one up whose runtime ended it without a word", () => {
    breaker.enter(1000, 3000);
    expect(breaker.enter(2999, 5000)).toBe(false);
    expect(breaker.enter(3000, 5000)).toBe(true);
    expect(breaker.enter(3001, 5000)).toBe(false);
  });
});

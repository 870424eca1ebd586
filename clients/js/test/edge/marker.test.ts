import { describe, expect, it } from "vitest";
import { openMarker, sealMarker } from "../../src/next/marker.js";

const secret = "a secret of thirty-two characters";
const ada = { userId: "user_ada", sessionId: "sess_1" };
const now = 1_800_000_000_000;

describe("a marker", () => {
  it.each(["ensured", "conflict"] as const)("tells its own session what it says: %s", async (verdict) => {
    const value = await sealMarker(secret, ada, verdict, now + 1000);
    expect(await openMarker(secret, ada, value, now)).toEqual({ verdict, expires: now + 1000 });
  });

  it("does not tell who it is about", async () => {
    const value = await sealMarker(secret, ada, "ensured", now + 1000);
    expect(value).not.toContain("ada");
    expect(value).not.toContain("sess");
  });

  it.each([
    ["another user", { userId: "user_bob", sessionId: "sess_1" }, secret, now],
    ["another session", { userId: "user_ada", sessionId: "sess_2" }, secret, now],
    // The two ids are told apart: moving a piece from one to the other makes another session.
    ["shifted ids", { userId: "user_ad", sessionId: "asess_1" }, secret, now],
    ["another secret", ada, "another secret of thirty-two chars", now],
    ["a later time", ada, secret, now + 1000],
  ])("is worth nothing to %s", async (_, session, key, at) => {
    const value = await sealMarker(secret, ada, "ensured", now + 1000);
    expect(await openMarker(key, session, value, at)).toBeUndefined();
  });

  it("cannot be changed", async () => {
    const value = await sealMarker(secret, ada, "conflict", now + 1000);
    const [version, verdict, until = "", mac] = value.split(".");
    const longer = (Number.parseInt(until, 36) + 1_000_000).toString(36);
    for (const forged of [
      ["1", "ensured", until, mac].join("."),
      ["1", verdict, longer, mac].join("."),
      ["2", verdict, until, mac].join("."),
      `${value}.more`,
      value.slice(0, -1),
      [version, verdict, until].join("."),
    ]) {
      expect(await openMarker(secret, ada, forged, now), forged).toBeUndefined();
    }
  });

  it.each([
    "",
    ".",
    "....",
    "1.ensured.zz.%%%",
    "1.nonsense.zz.AAAA",
    "1.ensured..AAAA",
    "\u0000",
    "1.ensured.NaN.AAAA",
  ])("is no marker: %j", async (value) => {
    expect(await openMarker(secret, ada, value, now)).toBeUndefined();
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { forgetAll } from "../../src/next/keeper.js";
import { ensureInLayout, type LayoutOptions } from "../../src/next/layout.js";
import { sealMarker } from "../../src/next/marker.js";
import { bad, fakeEndpoint, good, held } from "../fake.js";
import { begin, request } from "./app.js";

vi.mock("@clerk/nextjs/server", async () => ({ auth: (await import("./app.js")).auth }));
vi.mock("next/headers", async () => {
  const { cookies, headers } = await import("./app.js");
  return { cookies, headers };
});
vi.mock("react", async () => ({ cache: (await import("./app.js")).cache }));

const onError = vi.fn();
const options: LayoutOptions = { url: "https://rollcall.example.com", onError };
const secret = "s".repeat(32);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  forgetAll();
  begin("user_ada");
  onError.mockClear();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("the layout helper", () => {
  it("ensures the signed-in user, with the session's own token", async () => {
    const calls = fakeEndpoint(good("created"));
    expect(await ensureInLayout(options)).toEqual({ status: "created", userId: "user_ada" });
    expect(calls[0]?.headers.get("authorization")).toBe("Bearer token-of-user_ada");
  });

  it("asks nobody where nobody is signed in", async () => {
    const calls = fakeEndpoint(good());
    begin(null);
    expect(await ensureInLayout(options)).toEqual({ status: "signed-out" });
    expect(calls).toHaveLength(0);
  });

  it("is one call for one request, however many layouts and pages ask", async () => {
    const { answer, release } = held(good("created"));
    const calls = fakeEndpoint(answer);
    const all = Promise.all(Array.from({ length: 50 }, () => ensureInLayout(options)));
    release();
    expect(new Set((await all).map((result) => result.status))).toEqual(new Set(["created"]));
    expect((await ensureInLayout(options)).status).toBe("created");
    expect(calls).toHaveLength(1);
  });

  it("remembers the user over requests, and no other one", async () => {
    const calls = fakeEndpoint(good(), good("present", "user_bob"));
    await ensureInLayout(options);
    begin("user_ada");
    expect((await ensureInLayout(options)).status).toBe("present");
    expect(calls).toHaveLength(1);
    begin("user_bob", "sess_2");
    expect(await ensureInLayout(options)).toEqual({ status: "present", userId: "user_bob" });
    expect(calls).toHaveLength(2);
  });

  it("does with the marker that the middleware set, if it is this session's", async () => {
    const calls = fakeEndpoint(good());
    const session = { userId: "user_ada", sessionId: "sess_1" };
    const marker = await sealMarker(secret, session, "ensured", Date.now() + 60_000);
    request.cookies.set("__rollcall", marker);
    expect(await ensureInLayout({ ...options, secret })).toEqual({ status: "present", userId: "user_ada" });
    expect(calls).toHaveLength(0);
    begin("user_bob", "sess_2");
    request.cookies.set("__rollcall", marker);
    await ensureInLayout({ ...options, secret });
    expect(calls).toHaveLength(1);
  });

  it("tells a failure on each request, reports it once, and heals on a later one", async () => {
    const calls = fakeEndpoint(bad(409, "conflict"), good("created"));
    for (let i = 0; i < 10; i++) {
      begin("user_ada");
      const result = await ensureInLayout(options);
      expect(result).toMatchObject({ status: "failed", userId: "user_ada", error: { code: "conflict" } });
    }
    expect(calls).toHaveLength(1);
    expect(onError).toHaveBeenCalledOnce();
    vi.setSystemTime(Date.now() + 5000);
    begin("user_ada");
    expect((await ensureInLayout(options)).status).toBe("created");
  });

  it("throws the failure where the app would rather have it so", async () => {
    fakeEndpoint(bad(409, "conflict"));
    await expect(ensureInLayout({ ...options, failure: "closed" })).rejects.toMatchObject({ code: "conflict" });
  });

  it("asks nobody in a request of our own that came back, as Rollcall's address leads here", async () => {
    const calls = fakeEndpoint(good());
    request.headers.set("x-rollcall-ensure", "1");
    expect(await ensureInLayout(options)).toMatchObject({ status: "failed", error: { code: "misconfigured" } });
    await expect(ensureInLayout({ ...options, failure: "closed" })).rejects.toMatchObject({ code: "misconfigured" });
    expect(calls).toHaveLength(0);
  });
});

import { NextRequest } from "next/server";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { forgetAll } from "../../src/next/keeper.js";
import { createEnsureRoute } from "../../src/next/route.js";
import { bad, fakeEndpoint, good, refused } from "../fake.js";
import { begin } from "./app.js";

vi.mock("@clerk/nextjs/server", async () => ({ auth: (await import("./app.js")).auth }));

const onError = vi.fn();
const { POST } = createEnsureRoute({
  url: "https://rollcall.example.com",
  secret: "s".repeat(32),
  timeout: 60,
  onError,
});

function post(cookie?: string, more: Record<string, string> = {}): Promise<Response> {
  const headers = cookie ? { cookie, ...more } : more;
  return POST(new NextRequest("https://app.example.com/api/rollcall", { method: "POST", headers }));
}

beforeEach(() => {
  forgetAll();
  begin("user_ada");
  onError.mockClear();
});

describe("the ensure route", () => {
  it("ensures the signed-in user, tells it, and sets the marker", async () => {
    const calls = fakeEndpoint(good("created"));
    const response = await post();
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({ status: "created", user_id: "user_ada" });
    expect(response.headers.getSetCookie()[0]).toMatch(/^__rollcall=1\.ensured\..*HttpOnly/i);
    expect(calls[0]?.headers.get("authorization")).toBe("Bearer token-of-user_ada");
  });

  it("asks nobody where the marker says it, and asks for another user who brings it", async () => {
    const calls = fakeEndpoint(good("created"), good("present", "user_bob"));
    const cookie = (await post()).headers.getSetCookie()[0]?.split(";")[0];
    forgetAll();
    expect(await (await post(cookie)).json()).toEqual({ status: "present", user_id: "user_ada" });
    expect(calls).toHaveLength(1);
    begin("user_bob", "sess_2");
    expect(await (await post(cookie)).json()).toEqual({ status: "present", user_id: "user_bob" });
    expect(calls).toHaveLength(2);
  });

  it("refuses who is not signed in", async () => {
    const calls = fakeEndpoint(good());
    begin(null);
    const response = await post();
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { code: "invalid_token" } });
    expect(calls).toHaveLength(0);
  });

  it.each([
    [409, "conflict"],
    [404, "user_gone"],
    [422, "rejected"],
    [503, "paused"],
  ])("passes on what Rollcall said about the user: %d %s", async (status, code) => {
    fakeEndpoint(bad(status, code, { "retry-after": "30" }));
    const response = await post();
    expect(response.status).toBe(status);
    expect(response.headers.get("retry-after")).toBe("30");
    expect(await response.json()).toMatchObject({ error: { code } });
  });

  it.each<[string, Parameters<typeof fakeEndpoint>[0]]>([
    ["no answer", refused],
    ["an answer that is not Rollcall's", () => new Response("<html>", { status: 200 })],
  ])("keeps the way to Rollcall to itself, and to the log: %s", async (_, answer) => {
    fakeEndpoint(answer);
    const response = await post();
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ error: { code: "unavailable", message: "Rollcall could not be asked" } });
    expect(onError).toHaveBeenCalled();
  });

  it("tells an error again, for a while, and tries at once when somebody presses the button", async () => {
    const calls = fakeEndpoint(bad(409, "conflict"), good("created"));
    const first = await post();
    const cookie = first.headers.getSetCookie()[0]?.split(";")[0];
    expect(cookie).toMatch(/^__rollcall_failed=1\.conflict\./);
    for (const load of [cookie, undefined]) {
      const again = await post(load);
      expect(again.status).toBe(409);
      expect(await again.json()).toMatchObject({ error: { code: "conflict" } });
    }
    expect(calls).toHaveLength(1);
    expect(onError).toHaveBeenCalledOnce();
    expect((await post(cookie, { "x-rollcall-retry": "1" })).status).toBe(200);
  });

  it("leaves a Rollcall in peace that is down, whoever loads a page", async () => {
    const calls = fakeEndpoint(refused);
    for (const user of ["user_ada", "user_bob", "user_eve"]) {
      begin(user, `sess of ${user}`);
      expect((await post()).status).toBe(503);
    }
    expect(calls).toHaveLength(2); // the call and its retry
    expect(onError).toHaveBeenCalledOnce();
  });

  it("goes in no circle where Rollcall's address is its own, and no process knows of another", async () => {
    vi.stubGlobal("navigator", { userAgent: "Cloudflare-Workers" }); // nothing is shared there
    const own = "https://app.example.com/api/rollcall";
    const circular = createEnsureRoute({ url: own, onError });
    const calls = fakeEndpoint(({ headers }, nth) =>
      nth < 10 ? circular.POST(new NextRequest(own, { method: "POST", headers })) : new Response("", { status: 404 }),
    );
    expect((await circular.POST(new NextRequest(own, { method: "POST" }))).status).toBe(503);
    expect(calls).toHaveLength(1);
    expect(onError.mock.calls).toMatchObject([[{ code: "misconfigured", status: 508 }, { userId: "user_ada" }]]);
  });
});

import { NextRequest, NextResponse } from "next/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { forgetAll } from "../../src/next/keeper.js";
import { type Auth, rollcallStep, type StepOptions } from "../../src/next/step.js";
import { withRollcall } from "../../src/next/with-rollcall.js";
import { bad, fakeEndpoint, good, held, refused, silent } from "../fake.js";

const app = "https://app.example.com";
const onError = vi.fn();
const options: StepOptions = { url: "https://rollcall.example.com", secret: "s".repeat(32), onError };

/** A browser: it keeps the cookies that it is given. */
class Browser {
  readonly cookies = new Map<string, string>();

  async visit(who: Auth, path = "/", more: StepOptions = {}): Promise<Response> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const request = new NextRequest(new URL(path, app), { headers: cookie ? { cookie } : {} });
    const response = await rollcallStep(who, request, { ...options, ...more });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ""] = line.split(";");
      const [name = "", value = ""] = pair.split("=");
      if (/max-age=0/i.test(line)) {
        this.cookies.delete(name);
      } else {
        this.cookies.set(name, decodeURIComponent(value));
      }
    }
    return response;
  }
}

function session(userId: string, sessionId = "sess_1"): Auth {
  return async () => ({ userId, sessionId, getToken: async () => `token of ${userId}` });
}

const ada = session("user_ada");
const bob = session("user_bob", "sess_2");
const nobody: Auth = async () => ({ userId: null, sessionId: null, getToken: async () => null });

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(1_800_000_000_000);
  forgetAll();
  onError.mockClear();
});

afterEach(() => {
  vi.useRealTimers();
});

/** Forgets what the process knows, so that the marker alone counts: a new process, another region. */
function anotherProcess(): void {
  forgetAll();
}

describe("a signed-in request", () => {
  it("ensures the user once, and sets a marker that later requests do with", async () => {
    const calls = fakeEndpoint(good("created"));
    const browser = new Browser();
    const first = await browser.visit(ada);
    expect(first.headers.get("x-middleware-next")).toBe("1");
    expect(first.headers.getSetCookie()[0]).toMatch(/^__rollcall=1\.ensured\..*HttpOnly/i);
    expect(first.headers.getSetCookie()[0]).toMatch(/SameSite=lax/i);
    expect(first.headers.getSetCookie()[0]).toMatch(/Secure/);
    expect(calls[0]?.headers.get("authorization")).toBe("Bearer token of user_ada");
    anotherProcess();
    const second = await browser.visit(ada);
    expect(second.headers.getSetCookie()).toHaveLength(0);
    expect(calls).toHaveLength(1);
    expect(onError).not.toHaveBeenCalled();
  });

  it("asks again when the marker has expired", async () => {
    const calls = fakeEndpoint(good());
    const browser = new Browser();
    await browser.visit(ada, "/", { lifetime: 60_000 });
    vi.setSystemTime(Date.now() + 60_001);
    await browser.visit(ada, "/", { lifetime: 60_000 });
    expect(calls).toHaveLength(2);
  });

  it("does not take the marker of another user, nor that of another session", async () => {
    const calls = fakeEndpoint(good("present", "user_ada"), good("present", "user_bob"), good("present", "user_ada"));
    const browser = new Browser();
    await browser.visit(ada);
    anotherProcess();
    await browser.visit(bob);
    expect(calls).toHaveLength(2);
    expect(calls[1]?.headers.get("authorization")).toBe("Bearer token of user_bob");
    anotherProcess();
    await browser.visit(session("user_ada", "sess_3"));
    expect(calls).toHaveLength(3);
  });

  it("does not take a marker that the process has verified from anybody else, nor when it has expired", async () => {
    const calls = fakeEndpoint(good(), good("present", "user_bob"), good());
    const browser = new Browser();
    await browser.visit(ada);
    const marker = browser.cookies.get("__rollcall") ?? "";
    anotherProcess();
    await browser.visit(ada); // verifies it
    await browser.visit(ada); // knows it
    expect(calls).toHaveLength(1);
    await browser.visit(bob);
    expect(calls).toHaveLength(2);
    browser.cookies.set("__rollcall", marker);
    vi.setSystemTime(Date.now() + 60 * 60 * 1000);
    await browser.visit(ada);
    expect(calls).toHaveLength(3);
  });

  it("is one call to Rollcall, however many come at once", async () => {
    const gate = held(good());
    const calls = fakeEndpoint(gate.answer);
    const all = Promise.all(Array.from({ length: 100 }, () => new Browser().visit(ada)));
    await vi.waitFor(() => expect(calls).toHaveLength(1));
    gate.release();
    for (const response of await all) {
      expect(response.headers.get("x-middleware-next")).toBe("1");
    }
    expect(calls).toHaveLength(1);
  });

  it("of a client that keeps no cookies is remembered by the process", async () => {
    const calls = fakeEndpoint(good());
    await new Browser().visit(ada);
    await new Browser().visit(ada);
    expect(calls).toHaveLength(1);
  });

  it("keeps the response that was made, its headers and its cookies", async () => {
    fakeEndpoint(good());
    const response = NextResponse.next({ headers: { "x-own": "1" } });
    response.cookies.set("own", "1");
    const answer = await new Browser().visit(ada, "/", { response });
    expect(answer.headers.get("x-own")).toBe("1");
    expect(answer.headers.getSetCookie().join()).toMatch(/own=1.*__rollcall=/);
  });
});

describe("a signed-out request", () => {
  it("asks nobody, and the browser forgets the marker", async () => {
    const calls = fakeEndpoint(good());
    const browser = new Browser();
    await browser.visit(ada);
    expect(browser.cookies.has("__rollcall")).toBe(true);
    await browser.visit(nobody);
    expect(browser.cookies.has("__rollcall")).toBe(false);
    expect(calls).toHaveLength(1);
  });
});

describe("what is left alone", () => {
  it.each(["/_next/static/chunk.js", "/favicon.ico", "/logo.svg", "/api/rollcall", "/health"])("%s", async (path) => {
    const calls = fakeEndpoint(good());
    const who = vi.fn(ada);
    await new Browser().visit(who, path, { skip: ["/health"] });
    expect(calls).toHaveLength(0);
    expect(who).not.toHaveBeenCalled();
  });

  it("does not hold a name with a dot in it for a file", async () => {
    const calls = fakeEndpoint(good());
    await new Browser().visit(ada, "/people/ada.lovelace");
    expect(calls).toHaveLength(1);
  });
});

describe("a Rollcall that does not do its work", () => {
  it("lets the request through, is reported, and is not asked again for a while", async () => {
    const calls = fakeEndpoint(bad(503, "unavailable", { "retry-after": "30" }));
    const browser = new Browser();
    const first = await browser.visit(ada);
    expect(first.headers.get("x-middleware-next")).toBe("1");
    expect(onError).toHaveBeenCalledOnce();
    expect(onError.mock.calls[0]?.[0]).toMatchObject({ code: "unavailable" });
    await browser.visit(ada);
    await new Browser().visit(bob); // nor for anybody else
    expect(calls).toHaveLength(1);
    expect(onError).toHaveBeenCalledOnce();
    vi.setSystemTime(Date.now() + 30_001);
    fakeEndpoint(good("created"));
    const healed = await browser.visit(ada);
    expect(healed.headers.getSetCookie().join()).toContain("1.ensured.");
  });

  it("that is silent costs one wait of the time that was given, not one for each request", async () => {
    const calls = fakeEndpoint(silent);
    const visit = new Browser().visit(ada);
    await vi.advanceTimersByTimeAsync(1500);
    expect((await visit).headers.get("x-middleware-next")).toBe("1");
    const asked = calls.length;
    expect(asked).toBe(2);
    await new Browser().visit(bob);
    expect(calls).toHaveLength(asked);
  });

  it("stops the request where the app would rather have it so", async () => {
    fakeEndpoint(bad(503, "paused", { "retry-after": "30" }));
    const answer = await new Browser().visit(ada, "/", { failure: "closed" });
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("30");
    expect(await answer.text()).toContain("try again");
  });

  it("about one user keeps nobody else from being ensured", async () => {
    const calls = fakeEndpoint(bad(409, "conflict"), good("present", "user_bob"));
    await new Browser().visit(ada);
    const other = await new Browser().visit(bob);
    expect(other.headers.getSetCookie().join()).toContain("1.ensured.");
    expect(calls).toHaveLength(2);
  });
});

describe("a mistake in the configuration", () => {
  it.each<[string, StepOptions, string]>([
    ["no address", { url: "" }, "ROLLCALL_URL is not set"],
    ["a short secret", { secret: "short" }, "ROLLCALL_MARKER_SECRET has 5 characters"],
  ])("%s is reported, and the request goes on", async (_, more, words) => {
    const calls = fakeEndpoint(good());
    const answer = await new Browser().visit(ada, "/", more);
    expect(answer.headers.get("x-middleware-next")).toBe("1");
    expect(onError.mock.calls[0]?.[0].message).toContain(words);
    expect(calls).toHaveLength(0);
  });

  it("by which Rollcall's address leads back to the app is no endless loop", async () => {
    const calls = fakeEndpoint(good());
    const request = new NextRequest(`${app}/api/ensure`, { headers: { "x-rollcall-ensure": "1" } });
    const answer = await rollcallStep(ada, request, options);
    expect(answer.status).toBe(508);
    expect(calls).toHaveLength(0);
  });

  it("by which withRollcall wraps a middleware that is not Clerk's is reported", async () => {
    fakeEndpoint(refused);
    const middleware = withRollcall(() => NextResponse.next(), options);
    const answer = await middleware(new NextRequest(app), {} as never);
    expect(answer.headers.get("x-middleware-next")).toBe("1");
    expect(onError.mock.calls[0]?.[0]).toMatchObject({ code: "misconfigured" });
  });
});

describe("withRollcall", () => {
  it("leaves answers of the middleware alone: a redirect to the sign-in, a rewrite to elsewhere", async () => {
    const calls = fakeEndpoint(good());
    for (const answer of [
      NextResponse.redirect(`${app}/sign-in`),
      NextResponse.rewrite("https://elsewhere.example.com/"),
      new NextResponse("no", { status: 403 }),
    ]) {
      expect(await withRollcall(() => answer, options)(new NextRequest(app), {} as never)).toBe(answer);
    }
    expect(calls).toHaveLength(0);
    expect(onError).not.toHaveBeenCalled();
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { underWay } from "../../src/flights.js";
import { EnsureError, type EnsureErrorCode, ensureUser } from "../../src/index.js";
import { bad, fakeEndpoint, good, held, refused, silent } from "../fake.js";

const url = "https://rollcall.example.com";
const token = "ey.ada";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  expect(underWay(), "requests under way after the test").toBe(0);
  expect(vi.getTimerCount(), "timers left after the test").toBe(0);
  vi.useRealTimers();
});

/** Waits for the call's error while the clock runs. */
async function failure(call: Promise<unknown>): Promise<EnsureError> {
  const settled = call.then(
    () => expect.unreachable("the call succeeded"),
    (error: unknown) => error,
  );
  await vi.runAllTimersAsync();
  const error = await settled;
  expect(error).toBeInstanceOf(EnsureError);
  return error as EnsureError;
}

describe("an answer", () => {
  it("of a row that is there", async () => {
    const calls = fakeEndpoint(good("present"));
    expect(await ensureUser({ token, url })).toEqual({
      status: "present",
      created: false,
      userId: "user_ada",
      key: { column: "clerk_id", value: "user_ada" },
    });
    expect(calls).toHaveLength(1);
    expect(calls[0]?.url).toBe("https://rollcall.example.com/api/ensure");
    expect(calls[0]?.headers.get("authorization")).toBe("Bearer ey.ada");
    expect(calls[0]?.redirect).toBe("manual");
  });

  it("of a row that was missing", async () => {
    fakeEndpoint(good("created"));
    expect(await ensureUser({ token, url })).toMatchObject({ status: "created", created: true });
  });

  it.each<[number, EnsureErrorCode, boolean, boolean]>([
    [401, "invalid_token", true, false],
    [404, "user_gone", true, false],
    [409, "conflict", true, false],
    [409, "soft_deleted", true, false],
    [422, "rejected", true, false],
    [429, "rate_limited", true, true],
    [503, "unavailable", false, true],
    [503, "paused", false, true],
  ])("%d %s", async (status, code, aboutUser, temporary) => {
    fakeEndpoint(bad(status, code, { "retry-after": "30" }));
    const error = await failure(ensureUser({ token, url }));
    expect(error).toMatchObject({ code, status, retryAfter: 30_000, aboutUser, temporary });
    expect(error.message).toContain(`the message of ${code}`);
  });

  it.each<[string, Response, EnsureErrorCode]>([
    ["a 404 of a web server is no user_gone", new Response("<h1>Not Found</h1>", { status: 404 }), "bad_response"],
    ["a 404 of another API neither", Response.json({ error: { code: "not_found" } }, { status: 404 }), "bad_response"],
    ["a page with status 200 ensured nobody", new Response("<h1>Welcome</h1>"), "bad_response"],
    ["a result without a user", Response.json({ status: "present", created: false }), "bad_response"],
    [
      "a status of the future",
      Response.json({ status: "maybe", user_id: "u", key: { column: "c", value: "u" } }),
      "bad_response",
    ],
    [
      "a redirect is not followed",
      new Response(null, { status: 302, headers: { location: "https://x" } }),
      "bad_response",
    ],
    ["a proxy's 502", new Response("<h1>Bad Gateway</h1>", { status: 502 }), "unavailable"],
    ["a proxy's 429", new Response("slow down", { status: 429, headers: { "retry-after": "9" } }), "rate_limited"],
  ])("%s", async (_, response, code) => {
    fakeEndpoint(() => response.clone());
    expect((await failure(ensureUser({ token, url }))).code).toBe(code);
  });

  it.each<[string, Error, string]>([
    ["fetch's own words", new TypeError("fetch failed"), "fetch failed"],
    [
      "the code of the cause",
      new TypeError("fetch failed", {
        cause: Object.assign(new Error("connect ECONNREFUSED ::1:8081"), { code: "ECONNREFUSED" }),
      }),
      "ECONNREFUSED",
    ],
    [
      "the words of the cause",
      new TypeError("fetch failed", { cause: new Error("other side closed") }),
      "other side closed",
    ],
  ])("is an error that says who did not answer, and why: %s", async (_, thrown, why) => {
    fakeEndpoint(() => Promise.reject(thrown));
    const error = await failure(ensureUser({ token, url: "http://rollcall:8081" }));
    expect(error.message).toBe(`ensure user: no answer from rollcall:8081 (${why})`);
    expect(error.cause).toBe(thrown);
  });

  it("is an error that does not hold the token", async () => {
    fakeEndpoint(refused);
    const error = await failure(ensureUser({ token: "ey.secret", url }));
    expect(JSON.stringify(error) + error.message + error.stack).not.toContain("ey.secret");
  });
});

describe("the options", () => {
  it.each<[string, string]>([
    ["https://rollcall.example.com", "https://rollcall.example.com/api/ensure"],
    ["http://rollcall:8081/", "http://rollcall:8081/api/ensure"],
    ["https://example.com/rollcall/api/ensure", "https://example.com/rollcall/api/ensure"],
  ])("%s leads to %s", async (address, expected) => {
    const calls = fakeEndpoint(good());
    await ensureUser({ token, url: new URL(address) });
    expect(calls[0]?.url).toBe(expected);
  });

  it.each(["", "rollcall.example.com", "/api/ensure", "ftp://rollcall", "https://user:secret@rollcall"])(
    "%j is no address, and nothing is sent",
    async (address) => {
      const calls = fakeEndpoint(good());
      const error = await failure(ensureUser({ token, url: address }));
      expect(error.code).toBe("misconfigured");
      expect(error.message).not.toContain("secret");
      expect(calls).toHaveLength(0);
    },
  );

  it("an empty token is not sent", async () => {
    const calls = fakeEndpoint(good());
    expect((await failure(ensureUser({ token: "", url }))).code).toBe("invalid_token");
    expect(calls).toHaveLength(0);
  });

  it.each(["ey.secret\nx", "Bearer ey.secret", "ey.secrét"])(
    "%j is no token: not sent, and not shown",
    async (wrong) => {
      const calls = fakeEndpoint(good());
      const error = await failure(ensureUser({ token: wrong, url }));
      expect(error.code).toBe("invalid_token");
      expect(error.message + error.stack + String(error.cause)).not.toContain("ey.secr");
      expect(calls).toHaveLength(0);
    },
  );

  it.each([0, -1, Number.NaN])("a timeout of %d is refused", async (timeout) => {
    fakeEndpoint(good());
    expect((await failure(ensureUser({ token, url, timeout }))).code).toBe("misconfigured");
  });
});

describe("the retry", () => {
  it.each<[string, Parameters<typeof fakeEndpoint>[0]]>([
    ["no answer", refused],
    ["a 503", bad(503, "unavailable")],
    ["a proxy's 500", () => new Response("", { status: 500 })],
    ["a 429", bad(429, "rate_limited")],
    ["a timeout", silent],
  ])("comes after %s, once", async (_, answer) => {
    const calls = fakeEndpoint(answer, good("created"));
    const call = ensureUser({ token, url });
    await vi.runAllTimersAsync();
    expect((await call).status).toBe("created");
    expect(calls).toHaveLength(2);
  });

  it("is the last", async () => {
    const calls = fakeEndpoint(refused);
    expect((await failure(ensureUser({ token, url }))).code).toBe("network");
    expect(calls).toHaveLength(2);
  });

  it.each([
    [401, "invalid_token"],
    [404, "user_gone"],
    [409, "conflict"],
    [422, "rejected"],
  ])("does not come after a %d", async (status, code) => {
    const calls = fakeEndpoint(bad(status, code), good());
    await failure(ensureUser({ token, url }));
    expect(calls).toHaveLength(1);
  });

  it("waits as long as Retry-After says, if there is time", async () => {
    const calls = fakeEndpoint(bad(503, "unavailable", { "retry-after": "1" }), good());
    const call = ensureUser({ token, url });
    await vi.advanceTimersByTimeAsync(999);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect((await call).status).toBe("present");
    expect(calls).toHaveLength(2);
  });

  it("does not come where the pause took all the time, in a process that is busy", async () => {
    const calls = fakeEndpoint(refused);
    const settled = ensureUser({ token, url }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(0);
    vi.setSystemTime(Date.now() + 2000);
    await vi.runAllTimersAsync();
    expect(await settled).toMatchObject({ code: "network" });
    expect(calls).toHaveLength(1);
  });

  it("does not come where Retry-After is past the time", async () => {
    const calls = fakeEndpoint(bad(503, "paused", { "retry-after": "30" }), good());
    expect((await failure(ensureUser({ token, url }))).code).toBe("paused");
    expect(calls).toHaveLength(1);
    expect(Date.now()).toBeLessThan(vi.getRealSystemTime() + 1500);
  });
});

describe("the time", () => {
  it("is 1.5 s in all, two tries of which the second has what is left", async () => {
    const calls = fakeEndpoint(silent);
    const start = Date.now();
    const error = await failure(ensureUser({ token, url }));
    expect(error.code).toBe("timeout");
    expect(error.message).toBe("ensure user: no answer from rollcall.example.com within 1500 ms");
    expect(calls).toHaveLength(2);
    expect(Date.now() - start).toBe(1500);
  });

  it("is the caller's to choose", async () => {
    fakeEndpoint(silent);
    const start = Date.now();
    await failure(ensureUser({ token, url, timeout: 300 }));
    expect(Date.now() - start).toBe(300);
  });

  it("covers an answer whose body does not end", async () => {
    fakeEndpoint(({ signal }) => {
      const body = new ReadableStream({
        start(controller) {
          signal.addEventListener("abort", () => controller.error(new DOMException("aborted", "AbortError")));
        },
      });
      return new Response(body);
    });
    expect((await failure(ensureUser({ token, url }))).code).toBe("timeout");
  });
});

describe("the signal", () => {
  it("ends the wait and the request", async () => {
    const calls = fakeEndpoint(silent);
    const controller = new AbortController();
    const call = ensureUser({ token, url, signal: controller.signal });
    const error = failure(call);
    controller.abort(new Error("the user went away"));
    expect(await error).toMatchObject({ code: "aborted", cause: new Error("the user went away") });
    expect(calls).toHaveLength(1);
    expect(calls[0]?.signal.aborted).toBe(true);
  });

  it("that is aborted already sends nothing", async () => {
    const calls = fakeEndpoint(good());
    const error = await failure(ensureUser({ token, url, signal: AbortSignal.abort() }));
    expect(error.code).toBe("aborted");
    expect(calls).toHaveLength(0);
  });

  it("ends the pause before the retry", async () => {
    const calls = fakeEndpoint(bad(503, "unavailable", { "retry-after": "1" }));
    const controller = new AbortController();
    const call = ensureUser({ token, url, signal: controller.signal });
    const settled = call.catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(500);
    controller.abort();
    expect(await settled).toMatchObject({ code: "aborted" });
    expect(calls).toHaveLength(1);
  });

  it("of one caller leaves the others waiting", async () => {
    const { answer, release } = held(good("created"));
    const calls = fakeEndpoint(answer);
    const controller = new AbortController();
    const one = ensureUser({ token, url, signal: controller.signal }).catch((error: unknown) => error);
    const other = ensureUser({ token, url });
    controller.abort();
    expect(await one).toMatchObject({ code: "aborted" });
    expect(calls[0]?.signal.aborted).toBe(false);
    release();
    expect((await other).status).toBe("created");
    expect(calls).toHaveLength(1);
  });
});

describe("at once", () => {
  it("a thousand calls of a user are one request", async () => {
    const { answer, release } = held(good("created"));
    const calls = fakeEndpoint(answer);
    const all = Promise.all(Array.from({ length: 1000 }, () => ensureUser({ token, url })));
    release();
    for (const result of await all) {
      expect(result.status).toBe("created");
    }
    expect(calls).toHaveLength(1);
  });

  it("and their failure is one, and forgotten", async () => {
    const calls = fakeEndpoint(bad(409, "conflict"), good());
    const all = Array.from({ length: 1000 }, () => ensureUser({ token, url }));
    for (const result of await Promise.allSettled(all)) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "conflict" } });
    }
    expect(calls).toHaveLength(1);
    expect((await ensureUser({ token, url })).status).toBe("present");
  });

  it("calls of different users are different requests", async () => {
    const calls = fakeEndpoint(good());
    await Promise.all(Array.from({ length: 1000 }, (_, i) => ensureUser({ token: `ey.${i}`, url })));
    expect(calls).toHaveLength(1000);
  });

  it("two tokens of a verified user are one request", async () => {
    const calls = fakeEndpoint(good());
    const userId = "user_ada";
    await Promise.all([ensureUser({ token: "ey.1", url, userId }), ensureUser({ token: "ey.2", url, userId })]);
    expect(calls).toHaveLength(1);
  });

  it("two tokens of a user that nobody verified are two: a forged one must not ride along", async () => {
    const calls = fakeEndpoint(good());
    await Promise.all([ensureUser({ token: "ey.1", url }), ensureUser({ token: "ey.2", url })]);
    expect(calls).toHaveLength(2);
  });

  it("an expired token spoils nothing for a fresh one that joined it", async () => {
    const calls = fakeEndpoint(bad(401, "invalid_token"), good());
    const userId = "user_ada";
    const [old, fresh] = await Promise.allSettled([
      ensureUser({ token: "ey.old", url, userId }),
      ensureUser({ token: "ey.fresh", url, userId }),
    ]);
    expect(old).toMatchObject({ status: "rejected", reason: { code: "invalid_token" } });
    expect(fresh).toMatchObject({ status: "fulfilled", value: { status: "present" } });
    expect(calls.map((call) => call.headers.get("authorization"))).toEqual(["Bearer ey.old", "Bearer ey.fresh"]);
  });

  it("nothing is shared in Cloudflare's workers, which forbid it", async () => {
    vi.stubGlobal("navigator", { userAgent: "Cloudflare-Workers" });
    const calls = fakeEndpoint(good());
    await Promise.all([ensureUser({ token, url }), ensureUser({ token, url })]);
    expect(calls).toHaveLength(2);
  });
});

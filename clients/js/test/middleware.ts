import { clerkMiddleware } from "@clerk/nextjs/server";
import { NextResponse } from "next/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { forgetAll } from "../src/next/keeper.js";
import { type EnsureError, type MiddlewareOptions, rollcallStep, withRollcall } from "../src/next.js";
import { Browser, goesOn } from "./app.js";
import { jwtKey } from "./clerk.js";
import { bad, fakeEndpoint, good, held, refused } from "./fake.js";

const url = "https://rollcall.example.com";
const secret = "0123456789abcdef0123456789abcdef";

/** What holds for the middleware on the runtime that calls this, around Clerk's real one. */
export function describeMiddleware(runtime: string): void {
  let reported: { code: string; userId: string }[] = [];
  let options: MiddlewareOptions;
  let clerk: { jwtKey: string };

  beforeEach(async () => {
    forgetAll();
    reported = [];
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
    clerk = { jwtKey: await jwtKey() };
    vi.stubEnv("ROLLCALL_URL", "");
    options = { url, secret, onError: ({ code }, { userId }) => reported.push({ code, userId }) };
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  const wrapped = (more: MiddlewareOptions = {}, origin?: string) =>
    new Browser(withRollcall(clerkMiddleware(clerk), { ...options, ...more }), origin);

  /** Opens a page while the clock runs, as far as the call's own timers need. */
  const open = async (browser: Browser, ...args: Parameters<Browser["open"]>) => {
    const response = browser.open(...args);
    let done = false;
    response.then(
      () => {
        done = true;
      },
      () => {
        done = true;
      },
    );
    while (!done) {
      if (vi.getTimerCount() > 0) {
        await vi.advanceTimersByTimeAsync(5);
      }
      await new Promise<void>((resolve) => nextTurn(resolve)); // what comes from the crypto threads is not the clock's
    }
    return response;
  };

  describe(`withRollcall on the ${runtime} runtime`, () => {
    it("ensures a user once, and then asks nobody", async () => {
      const calls = fakeEndpoint(good("created"));
      const browser = wrapped();
      await browser.signIn("user_ada");
      expect(goesOn(await open(browser, "/"))).toBe(true);
      expect(browser.marker).toBeDefined();
      forgetAll(); // another process: the marker alone is what it has
      for (const path of ["/", "/settings", "/api/things"]) {
        const response = await open(browser, path);
        expect(goesOn(response)).toBe(true);
        expect(response.headers.getSetCookie()).toEqual([]);
      }
      expect(calls).toHaveLength(1);
      expect(reported).toEqual([]);
    });

    it("sends the session's own token", async () => {
      const calls = fakeEndpoint(good());
      const browser = wrapped();
      await browser.signIn("user_ada");
      await open(browser, "/");
      expect(calls[0]?.headers.get("authorization")).toBe(`Bearer ${browser.cookies.get("__session")}`);
    });

    it("sets a cookie that scripts, other sites and plain connections do not get", async () => {
      fakeEndpoint(good());
      const browser = wrapped();
      await browser.signIn("user_ada");
      const [cookie] = (await open(browser, "/")).headers.getSetCookie();
      expect(cookie).toMatch(/^__rollcall=1\.ensured\./);
      for (const attribute of ["Path=/", "Max-Age=3600", "HttpOnly", "Secure", /SameSite=lax/i]) {
        expect(cookie).toMatch(attribute);
      }
    });

    it("is not Secure on http, unless a proxy speaks https", async () => {
      fakeEndpoint(good());
      const browser = wrapped({}, "http://localhost:3000");
      await browser.signIn("user_ada");
      expect((await open(browser, "/")).headers.getSetCookie()[0]).not.toContain("Secure");
      await browser.signIn("user_bob");
      const headers = { "x-forwarded-proto": "https,http" };
      expect((await open(browser, "/", { headers })).headers.getSetCookie()[0]).toContain("Secure");
    });

    it("shows the marker to the page that is rendered for the very request", async () => {
      fakeEndpoint(good());
      const browser = wrapped();
      await browser.signIn("user_ada");
      const response = await open(browser, "/");
      expect(response.headers.get("x-middleware-set-cookie")).toContain("__rollcall=1.ensured.");
    });

    it("leaves what Clerk tells the app as it is", async () => {
      fakeEndpoint(good());
      const browser = wrapped();
      await browser.signIn("user_ada");
      const response = await open(browser, "/");
      expect(response.headers.get("x-middleware-request-x-clerk-auth-status")).toBe("signed-in");
    });

    it("asks again for another user, and for another session", async () => {
      const calls = fakeEndpoint(good());
      const browser = wrapped();
      await browser.signIn("user_ada");
      await open(browser, "/");
      await browser.signIn("user_bob");
      await open(browser, "/");
      await browser.signIn("user_bob", "sess_second");
      await open(browser, "/");
      expect(calls).toHaveLength(3);
    });

    it("asks again when the marker has expired", async () => {
      const calls = fakeEndpoint(good());
      const browser = wrapped({ lifetime: 30_000 });
      await browser.signIn("user_ada");
      await open(browser, "/");
      vi.setSystemTime(Date.now() + 31_000);
      await open(browser, "/");
      expect(calls).toHaveLength(2);
    });

    it("spares the calls of a client that keeps no cookies", async () => {
      const calls = fakeEndpoint(good());
      const browser = wrapped();
      await browser.signIn("user_ada");
      await open(browser, "/");
      browser.cookies.delete("__rollcall");
      const response = await open(browser, "/");
      expect(calls).toHaveLength(1);
      expect(response.headers.getSetCookie()).toHaveLength(1);
    });

    it("remembers for the marker's lifetime, and not for another one from there", async () => {
      const calls = fakeEndpoint(good());
      const browser = wrapped({ lifetime: 60_000 });
      await browser.signIn("user_ada");
      await open(browser, "/");
      browser.cookies.delete("__rollcall");
      vi.setSystemTime(Date.now() + 50_000);
      const response = await open(browser, "/");
      expect(response.headers.getSetCookie()[0]).toContain("Max-Age=10;");
      vi.setSystemTime(Date.now() + 10_000);
      await browser.signIn("user_ada"); // the same session, whose token has been renewed
      await open(browser, "/");
      expect(calls).toHaveLength(2);
    });

    it("does nothing for a visitor who is not signed in", async () => {
      const calls = fakeEndpoint();
      const browser = wrapped();
      const response = await open(browser, "/");
      expect(goesOn(response)).toBe(true);
      expect(response.headers.getSetCookie()).toEqual([]);
      expect(calls).toHaveLength(0);
    });

    it("forgets the markers of who has signed out", async () => {
      fakeEndpoint(bad(409, "conflict"), good());
      const browser = wrapped();
      await browser.signIn("user_ada");
      await open(browser, "/");
      await browser.signIn("user_bob");
      await open(browser, "/");
      expect([...browser.cookies.keys()]).toEqual(expect.arrayContaining(["__rollcall", "__rollcall_failed"]));
      browser.signOut();
      await open(browser, "/");
      expect([...browser.cookies.keys()]).toEqual([]);
    });

    it.each([
      "/_next/static/chunks/a.js",
      "/_next/image",
      "/favicon.ico",
      "/photo.JPG",
      "/fonts/a.woff2",
      "/api/rollcall",
      "/api/rollcall/",
    ])("leaves %s alone", async (path) => {
      const calls = fakeEndpoint();
      const browser = wrapped();
      await browser.signIn("user_ada");
      expect(goesOn(await open(browser, path))).toBe(true);
      expect(calls).toHaveLength(0);
    });

    it.each(["/", "/users/jane.doe", "/api/report.json", "/api/rollcall2", "/_nextdoor"])(
      "does not take %s for a file",
      async (path) => {
        const calls = fakeEndpoint(good());
        const browser = wrapped();
        await browser.signIn("user_ada");
        await open(browser, path);
        expect(calls).toHaveLength(1);
      },
    );

    it("leaves alone what the app says", async () => {
      const calls = fakeEndpoint(good());
      const lists = wrapped({ skip: ["/health", /^\/public\b/g], route: "/ensure" });
      await lists.signIn("user_ada");
      const asks = wrapped({ skip: (request) => request.method === "OPTIONS" });
      await asks.signIn("user_ada");
      await open(lists, "/health/live");
      await open(lists, "/public/x");
      await open(lists, "/public/x"); // a /g pattern begins where it ended
      await open(lists, "/ensure");
      await open(asks, "/", { method: "OPTIONS" });
      expect(calls).toHaveLength(0);
    });

    it("leaves redirects and answers of the middleware as they are", async () => {
      const calls = fakeEndpoint();
      for (const make of [
        () => NextResponse.redirect("https://app.example.com/welcome"),
        () => NextResponse.json({ ok: true }),
        () => NextResponse.rewrite("https://elsewhere.example.com/"),
      ]) {
        const middleware = clerkMiddleware(make, clerk);
        const browser = new Browser(withRollcall(middleware, options));
        await browser.signIn("user_ada");
        const response = await open(browser, "/");
        expect(response.headers.getSetCookie()).toEqual([]);
      }
      expect(calls).toHaveLength(0);
      expect(reported).toEqual([]);
    });

    it("says so where it wraps something else than Clerk's middleware", async () => {
      fakeEndpoint();
      const browser = new Browser(withRollcall(() => NextResponse.next(), options));
      expect(goesOn(await open(browser, "/"))).toBe(true);
      expect(reported).toEqual([{ code: "misconfigured", userId: "" }]);
    });

    it("cannot be talked into a session by headers of the request", async () => {
      const calls = fakeEndpoint();
      const browser = wrapped();
      await open(browser, "/", { headers: { "x-clerk-auth-status": "signed-in", "x-clerk-auth-token": "forged" } });
      expect(calls).toHaveLength(0);
    });
  });

  describe(`a failure on the ${runtime} runtime`, () => {
    it("lets the request through, is reported, and heals", async () => {
      const calls = fakeEndpoint(refused, refused, good("created"));
      const browser = wrapped();
      await browser.signIn("user_ada");
      expect(goesOn(await open(browser, "/"))).toBe(true);
      expect(reported).toEqual([{ code: "network", userId: "user_ada" }]);
      expect(calls).toHaveLength(2);

      await open(browser, "/"); // Rollcall is left in peace for a while
      expect(calls).toHaveLength(2);
      expect(reported).toHaveLength(1);

      vi.setSystemTime(Date.now() + 5001);
      await open(browser, "/");
      expect(calls).toHaveLength(3);
      expect(browser.marker).toMatch(/^1\.ensured\./);
    });

    it("of Rollcall holds back every user's call for a while; then one tries", async () => {
      const { answer, release } = held(good());
      const calls = fakeEndpoint(refused, refused, answer);
      const browsers = await Promise.all(
        ["user_ada", "user_bob", "user_eve"].map(async (user) => {
          const browser = wrapped();
          await browser.signIn(user);
          return browser;
        }),
      );
      const [ada, bob, eve] = browsers as [Browser, Browser, Browser];
      await open(ada, "/");
      expect(goesOn(await open(bob, "/"))).toBe(true);
      expect(calls).toHaveLength(2);

      vi.setSystemTime(Date.now() + 5001);
      const trying = open(bob, "/");
      await vi.waitFor(() => expect(calls).toHaveLength(3));
      expect(goesOn(await open(eve, "/"))).toBe(true); // not held up by the one that tries
      expect(calls).toHaveLength(3);
      release();
      await trying;
      await open(eve, "/");
      expect(calls).toHaveLength(4);
    });

    it.each([
      [404, "user_gone"],
      [409, "conflict"],
      [409, "soft_deleted"],
      [422, "rejected"],
      [401, "invalid_token"],
    ])("of one user (%d %s) is no other's", async (status, code) => {
      const calls = fakeEndpoint(bad(status, code), good());
      const ada = wrapped();
      await ada.signIn("user_ada");
      const bob = wrapped();
      await bob.signIn("user_bob");
      await open(ada, "/");
      await open(ada, "/"); // her marker says that it failed a moment ago
      await open(bob, "/");
      expect(calls).toHaveLength(2);
      expect(reported).toEqual([{ code, userId: "user_ada" }]);
    });

    it("of one user is not asked about again, where the client keeps no cookies", async () => {
      const calls = fakeEndpoint(bad(409, "conflict"), good());
      const browser = wrapped();
      await browser.signIn("user_ada");
      for (let i = 0; i < 10; i++) {
        await open(browser, "/api/things");
        browser.cookies.clear();
        await browser.signIn("user_ada");
      }
      expect(calls).toHaveLength(1);
      expect(reported).toHaveLength(1);
      vi.setSystemTime(Date.now() + 5000);
      await open(browser, "/api/things");
      expect(calls).toHaveLength(2);
    });

    it("that comes last takes nothing away, where another process has made the row", async () => {
      const calls = fakeEndpoint(good("created"), bad(429, "rate_limited", { "retry-after": "2" }));
      const browser = wrapped({ failure: "closed" });
      await browser.signIn("user_ada");
      const other = wrapped({ failure: "closed" });
      await other.signIn("user_ada");
      expect(goesOn(await open(browser, "/"))).toBe(true);
      forgetAll();
      expect((await open(other, "/")).status).toBe(503);
      forgetAll();
      for (const [name, value] of other.cookies) {
        browser.cookies.set(name, value); // both were requests of one browser
      }
      expect(browser.failed).toMatch(/^1\.rate_limited\./);
      expect(goesOn(await open(browser, "/next"))).toBe(true);
      expect(calls).toHaveLength(2);
    });

    it("of another process is not believed by the one that knows better", async () => {
      fakeEndpoint(bad(429, "rate_limited", { "retry-after": "2" }), good("created"));
      const other = wrapped({ failure: "closed" });
      await other.signIn("user_ada");
      await open(other, "/");
      forgetAll();
      const browser = wrapped({ failure: "closed" });
      await browser.signIn("user_ada");
      await open(browser, "/");
      expect(goesOn(await open(other, "/next"))).toBe(true);
      expect(other.marker).toMatch(/^1\.ensured\./);
    });

    it("waits as long as Rollcall says, but not for ever", async () => {
      const calls = fakeEndpoint(bad(503, "paused", { "retry-after": "3600" }), good());
      const browser = wrapped();
      await browser.signIn("user_ada");
      await open(browser, "/");
      vi.setSystemTime(Date.now() + 59_000);
      await open(browser, "/");
      expect(calls).toHaveLength(1);
      vi.setSystemTime(Date.now() + 2000);
      await browser.signIn("user_ada"); // the same session, whose token has been renewed
      await open(browser, "/");
      expect(calls).toHaveLength(2);
    });

    it("is a 503 where the app wants it closed", async () => {
      const calls = fakeEndpoint(refused, refused, good());
      const browser = wrapped({ failure: "closed" });
      await browser.signIn("user_ada");
      for (let i = 0; i < 3; i++) {
        const response = await open(browser, "/");
        expect(response.status).toBe(503);
        expect(response.headers.get("retry-after")).toBe("5");
        expect(response.headers.get("cache-control")).toBe("no-store");
      }
      expect(calls).toHaveLength(2);
      vi.setSystemTime(Date.now() + 5001);
      expect(goesOn(await open(browser, "/"))).toBe(true);
    });

    it.each([
      [409, "conflict", "Another account already uses your e-mail address.", null],
      [404, "user_gone", "This account no longer exists.", null],
      [503, "paused", "Accounts are being looked after right now.", "30"],
    ])("tells people what it is, and to come back where that helps: %d %s", async (status, code, words, later) => {
      fakeEndpoint(bad(status, code, later === null ? {} : { "retry-after": later }));
      const browser = wrapped({ failure: "closed" });
      await browser.signIn("user_ada");
      for (const page of ["/", "/again"]) {
        const response = await open(browser, page);
        expect(response.status).toBe(503);
        expect(response.headers.get("retry-after")).toBe(later);
        expect(await response.text()).toContain(words);
      }
    });

    it("does not tell people of their connection where it is the app's", async () => {
      fakeEndpoint(refused);
      const browser = wrapped({ failure: "closed" });
      await browser.signIn("user_ada");
      expect(await (await open(browser, "/")).text()).toMatch(/^Setting up your account is taking longer than usual/);
    });

    it("can have an answer of the app's own", async () => {
      fakeEndpoint(bad(409, "conflict"));
      const browser = wrapped({
        failure: "closed",
        unavailable: (error) => Response.redirect(`https://app.example.com/sorry?${error.code}`),
      });
      await browser.signIn("user_ada");
      const response = await open(browser, "/");
      expect(response.headers.get("location")).toBe("https://app.example.com/sorry?conflict");
      expect(browser.failed).toMatch(/^1\.conflict\./);
    });

    it("does not redirect the page to itself to which the app sends those whom it stops", async () => {
      fakeEndpoint(bad(409, "conflict"));
      const browser = wrapped({
        failure: "closed",
        unavailable: (error, request) => Response.redirect(new URL(`/sorry?${error.code}`, request.url)),
      });
      await browser.signIn("user_ada");
      expect((await open(browser, "/")).status).toBe(302);
      for (const page of ["/sorry?conflict", "/sorry", "/sorry/"]) {
        expect(goesOn(await open(browser, page))).toBe(true);
      }
      expect((await open(browser, "/sorry/not")).status).toBe(302);
    });

    it("is stopped where the app sends people to the same path of another site", async () => {
      fakeEndpoint(bad(409, "conflict"));
      const unavailable = () => Response.redirect("https://status.example.com/sorry");
      const browser = wrapped({ failure: "closed", unavailable });
      await browser.signIn("user_ada");
      expect((await open(browser, "/sorry")).headers.get("location")).toBe("https://status.example.com/sorry");
    });

    it.each<[string, MiddlewareOptions, string]>([
      ["no address", { url: "" }, "ROLLCALL_URL is not set"],
      ["no secret", { secret: "" }, "less than 32"],
      ["a short secret", { secret: "secret" }, "ROLLCALL_MARKER_SECRET has 6 characters"],
      ["an address that is none", { url: "rollcall:8081" }, "http"],
    ])("because of %s is told, now and then, and lets the request through", async (_, more, words) => {
      const calls = fakeEndpoint();
      const errors: EnsureError[] = [];
      const browser = wrapped({ ...more, onError: (error) => errors.push(error) });
      await browser.signIn("user_ada");
      expect(goesOn(await open(browser, "/"))).toBe(true);
      expect(goesOn(await open(browser, "/"))).toBe(true);
      expect(errors.map((error) => error.code)).toEqual(["misconfigured"]);
      expect(errors[0]?.message).toContain(words);
      expect(calls).toHaveLength(0);
    });

    it("is written to the console where nobody else wants it, without the token", async () => {
      const written = vi.spyOn(console, "error").mockImplementation(() => {});
      fakeEndpoint(refused);
      const browser = new Browser(withRollcall(clerkMiddleware(clerk), { url, secret }));
      await browser.signIn("user_ada");
      await open(browser, "/");
      expect(written.mock.calls).toEqual([
        [
          "rollcall: user_ada was not ensured: network: ensure user: no answer from rollcall.example.com (fetch failed)",
        ],
      ]);
    });
  });

  describe(`an onError that fails on the ${runtime} runtime`, () => {
    const sentry = new Error("Sentry is not there");

    it.each<[string, () => unknown]>([
      [
        "at once",
        () => {
          throw sentry;
        },
      ],
      ["later", () => Promise.reject(sentry)],
    ])("%s spoils no request, and both errors are written to the console", async (_, onError) => {
      const written = vi.spyOn(console, "error").mockImplementation(() => {});
      fakeEndpoint(bad(409, "conflict"));
      const browser = wrapped({ onError });
      await browser.signIn("user_ada");
      expect(goesOn(await open(browser, "/"))).toBe(true);
      expect(written.mock.calls).toEqual([
        ["rollcall: user_ada was not ensured: conflict: ensure user: the message of conflict"],
        ["rollcall: onError failed:", sentry],
      ]);
      const alone = new Browser(withRollcall(() => NextResponse.next(), { ...options, onError }));
      expect(goesOn(await open(alone, "/"))).toBe(true);
      expect(written).toHaveBeenCalledTimes(4);
    });
  });

  describe(`no circle on the ${runtime} runtime`, () => {
    it.each(["https://app.example.com", "https://app.example.com/api/ensure"])(
      "where Rollcall is behind the app's own host: %s",
      async (address) => {
        const calls = fakeEndpoint(good());
        const browser = wrapped({ url: address });
        await browser.signIn("user_ada");
        const headers = { "x-rollcall-ensure": "1" };
        expect(goesOn(await open(browser, "/api/ensure", { headers }))).toBe(true); // a rewrite may lead on
        expect(calls).toHaveLength(0);
        expect(goesOn(await open(browser, "/"))).toBe(true);
        expect(calls).toHaveLength(1);
      },
    );

    it("where the app's host has another name inside", async () => {
      const browser = wrapped({ url: "https://app.example.com" }, "http://localhost:3000");
      await browser.signIn("user_ada");
      fakeEndpoint();
      const headers = { "x-rollcall-ensure": "1", "x-forwarded-host": "app.example.com" };
      expect(goesOn(await open(browser, "/api/ensure", { headers }))).toBe(true);
    });

    it.each(["/somewhere", "/api/rollcall"])("where a proxy leads the address back to the app, to %s", async (path) => {
      const browser = wrapped();
      await browser.signIn("user_ada");
      const calls = fakeEndpoint((call) => browser.open(path, { headers: Object.fromEntries(call.headers) }));
      expect(goesOn(await open(browser, "/"))).toBe(true);
      expect(calls).toHaveLength(1); // and none from within
      expect(reported).toEqual([{ code: "misconfigured", userId: "user_ada" }]);
    });
  });

  describe(`rollcallStep on the ${runtime} runtime`, () => {
    const stepped = (make: () => Response | undefined) =>
      new Browser(
        clerkMiddleware((auth, request) => {
          const response = make();
          return rollcallStep(auth, request, response ? { ...options, response } : options) as Promise<NextResponse>;
        }, clerk) as ConstructorParameters<typeof Browser>[0],
      );

    it("ensures inside a middleware of one's own", async () => {
      const calls = fakeEndpoint(good("created"));
      const browser = stepped(() => undefined);
      await browser.signIn("user_ada");
      expect(goesOn(await open(browser, "/"))).toBe(true);
      await open(browser, "/");
      expect(calls).toHaveLength(1);
      expect(browser.marker).toMatch(/^1\.ensured\./);
    });

    it("adds to the response that it is given", async () => {
      fakeEndpoint(good());
      const browser = stepped(() => NextResponse.rewrite("https://app.example.com/en", { headers: { "x-mine": "1" } }));
      await browser.signIn("user_ada");
      const response = await open(browser, "/");
      expect(response.headers.get("x-mine")).toBe("1");
      expect(response.headers.get("x-middleware-rewrite")).toBe("https://app.example.com/en");
      expect(browser.marker).toBeDefined();
    });

    it("keeps cookies that others have set", async () => {
      fakeEndpoint(good());
      const browser = stepped(() => {
        const response = NextResponse.next();
        response.cookies.set("theme", "dark");
        response.headers.append("set-cookie", "late=1; Path=/");
        return response;
      });
      await browser.signIn("user_ada");
      await open(browser, "/");
      expect([...browser.cookies.keys()]).toEqual(expect.arrayContaining(["theme", "late", "__rollcall"]));
    });
  });
}

/** Lets what is not the clock's come in: a turn of the event loop, by a channel, which both runtimes have. */
function nextTurn(then: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    then();
  };
  port2.postMessage(undefined);
}

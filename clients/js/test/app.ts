import type { NextFetchEvent } from "next/server";
import { NextRequest } from "next/server";
import { sessionCookies } from "./clerk.js";

type Middleware = (request: NextRequest, event: NextFetchEvent) => Promise<Response>;

/** A browser in front of a middleware: it keeps the cookies that it is given. */
export class Browser {
  readonly cookies: Map<string, string> = new Map();
  readonly #middleware: Middleware;
  readonly #origin: string;

  constructor(middleware: Middleware, origin = "https://app.example.com") {
    this.#middleware = middleware;
    this.#origin = origin;
  }

  async signIn(userId: string, sessionId = `sess_${userId}`): Promise<void> {
    this.signOut();
    for (const [name, value] of Object.entries(await sessionCookies(userId, sessionId))) {
      this.cookies.set(name, value);
    }
  }

  signOut(): void {
    this.cookies.delete("__session");
    this.cookies.delete("__client_uat");
  }

  get marker(): string | undefined {
    return this.cookies.get("__rollcall");
  }

  /** The marker of a failure. */
  get failed(): string | undefined {
    return this.cookies.get("__rollcall_failed");
  }

  async open(path: string, init: { headers?: Record<string, string>; method?: string } = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("cookie", [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; "));
    const request = new NextRequest(this.#origin + path, { method: init.method ?? "GET", headers });
    const response = await this.#middleware(request, {} as NextFetchEvent);
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = "", ...attributes] = cookie.split("; ");
      const at = pair.indexOf("=");
      const gone = attributes.some((one) => one.toLowerCase() === "max-age=0");
      if (gone) {
        this.cookies.delete(pair.slice(0, at));
      } else {
        this.cookies.set(pair.slice(0, at), decodeURIComponent(pair.slice(at + 1)));
      }
    }
    return response;
  }
}

/** Whether the response lets the request go on to the app. */
export function goesOn(response: Response): boolean {
  return response.headers.has("x-middleware-rewrite") || response.headers.has("x-middleware-next");
}

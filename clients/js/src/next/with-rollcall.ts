import { getAuth } from "@clerk/nextjs/server";
import { type NextFetchEvent, type NextRequest, NextResponse } from "next/server";
import { EnsureError } from "../error.js";
import { settle } from "./options.js";
import { report } from "./report.js";
import { isForRollcall, isSkipped } from "./skip.js";
import { type Auth, type MiddlewareOptions, rollcallStep } from "./step.js";

// biome-ignore lint/suspicious/noConfusingVoidType: a middleware may return nothing, and Next.js types it so
type Answer = Response | null | undefined | void;

/** A middleware of Next.js, as `clerkMiddleware()` makes one. */
export type Middleware = (request: NextRequest, event: NextFetchEvent) => Answer | Promise<Answer>;

/**
 * Puts the step behind `clerkMiddleware()`: where that lets a request of a signed-in user go on, the user is ensured.
 *
 * ```ts
 * export default withRollcall(clerkMiddleware());
 * ```
 */
export function withRollcall(
  middleware: Middleware,
  options: MiddlewareOptions = {},
): (request: NextRequest, event: NextFetchEvent) => Promise<Response> {
  return async (request, event) => {
    const response = (await middleware(request, event)) ?? NextResponse.next();
    if (!goesOn(request, response)) {
      return response;
    }
    const auth = readAuth(response);
    if (!auth) {
      return withoutClerk(request, response, options);
    }
    return rollcallStep(auth, request, { ...options, response });
  };
}

/** Whether the response lets the request through to the app: the others are answers already. */
function goesOn(request: NextRequest, response: Response): boolean {
  const rewrite = response.headers.get("x-middleware-rewrite");
  if (rewrite !== null) {
    return new URL(rewrite, request.url).origin === request.nextUrl.origin;
  }
  return response.headers.get("x-middleware-next") === "1";
}

/**
 * What Clerk tells the app about the session, read as the app will read it: from the request headers that the response
 * sets, by Clerk's own getAuth, which checks their signature.
 */
function readAuth(response: Response): Auth | undefined {
  const headers = new Headers();
  for (const name of response.headers.get("x-middleware-override-headers")?.split(",") ?? []) {
    const value = response.headers.get(`x-middleware-request-${name.trim()}`);
    if (value !== null) {
      headers.set(name.trim(), value);
    }
  }
  try {
    const auth = getAuth({ headers } as Parameters<typeof getAuth>[0]);
    return () => Promise.resolve(auth);
  } catch {
    return undefined; // no clerkMiddleware has been here
  }
}

function withoutClerk(request: NextRequest, response: Response, options: MiddlewareOptions): Response {
  const settings = settle(options);
  if (!isForRollcall(request, settings.url) && !isSkipped(request, options)) {
    const error = new EnsureError(
      "misconfigured",
      "withRollcall wraps a middleware that is not Clerk's: see its README",
    );
    report(settings, error, { userId: "" });
  }
  return response;
}

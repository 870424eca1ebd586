import { type NextRequest, NextResponse } from "next/server";
import type { EnsureError } from "../error.js";
import { defaultMessages } from "../messages.js";
import { isSecure, withCookie, withoutCookie } from "./cookie.js";
import { keep, markerNames, readMarkers } from "./keeper.js";
import { circle, isCircle } from "./loop.js";
import { type RollcallOptions, settle } from "./options.js";
import { isForRollcall, isHere, isSkipped, type Skip } from "./skip.js";

/** What the middleware knows beside the options that it shares with the layout helper and the route. */
export interface MiddlewareOptions extends RollcallOptions {
  /**
   * What becomes of a request whose user could not be ensured. `open`, the default: it goes on, and a later one tries
   * again. `closed`: it is answered with 503.
   */
  failure?: "open" | "closed";
  /** More requests to leave alone, beside static files and the ensure route. */
  skip?: Skip;
  /** Where the ensure route is; `/api/rollcall`. The middleware leaves it alone. */
  route?: string;
  /**
   * Makes the answer to a request that `failure: "closed"` stops. It may redirect to a page of the app, which is let
   * through: otherwise it would be stopped, and redirected to itself, for ever.
   */
  unavailable?: (error: EnsureError, request: NextRequest) => Response | Promise<Response>;
}

/** What the step needs of Clerk's `auth`. */
export type Auth = () => Promise<{
  userId: string | null;
  sessionId: string | null | undefined;
  getToken: () => Promise<string | null>;
}>;

/** Options of the step, with the response that goes on. */
export interface StepOptions extends MiddlewareOptions {
  /** The response that your middleware has made; `NextResponse.next()` where it is left out. */
  response?: Response;
}

/**
 * The step in a middleware of your own, inside `clerkMiddleware`: ensures the signed-in user once per session and
 * lifetime of the marker, and returns the response to answer with.
 *
 * ```ts
 * export default clerkMiddleware((auth, request) => rollcallStep(auth, request));
 * ```
 */
export async function rollcallStep(auth: Auth, request: NextRequest, options: StepOptions = {}): Promise<Response> {
  const response = options.response ?? NextResponse.next();
  const settings = settle(options);
  if (isForRollcall(request, settings.url)) {
    return response;
  }
  if (isCircle(request.headers)) {
    return circle(); // even where it came to a path that is skipped, as the ensure route: that would ask again
  }
  if (isSkipped(request, options)) {
    return response;
  }
  const secure = isSecure(request);
  const { userId, sessionId, getToken } = await auth();
  if (!userId) {
    const names = Object.values(markerNames(settings)).filter((name) => request.cookies.has(name));
    return names.reduce((answer, name) => withoutCookie(answer, name, secure), response);
  }
  const visit = { userId, sessionId: sessionId ?? "", getToken, markers: readMarkers(request.cookies, settings) };
  const { error, cookie } = await keep(visit, settings, { marker: true });
  let answer = response;
  if (error && options.failure === "closed") {
    const stop = await (options.unavailable ?? unavailable)(error, request);
    answer = leadsHere(stop, request) ? response : stop;
  }
  return cookie ? withCookie(answer, cookie, secure) : answer;
}

/** Whether a redirect leads to the page that is asked for, by whichever of its names. */
function leadsHere(answer: Response, request: NextRequest): boolean {
  const location = answer.headers.get("location");
  return location !== null && URL.canParse(location, request.url) && isHere(new URL(location, request.url), request);
}

/** The answer where nobody made a better one. It asks to come back only where that may help. */
function unavailable(error: EnsureError): Response {
  const { code, temporary, retryAfter = 5000 } = error;
  // The words about the network are for those whose own connection it is.
  const words = defaultMessages[code === "network" ? "unavailable" : code];
  const headers = new Headers({ "cache-control": "no-store", "content-type": "text/plain; charset=utf-8" });
  if (temporary) {
    headers.set("retry-after", String(Math.ceil(retryAfter / 1000)));
  }
  return new Response(`${words}\n`, { status: 503, headers });
}

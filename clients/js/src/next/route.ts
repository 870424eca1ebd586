import { auth } from "@clerk/nextjs/server";
import type { NextRequest } from "next/server";
import { EnsureError, type EnsureErrorCode } from "../error.js";
import { retryHeader } from "../headers.js";
import { isSecure, withCookie } from "./cookie.js";
import { keep, readMarkers } from "./keeper.js";
import { circle, isCircle } from "./loop.js";
import { type RollcallOptions, settle } from "./options.js";

/**
 * The route that the React hook calls: same origin, by the session's own cookie, so that the browser never sends a token
 * anywhere else.
 *
 * ```ts
 * // app/api/rollcall/route.ts
 * export const { POST } = createEnsureRoute();
 * ```
 */
export function createEnsureRoute(options: RollcallOptions = {}): {
  POST: (request: NextRequest) => Promise<Response>;
} {
  return {
    async POST(request) {
      if (isCircle(request.headers)) {
        return circle();
      }
      const { userId, sessionId, getToken } = await auth();
      if (!userId) {
        return tell(new EnsureError("invalid_token", "nobody is signed in"));
      }
      const settings = settle(options);
      const markers = readMarkers(request.cookies, settings);
      const visit = { userId, sessionId, getToken: () => getToken(), markers };
      const outcome = await keep(visit, settings, { marker: false, now: request.headers.has(retryHeader) });
      const response = outcome.error
        ? tell(outcome.error)
        : Response.json({ status: outcome.status, user_id: userId }, answer);
      return outcome.cookie ? withCookie(response, outcome.cookie, isSecure(request)) : response;
    },
  };
}

const answer = { headers: { "cache-control": "no-store" } };

/** The statuses with which Rollcall answers, for an error that is told again from memory too. */
const statuses: Partial<Record<EnsureErrorCode, number>> = {
  invalid_token: 401,
  user_gone: 404,
  conflict: 409,
  soft_deleted: 409,
  rejected: 422,
  rate_limited: 429,
  unavailable: 503,
  paused: 503,
};

/** An error as Rollcall would tell it. What is wrong between the app and Rollcall is in the app's log. */
function tell({ code, message, retryAfter }: EnsureError): Response {
  const headers = new Headers(answer.headers);
  if (retryAfter !== undefined) {
    headers.set("retry-after", String(Math.ceil(retryAfter / 1000)));
  }
  const status = statuses[code];
  const error = status ? { code, message } : { code: "unavailable", message: "Rollcall could not be asked" };
  return Response.json({ error }, { status: status ?? 503, headers });
}

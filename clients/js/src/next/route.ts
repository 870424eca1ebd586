import { auth } from "@clerk/nextjs/server";
import type { NextRequest } from "next/server";
import { EnsureError } from "../error.js";
import { isSecure, withCookie } from "./cookie.js";
import { ensureNow, type Outcome, readVerdict } from "./keeper.js";
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
        return tell(new EnsureError("invalid_token", "nobody is signed in", { status: 401 }));
      }
      const settings = settle(options);
      const marker = request.cookies.get(settings.cookie)?.value;
      const visit = { userId, sessionId, getToken: () => getToken(), marker };
      const outcome: Outcome =
        (await readVerdict(visit, settings)) === "ensured"
          ? { status: "present" }
          : await ensureNow(visit, settings, { marker: false });
      const response = outcome.error
        ? tell(outcome.error)
        : Response.json({ status: outcome.status, user_id: userId }, answer);
      return outcome.cookie ? withCookie(response, settings.cookie, outcome.cookie, isSecure(request)) : response;
    },
  };
}

const answer = { headers: { "cache-control": "no-store" } };

/** An error as Rollcall would tell it. What is wrong between the app and Rollcall is in the app's log. */
function tell(error: EnsureError): Response {
  const answered = error.status !== undefined && (error.aboutUser || error.temporary);
  const code = answered ? error.code : "unavailable";
  const headers = new Headers(answer.headers);
  if (error.retryAfter !== undefined) {
    headers.set("retry-after", String(Math.ceil(error.retryAfter / 1000)));
  }
  const message = answered ? error.message : "Rollcall could not be asked";
  return Response.json({ error: { code, message } }, { status: answered ? (error.status ?? 503) : 503, headers });
}

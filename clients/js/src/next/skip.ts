import type { NextRequest } from "next/server";
import { endpoint } from "../ensure.js";

/** Requests to leave alone: patterns on the path (a text is a prefix of it), or a function. */
export type Skip = readonly (string | RegExp)[] | ((request: NextRequest) => boolean);

/** The files that Clerk's own matcher leaves out. A dot alone is no sign of a file: names of people have some. */
const file =
  /\.(?:html?|css|m?js|map|xml|txt|jpe?g|webp|avif|png|gif|svg|ico|ttf|otf|woff2?|csv|pdf|docx?|xlsx?|zip|mp[34]|webm|wasm|webmanifest)$/i;

/** Where the ensure route is unless it was put elsewhere. */
export const defaultRoute = "/api/rollcall";

/** Whether the middleware leaves a request alone: static files, the ensure route, `skip`. */
export function isSkipped(
  request: NextRequest,
  { skip = [], route = defaultRoute }: { skip?: Skip; route?: string },
): boolean {
  const { pathname } = request.nextUrl;
  if (pathname.startsWith("/_next/") || file.test(pathname) || bare(pathname) === bare(route)) {
    return true;
  }
  if (typeof skip === "function") {
    return skip(request);
  }
  // search, and not test: that one goes on from where the last match of a /g pattern ended.
  return skip.some((one) => (typeof one === "string" ? pathname.startsWith(one) : pathname.search(one) >= 0));
}

/**
 * Whether a request is for Rollcall's own address: on the app's host, a rewrite may lead from there to Rollcall, and then
 * our own requests pass here on their way.
 */
export function isForRollcall(request: NextRequest, rollcall: string | undefined): boolean {
  if (!rollcall) {
    return false;
  }
  try {
    return isHere(new URL(endpoint(rollcall)), request);
  } catch {
    return false; // no address: whoever asks will say so
  }
}

/** Whether the address is that of the request, by whichever of the app's names. */
export function isHere(there: URL, request: NextRequest): boolean {
  const here = new URL(request.url);
  const hosts = [here.host, request.headers.get("host"), request.headers.get("x-forwarded-host")];
  return bare(there.pathname) === bare(here.pathname) && hosts.includes(there.host);
}

/** A path without the slash at its end, which Next.js may want there (`trailingSlash`) or not. */
function bare(path: string): string {
  return path.replace(/\/+$/, "");
}

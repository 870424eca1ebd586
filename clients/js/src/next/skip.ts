import type { NextRequest } from "next/server";

/** Requests to leave alone: patterns on the path (a text is a prefix of it), or a function. */
export type Skip = readonly (string | RegExp)[] | ((request: NextRequest) => boolean);

/** The files that Clerk's own matcher leaves out. A dot alone is no sign of a file: names of people have some. */
const file =
  /\.(?:html?|css|m?js|map|xml|txt|jpe?g|webp|avif|png|gif|svg|ico|ttf|otf|woff2?|csv|pdf|docx?|xlsx?|zip|mp[34]|webm|wasm|webmanifest)$/i;

/** Where the ensure route is unless it was put elsewhere. */
export const defaultRoute = "/api/rollcall";

/** Whether the middleware leaves a request alone: static files, the ensure route, Rollcall's own address, `skip`. */
export function isSkipped(
  request: NextRequest,
  { skip = [], route = defaultRoute }: { skip?: Skip; route?: string },
  rollcall: string | undefined,
): boolean {
  const { pathname, host } = request.nextUrl;
  if (pathname.startsWith("/_next/") || file.test(pathname) || pathname === route) {
    return true;
  }
  if (rollcall !== undefined && URL.canParse(rollcall)) {
    const url = new URL(rollcall);
    if (url.host === host && url.pathname === pathname) {
      return true;
    }
  }
  if (typeof skip === "function") {
    return skip(request);
  }
  return skip.some((one) => (typeof one === "string" ? pathname.startsWith(one) : one.test(pathname)));
}

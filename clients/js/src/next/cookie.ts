import { type NextRequest, NextResponse } from "next/server";

/** Adds a cookie that no script can read, for the whole site. */
export function withCookie(
  response: Response,
  { name, value, lifetime }: { name: string; value: string; lifetime: number },
  secure: boolean,
): Response {
  const scratch = NextResponse.next();
  const maxAge = Math.max(1, Math.round(lifetime / 1000));
  scratch.cookies.set(name, value, { httpOnly: true, secure, sameSite: "lax", path: "/", maxAge });
  return withCookiesOf(response, scratch);
}

/** Has the browser forget a cookie. */
export function withoutCookie(response: Response, name: string, secure: boolean): Response {
  const scratch = NextResponse.next();
  scratch.cookies.set(name, "", { httpOnly: true, secure, sameSite: "lax", path: "/", maxAge: 0 });
  return withCookiesOf(response, scratch);
}

/**
 * Copies the cookie headers that Next.js itself made: the browser's, and the one by which a page that is rendered for
 * this very request sees the cookie. The response's own `cookies` would drop what others, as Clerk, have appended.
 */
function withCookiesOf(response: Response, scratch: NextResponse): Response {
  const changed = isFrozen(response) ? new Response(response.body, response) : response;
  scratch.headers.forEach((value, name) => {
    if (name.endsWith("set-cookie")) {
      changed.headers.append(name, value);
    }
  });
  return changed;
}

/** Whether the headers cannot be changed, as those of Response.redirect() and of fetch. */
function isFrozen(response: Response): boolean {
  try {
    response.headers.delete("x-rollcall-none");
    return false;
  } catch {
    return true;
  }
}

/** Whether the browser speaks https, to a proxy perhaps. */
export function isSecure(request: NextRequest): boolean {
  const forwarded = request.headers.get("x-forwarded-proto")?.split(",")[0]?.trim();
  return (forwarded ?? request.nextUrl.protocol.replace(":", "")) === "https";
}

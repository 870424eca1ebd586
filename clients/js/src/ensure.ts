import { type EnsureResult, readResult } from "./answer.js";
import { ask } from "./ask.js";
import { EnsureError } from "./error.js";
import { together } from "./flights.js";

/** How to ensure a user. */
export interface EnsureOptions {
  /** The user's Clerk session token. It is sent to `url` alone, and never logged. */
  token: string;
  /** Rollcall's public listener (`https://rollcall.example.com`), or the endpoint itself where its path is another. */
  url: string | URL;
  /** Milliseconds in all, one retry included; 1500 where it is left out. */
  timeout?: number | undefined;
  /** Ends this call's wait. The request itself ends when nobody waits for it any more. */
  signal?: AbortSignal | undefined;
  /**
   * The user's id, if you have verified the token yourself. Calls for one user then share a request whatever their
   * tokens; without it, calls with one token do.
   */
  userId?: string | undefined;
}

/** How long a call may take where nobody says otherwise, in milliseconds. */
export const defaultTimeout = 1500;

/** Of what characters Clerk's tokens are, as all JWTs. */
const tokenLike = /^[\w.-]+$/;

/**
 * Makes sure that the user of a session token has a row: Rollcall verifies the token, looks for the row, and inserts it
 * from Clerk's own data if it is missing. It throws an EnsureError where it could not.
 *
 * It is idempotent, and cheap to call at once from many places: one request per user is under way at a time.
 */
export async function ensureUser(options: EnsureOptions): Promise<EnsureResult> {
  return ensureFrom(options, {});
}

/** ensureUser with more headers. Browsers would ask Rollcall before they sent one, so ensureUser itself has none. */
export async function ensureFrom(options: EnsureOptions, headers: Record<string, string>): Promise<EnsureResult> {
  const { token, signal, userId, timeout = defaultTimeout } = options;
  if (!token) {
    throw new EnsureError("invalid_token", "ensure user: there is no session token");
  }
  if (!tokenLike.test(token)) {
    // fetch would refuse it too, with an error that shows it to the log
    throw new EnsureError("invalid_token", "ensure user: what was passed as a session token is none");
  }
  if (!(timeout > 0)) {
    throw new EnsureError("misconfigured", `ensure user: timeout ${timeout}: use milliseconds, more than 0`);
  }
  const url = endpoint(options.url);
  const start = (signal: AbortSignal | undefined) =>
    ask({
      url,
      read: readResult,
      headers: { ...headers, authorization: `Bearer ${token}` },
      timeout,
      redirect: "manual",
      retries: ({ temporary }) => temporary,
      signal,
    });
  if (!canShare()) {
    return start(signal);
  }
  const alone = `${timeout} ${url} token ${token}`;
  if (userId === undefined) {
    return together(alone, signal, start);
  }
  let mine = false;
  try {
    return await together(`${timeout} ${url} user ${userId}`, signal, (shared) => {
      mine = true;
      return start(shared);
    });
  } catch (error) {
    if (!mine && error instanceof EnsureError && error.code === "invalid_token") {
      return together(alone, signal, start); // the other call's token was at fault, and may not be ours
    }
    throw error;
  }
}

/** The address of the endpoint. An address without a path is that of Rollcall's public listener. */
export function endpoint(address: string | URL): string {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new EnsureError("misconfigured", `ensure user: url ${JSON.stringify(address)} is not one`);
  }
  if ((url.protocol !== "https:" && url.protocol !== "http:") || url.username !== "" || url.password !== "") {
    throw new EnsureError("misconfigured", "ensure user: url: use http:// or https://, without a user in it");
  }
  if (url.pathname === "/") {
    url.pathname = "/api/ensure";
  }
  return url.href;
}

/** Cloudflare's workers forbid one request to wait for what another one started. */
function canShare(): boolean {
  return globalThis.navigator?.userAgent !== "Cloudflare-Workers";
}

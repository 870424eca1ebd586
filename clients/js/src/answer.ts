import { EnsureError, isAnswered } from "./error.js";

/** What Rollcall did about a user. */
export interface EnsureResult {
  /** `present`: the row was there. `created`: it was missing, and this call, or another just now, inserted it. */
  status: "present" | "created";
  created: boolean;
  /** Clerk's id of the user. */
  userId: string;
  /** The column of your table that holds Clerk's ids, and the value in it. */
  key: { column: string; value: string };
}

/**
 * Reads an answer of `POST /api/ensure`. Only what Rollcall itself says is believed: a 404 of some proxy is no
 * `user_gone`, and a friendly page with status 200 ensured nobody. `read` makes the result of a good answer's body, or
 * undefined where it is not one.
 */
export async function readAnswer<T>(response: Response, read: (body: unknown) => T | undefined): Promise<T> {
  const body = parse(await response.text());
  const result = response.status === 200 ? read(body) : undefined;
  if (result === undefined) {
    throw readError(response, body);
  }
  return result;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Rollcall's result, if the body is one. */
export function readResult(body: unknown): EnsureResult | undefined {
  if (!isObject(body) || !isObject(body.key)) {
    return undefined;
  }
  const { status, user_id: userId } = body;
  const { column, value } = body.key;
  if (
    (status !== "present" && status !== "created") ||
    typeof userId !== "string" ||
    typeof column !== "string" ||
    typeof value !== "string"
  ) {
    return undefined;
  }
  return { status, created: status === "created", userId, key: { column, value } };
}

function readError(response: Response, body: unknown): EnsureError {
  const { status } = response;
  const details = { status, retryAfter: readRetryAfter(response.headers.get("retry-after")) };
  if (isObject(body) && isObject(body.error) && isAnswered(body.error.code)) {
    return new EnsureError(body.error.code, `ensure user: ${String(body.error.message)}`, details);
  }
  if (status === 429) {
    return new EnsureError("rate_limited", "ensure user: too many requests", details);
  }
  if (status === 508) {
    return new EnsureError("misconfigured", "ensure user: the URL leads back to the app that asks (508)", details);
  }
  if (status >= 500) {
    return new EnsureError("unavailable", `ensure user: the answer is ${status}`, details);
  }
  // A redirect that is not followed has status 0 in browsers.
  return new EnsureError(
    "bad_response",
    `ensure user: the answer (status ${status}) is not Rollcall's: does the URL lead to its public listener?`,
    details,
  );
}

/** Retry-After in milliseconds: seconds or a date. */
function readRetryAfter(value: string | null): number | undefined {
  if (value === null || value.trim() === "") {
    return undefined;
  }
  const seconds = Number(value);
  const ms = Number.isNaN(seconds) ? Date.parse(value) - Date.now() : seconds * 1000;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** Whether the value has fields. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/**
 * Why a user could not be ensured.
 *
 * About the user, as Rollcall answers: `invalid_token` (bad, expired, or of another party), `user_gone` (Clerk does not
 * have the user), `conflict` (another row holds a unique value, such as the e-mail address), `soft_deleted` (the row is
 * there, marked as deleted), `rejected` (the database refuses this row).
 *
 * About Rollcall, as it answers: `rate_limited`, `unavailable`, `paused`.
 *
 * About the way to it: `network` (no answer), `timeout`, `bad_response` (an answer, but not Rollcall's), `aborted` (the
 * caller's signal), `misconfigured` (the options of the call).
 */
export type EnsureErrorCode = UserCode | ServiceCode | WayCode;

type UserCode = "invalid_token" | "user_gone" | "conflict" | "soft_deleted" | "rejected";
type ServiceCode = "rate_limited" | "unavailable" | "paused";
type WayCode = "network" | "timeout" | "bad_response" | "aborted" | "misconfigured";

const userCodes: ReadonlySet<string> = new Set<UserCode>([
  "invalid_token",
  "user_gone",
  "conflict",
  "soft_deleted",
  "rejected",
]);

const serviceCodes: ReadonlySet<string> = new Set<ServiceCode>(["rate_limited", "unavailable", "paused"]);

const wayCodes: ReadonlySet<string> = new Set<WayCode>([
  "network",
  "timeout",
  "bad_response",
  "aborted",
  "misconfigured",
]);

/** What an EnsureError knows beside its code and its words. */
export interface EnsureErrorDetails {
  /** The HTTP status, where there was an answer. */
  status?: number | undefined;
  /** When Rollcall said to ask again, in milliseconds from then. */
  retryAfter?: number | undefined;
  cause?: unknown;
}

/** The one error that this package throws on purpose. `code` tells what happened; the message is for the log. */
export class EnsureError extends Error {
  override readonly name = "EnsureError";
  readonly code: EnsureErrorCode;
  readonly status: number | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: EnsureErrorCode, message: string, details: EnsureErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.retryAfter = details.retryAfter;
  }

  /** Whether the same call may succeed later, without anybody doing anything about it. */
  get temporary(): boolean {
    return serviceCodes.has(this.code) || this.code === "network" || this.code === "timeout";
  }

  /** Whether it is this user's trouble alone: for the next one, Rollcall may well do. */
  get aboutUser(): boolean {
    return userCodes.has(this.code) || this.code === "rate_limited" || this.code === "aborted";
  }
}

/** Whether Rollcall answers with this code. */
export function isAnswered(code: unknown): code is UserCode | ServiceCode {
  return typeof code === "string" && (userCodes.has(code) || serviceCodes.has(code));
}

/** Whether it is one of the codes above. */
export function isCode(code: unknown): code is EnsureErrorCode {
  return isAnswered(code) || (typeof code === "string" && wayCodes.has(code));
}

/** The error as an EnsureError; what is none already failed on its way, `from` somewhere perhaps. */
export function asEnsureError(error: unknown, from = ""): EnsureError {
  if (error instanceof EnsureError) {
    return error;
  }
  const why = reasonOf(error);
  return new EnsureError("network", `ensure user: no answer${from}${why && ` (${why})`}`, { cause: error });
}

/** Why fetch failed: it wraps the error that knows, such as ECONNREFUSED, in one that says "fetch failed". */
function reasonOf(error: unknown): string {
  let [code, reason] = ["", ""];
  // Not instanceof: in Next.js' edge runtime these may be another realm's errors.
  let one = error as { message?: unknown; code?: unknown; cause?: unknown } | null | undefined;
  for (let depth = 0; typeof one === "object" && one !== null && depth < 5; depth++) {
    reason = typeof one.message === "string" ? one.message : reason;
    code = typeof one.code === "string" ? one.code : code;
    one = one.cause as typeof one;
  }
  return code || reason;
}

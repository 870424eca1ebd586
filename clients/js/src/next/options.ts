import { defaultTimeout } from "../ensure.js";
import { EnsureError } from "../error.js";

/** What middleware, layout helper and route have in common. All of it can be left out. */
export interface RollcallOptions {
  /** Rollcall's public listener, or its ensure endpoint; `ROLLCALL_URL` where it is left out. */
  url?: string;
  /** What markers are signed with, 32 characters or more; `ROLLCALL_MARKER_SECRET` where it is left out. */
  secret?: string;
  /** How long a call to Rollcall may take, in milliseconds; 1500. */
  timeout?: number;
  /** How long a marker, and so a user's row, is trusted, in milliseconds; an hour. */
  lifetime?: number;
  /** How long nobody asks again after a failure, in milliseconds; 5000. A longer Retry-After counts, up to a minute. */
  backoff?: number;
  /** The marker's name; `__rollcall`. */
  cookie?: string;
  /** Is told of each failed call; it writes to console.error where it is left out. It may fail, and be async. */
  onError?: (error: EnsureError, context: ErrorContext) => unknown;
}

/** Whose request it was. */
export interface ErrorContext {
  userId: string;
}

/** The options, with what was left out filled in. */
export interface Settings {
  url: string | undefined;
  secret: string | undefined;
  timeout: number;
  lifetime: number;
  backoff: number;
  cookie: string;
  onError: (error: EnsureError, context: ErrorContext) => unknown;
}

/** Fills in what was left out. The environment is read at each call: it may be there at run time alone. */
export function settle(options: RollcallOptions): Settings {
  return {
    url: options.url ?? process.env.ROLLCALL_URL,
    secret: options.secret ?? process.env.ROLLCALL_MARKER_SECRET,
    timeout: options.timeout ?? defaultTimeout,
    lifetime: options.lifetime ?? 60 * 60 * 1000,
    backoff: options.backoff ?? 5000,
    cookie: options.cookie ?? "__rollcall",
    onError: options.onError ?? writeError,
  };
}

/** A secret shorter than this could be guessed from a marker. */
const minSecret = 32;

/** The secret, if it is one to sign with. */
export function usableSecret({ secret }: Settings): string | undefined {
  return secret !== undefined && secret.length >= minSecret ? secret : undefined;
}

/** The address to ask. It throws a misconfigured error where that, or the secret, is not as it must be. */
export function check(settings: Settings, needs: { marker: boolean }): string {
  const make = "make one with: openssl rand -base64 32";
  if (!settings.url) {
    throw new EnsureError("misconfigured", "ROLLCALL_URL is not set: it is the address of Rollcall's public listener");
  }
  if (settings.secret === undefined && needs.marker) {
    throw new EnsureError("misconfigured", `ROLLCALL_MARKER_SECRET is not set: ${make}`);
  }
  if (settings.secret !== undefined && settings.secret.length < minSecret) {
    const { length } = settings.secret;
    throw new EnsureError(
      "misconfigured",
      `ROLLCALL_MARKER_SECRET has ${length} characters, less than ${minSecret}: ${make}`,
    );
  }
  return settings.url;
}

/** The onError of who has none. */
export function writeError(error: EnsureError, { userId }: ErrorContext): void {
  console.error(`rollcall: ${userId} was not ensured: ${error.code}: ${error.message}`);
}

import { ensureFrom } from "../ensure.js";
import { asEnsureError, EnsureError, type EnsureErrorCode } from "../error.js";
import { loopHeader } from "../headers.js";
import { Breaker } from "./breaker.js";
import { type Opened, openMarker, type Session, sealMarker, type Verdict } from "./marker.js";
import { check, type Settings, usableSecret } from "./options.js";
import { Recent } from "./recent.js";
import { report } from "./report.js";

/** A session whose user may need a row. */
export interface Visit extends Session {
  getToken: () => Promise<string | null>;
  markers: Markers;
}

/** The markers that came with a request. */
export interface Markers {
  ensured: string | undefined;
  failed: string | undefined;
}

/** What came of a visit: the user has a row, or an error. */
export interface Outcome {
  status: "present" | "created" | "failed";
  error?: EnsureError;
  /** The marker to set, where there is something new to say. */
  cookie?: { name: string; value: string; lifetime: number };
}

/** How a visit is kept. */
export interface Needs {
  /** Whether it is an error that there is no secret to sign markers with. */
  marker: boolean;
  /** Whether to ask whatever failed a moment ago: somebody has pressed a button. */
  now?: boolean;
}

/** How many sessions a process remembers. */
const remembered = 10_000;

/** A longer Retry-After than this is not waited for, in milliseconds. */
const longestBackoff = 60_000;

// An app has one Rollcall, and so a process has one of each.
const recent = new Recent(remembered);
const failures = new Recent<Opened>(remembered);
const verified = new Recent(remembered);
const breaker = new Breaker();

/** Forgets what the process has learnt; for tests. */
export function forgetAll(): void {
  recent.forget();
  failures.forget();
  verified.forget();
  breaker.succeeded();
}

/**
 * The names of the two markers. A failure has a cookie of its own: of two first requests at once, to two processes, the
 * one that failed may be answered last, and must not take away what the other one has.
 */
export function markerNames({ cookie }: Settings): Record<keyof Markers, string> {
  return { ensured: cookie, failed: `${cookie}_failed` };
}

/** The markers among a request's cookies. */
export function readMarkers(
  cookies: { get: (name: string) => { value: string } | undefined },
  settings: Settings,
): Markers {
  const { ensured, failed } = markerNames(settings);
  return { ensured: cookies.get(ensured)?.value, failed: cookies.get(failed)?.value };
}

/**
 * Ensures the visit's user, unless its marker, or this process, knows the answer. That there is a row outranks that
 * something failed. After a failure nobody asks for a while: the outcome is then the same error again, which is not
 * reported a second time. It throws nothing.
 */
export async function keep(visit: Visit, settings: Settings, needs: Needs): Promise<Outcome> {
  if (await isMarked(visit, settings)) {
    return { status: "present" };
  }
  const ensured = recent.get(keyOf(visit), Date.now());
  if (ensured) {
    return { status: "present", ...(await mark(visit, settings, "ensured", ensured.expires)) };
  }
  if (!needs.now) {
    const failure = (await readFailure(visit, settings)) ?? failures.get(keyOf(visit), Date.now());
    if (failure && failure.verdict !== "ensured") {
      return failedBefore(failure.verdict, failure.expires);
    }
    const now = Date.now();
    if (!breaker.enter(now, now + settings.timeout + settings.backoff)) {
      return failedBefore("unavailable");
    }
  }
  return ensureNow(visit, settings, needs);
}

async function ensureNow(visit: Visit, settings: Settings, needs: Needs): Promise<Outcome> {
  try {
    const url = check(settings, needs);
    const token = (await visit.getToken()) ?? "";
    const options = { token, url, timeout: settings.timeout, userId: visit.userId };
    const { status } = await ensureFrom(options, { [loopHeader]: "1" });
    breaker.succeeded();
    const expires = Date.now() + settings.lifetime;
    recent.add(keyOf(visit), { expires });
    return { status, ...(await mark(visit, settings, "ensured", expires)) };
  } catch (caught) {
    const error = asEnsureError(caught);
    const expires = Date.now() + Math.min(Math.max(settings.backoff, error.retryAfter ?? 0), longestBackoff);
    if (!error.aboutUser) {
      breaker.failed(expires);
    } else if (error.status === undefined) {
      breaker.left(); // nobody was asked
    } else {
      breaker.succeeded(); // an answer, if not the one that was hoped for
    }
    failures.add(keyOf(visit), { verdict: error.code, expires });
    report(settings, error, { userId: visit.userId });
    return { status: "failed", error, ...(await mark(visit, settings, error.code, expires)) };
  }
}

/** The error of a moment ago. */
function failedBefore(code: EnsureErrorCode, until?: number): Outcome {
  const retryAfter = until === undefined ? undefined : Math.max(0, until - Date.now());
  const message = "ensure user: it failed a moment ago, and is not tried again yet";
  return { status: "failed", error: new EnsureError(code, message, { retryAfter }) };
}

/**
 * Whether the visit's marker says that there is a row. A good one that comes again is not verified again: Web Crypto works
 * in another thread, and the way there takes longer than the work.
 */
async function isMarked(visit: Visit, settings: Settings): Promise<boolean> {
  const secret = usableSecret(settings);
  const marker = visit.markers.ensured;
  if (marker === undefined || secret === undefined) {
    return false;
  }
  const now = Date.now();
  const known = JSON.stringify([secret, visit.userId, visit.sessionId, marker]);
  if (verified.get(known, now)) {
    return true;
  }
  const opened = await openMarker(secret, visit, marker, now);
  if (opened?.verdict !== "ensured") {
    return false;
  }
  verified.add(known, opened);
  return true;
}

/** What the visit's marker of a failure says. */
async function readFailure(visit: Visit, settings: Settings): Promise<Opened | undefined> {
  const secret = usableSecret(settings);
  const marker = visit.markers.failed;
  return marker === undefined || secret === undefined ? undefined : openMarker(secret, visit, marker, Date.now());
}

async function mark(
  session: Session,
  settings: Settings,
  verdict: Verdict,
  expires: number,
): Promise<Pick<Outcome, "cookie">> {
  const secret = usableSecret(settings);
  if (secret === undefined) {
    return {};
  }
  const lifetime = expires - Date.now();
  const name = markerNames(settings)[verdict === "ensured" ? "ensured" : "failed"];
  return { cookie: { name, value: await sealMarker(secret, session, verdict, expires), lifetime } };
}

function keyOf({ userId, sessionId }: Session): string {
  return `${userId} ${sessionId}`;
}

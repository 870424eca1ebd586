import { ensureFrom } from "../ensure.js";
import { asEnsureError, EnsureError } from "../error.js";
import { loopHeader } from "../headers.js";
import { Breaker } from "./breaker.js";
import { openMarker, type Session, sealMarker, type Verdict } from "./marker.js";
import { check, type Settings, usableSecret } from "./options.js";
import { Recent } from "./recent.js";
import { report } from "./report.js";

/** A session whose user may need a row. */
export interface Visit extends Session {
  getToken: () => Promise<string | null>;
  /** The marker that came with the request. */
  marker: string | undefined;
}

/** What came of a visit: the user has a row, or an error. */
export interface Outcome {
  status: "present" | "created" | "failed";
  error?: EnsureError;
  /** The marker to set, where there is something new to say. */
  cookie?: { value: string; lifetime: number };
}

/** How many sessions a process remembers. */
const remembered = 10_000;

/** A longer Retry-After than this is not waited for, in milliseconds. */
const longestBackoff = 60_000;

// An app has one Rollcall, and so a process has one of each.
const recent = new Recent(remembered);
const verified = new Recent(remembered);
const breaker = new Breaker();

/** Forgets what the process has learnt; for tests. */
export function forgetAll(): void {
  recent.forget();
  verified.forget();
  breaker.succeeded();
}

/**
 * Ensures the visit's user, unless its marker, or this process, knows the answer. After a failure nobody asks for a
 * while: the outcome is then the same error again, which is not reported a second time.
 */
export async function keep(visit: Visit, settings: Settings, needs: { marker: boolean }): Promise<Outcome> {
  const verdict = await readVerdict(visit, settings);
  if (verdict === "ensured") {
    return { status: "present" };
  }
  if (verdict !== undefined) {
    const error = new EnsureError(verdict, "ensure user: it failed a moment ago, and is not tried again yet");
    return { status: "failed", error };
  }
  if (recent.has(keyOf(visit), Date.now())) {
    return { status: "present", ...(await mark(visit, settings, "ensured", settings.lifetime)) };
  }
  if (!breaker.enter(Date.now())) {
    const error = new EnsureError(
      "unavailable",
      "ensure user: Rollcall failed a moment ago, and is not asked again yet",
    );
    return { status: "failed", error };
  }
  return ensureNow(visit, settings, needs);
}

/** Ensures the visit's user whatever happened a moment ago: somebody has pressed a button. It throws nothing. */
export async function ensureNow(visit: Visit, settings: Settings, needs: { marker: boolean }): Promise<Outcome> {
  try {
    const url = check(settings, needs);
    const token = (await visit.getToken()) ?? "";
    const options = { token, url, timeout: settings.timeout, userId: visit.userId };
    const { status } = await ensureFrom(options, { [loopHeader]: "1" });
    breaker.succeeded();
    recent.add(keyOf(visit), Date.now() + settings.lifetime);
    return { status, ...(await mark(visit, settings, "ensured", settings.lifetime)) };
  } catch (caught) {
    const error = asEnsureError(caught);
    const backoff = Math.min(Math.max(settings.backoff, error.retryAfter ?? 0), longestBackoff);
    if (!error.aboutUser) {
      breaker.failed(Date.now() + backoff);
    } else if (error.status === undefined) {
      breaker.left(); // nobody was asked
    } else {
      breaker.succeeded(); // an answer, if not the one that was hoped for
    }
    report(settings, error, { userId: visit.userId });
    return { status: "failed", error, ...(await mark(visit, settings, error.code, backoff)) };
  }
}

/**
 * What the visit's marker says, if it is this session's. A good one that comes again is not verified again: Web Crypto
 * works in another thread, and the way there takes longer than the work.
 */
export async function readVerdict(visit: Visit, settings: Settings): Promise<Verdict | undefined> {
  const secret = usableSecret(settings);
  if (visit.marker === undefined || secret === undefined) {
    return undefined;
  }
  const now = Date.now();
  const known = JSON.stringify([secret, visit.userId, visit.sessionId, visit.marker]);
  if (verified.has(known, now)) {
    return "ensured";
  }
  const opened = await openMarker(secret, visit, visit.marker, now);
  if (opened?.verdict === "ensured") {
    verified.add(known, opened.expires);
  }
  return opened?.verdict;
}

async function mark(
  session: Session,
  settings: Settings,
  verdict: Verdict,
  lifetime: number,
): Promise<Pick<Outcome, "cookie">> {
  const secret = usableSecret(settings);
  if (secret === undefined) {
    return {};
  }
  return { cookie: { value: await sealMarker(secret, session, verdict, Date.now() + lifetime), lifetime } };
}

function keyOf({ userId, sessionId }: Session): string {
  return `${userId} ${sessionId}`;
}

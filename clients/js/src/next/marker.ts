import { type EnsureErrorCode, isCode } from "../error.js";

/** A signed-in session, as Clerk has verified it. */
export interface Session {
  userId: string;
  sessionId: string;
}

/** What a marker says: the user has a row, or, for a short while, why Rollcall could not see to it. */
export type Verdict = "ensured" | EnsureErrorCode;

/**
 * Makes the value of a marker: `1.verdict.expiry.mac`. It is worth nothing to another user or session, whose ids are
 * signed but not told.
 */
export async function sealMarker(secret: string, session: Session, verdict: Verdict, expires: number): Promise<string> {
  const until = Math.floor(expires).toString(36);
  const mac = await crypto.subtle.sign("HMAC", await importKey(secret), message(session, verdict, until));
  return `1.${verdict}.${until}.${encode(new Uint8Array(mac))}`;
}

/** What a good marker says, and until when. */
export interface Opened {
  verdict: Verdict;
  expires: number;
}

/** Reads a marker: undefined where it is expired, forged, or another session's. */
export async function openMarker(
  secret: string,
  session: Session,
  value: string,
  now: number,
): Promise<Opened | undefined> {
  const [version, verdict, until, mac, ...more] = value.split(".", 5);
  if (version !== "1" || !isVerdict(verdict) || !until || !mac || more.length > 0) {
    return undefined;
  }
  const signature = decode(mac);
  const expires = Number.parseInt(until, 36);
  if (!(expires > now) || signature === undefined) {
    return undefined;
  }
  // verify compares in constant time.
  const key = await importKey(secret);
  const good = await crypto.subtle.verify("HMAC", key, signature, message(session, verdict, until));
  return good ? { verdict, expires } : undefined;
}

function isVerdict(text: string | undefined): text is Verdict {
  return text === "ensured" || isCode(text);
}

const utf8 = new TextEncoder();

/** What is signed: a form in which no two different contents look alike. */
function message(session: Session, verdict: Verdict, until: string): Uint8Array<ArrayBuffer> {
  return utf8.encode(JSON.stringify(["rollcall marker", 1, verdict, until, session.userId, session.sessionId]));
}

let imported: { secret: string; key: Promise<CryptoKey> } | undefined;

/** An app has one secret: its key is imported once. */
function importKey(secret: string): Promise<CryptoKey> {
  if (imported?.secret !== secret) {
    const usages: KeyUsage[] = ["sign", "verify"];
    const key = crypto.subtle.importKey("raw", utf8.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, usages);
    imported = { secret, key };
  }
  return imported.key;
}

function encode(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function decode(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}

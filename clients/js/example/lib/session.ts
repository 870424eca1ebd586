/** A session that the simulated Clerk has begun. */
interface Session {
  jwt: string;
  session_id: string;
}

/**
 * THE STAND-IN for Clerk's Frontend API: has the simulator begin a session, and issue its token. The issuer is the
 * Frontend API that the publishable key names, as Clerk's own middleware demands of a cookie; an hour is longer than
 * Clerk's minute, because Clerk's browser script, which would renew it, is not here.
 */
export async function beginSession(userId: string, origin: string): Promise<Session> {
  const response = await fetch(`${process.env.SIMULATOR_URL}/sim/sessions`, {
    method: "POST",
    body: JSON.stringify({ user_id: userId, azp: origin, issuer: issuer(), expires_in_seconds: 3600 }),
  });
  if (!response.ok) {
    throw new Error(`begin session: the simulator answered ${response.status}: ${await response.text()}`);
  }
  return (await response.json()) as Session;
}

/** pk_live_ is followed by the base64 of the Frontend API's host and a $. */
function issuer(): string {
  const key = process.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY ?? "";
  return `https://${atob(key.split("_")[2] ?? "").replace("$", "")}`;
}

/** A Clerk instance of the test's own: its keys, and session tokens as Clerk signs them. By Web Crypto alone, for both runtimes. */

/** The instance's Frontend API, which vitest.config.ts names in the publishable key. */
export const issuer = "https://clerk.example.com";

const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

let keys: Promise<CryptoKeyPair> | undefined;

function keyPair(): Promise<CryptoKeyPair> {
  keys ??= crypto.subtle.generateKey(
    { ...algorithm, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
    true,
    ["sign", "verify"],
  );
  return keys;
}

/** The instance's public key, as CLERK_JWT_KEY holds it. */
export async function jwtKey(): Promise<string> {
  const spki = await crypto.subtle.exportKey("spki", (await keyPair()).publicKey);
  const text = btoa(String.fromCharCode(...new Uint8Array(spki)));
  return `-----BEGIN PUBLIC KEY-----\n${text}\n-----END PUBLIC KEY-----`;
}

/** A session token, good for a minute. */
export async function sessionToken(userId: string, sessionId: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: "RS256", typ: "JWT", kid: "ins_1", cat: "cl_B7d4PD111AAA" };
  const claims = {
    iss: issuer,
    azp: "https://app.example.com",
    sub: userId,
    sid: sessionId,
    sts: "active",
    v: 2,
    iat: now,
    nbf: now - 10,
    exp: now + 60,
  };
  const signed = `${part(JSON.stringify(header))}.${part(JSON.stringify(claims))}`;
  const signature = await crypto.subtle.sign(algorithm, (await keyPair()).privateKey, new TextEncoder().encode(signed));
  return `${signed}.${part(String.fromCharCode(...new Uint8Array(signature)))}`;
}

/** The cookies by which Clerk's package knows a session. */
export async function sessionCookies(userId: string, sessionId: string): Promise<Record<string, string>> {
  const updated = Math.floor(Date.now() / 1000) - 10;
  return { __session: await sessionToken(userId, sessionId), __client_uat: String(updated) };
}

function part(text: string): string {
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

import { type Mock, vi } from "vitest";

/** Who Clerk says is signed in, the cookies and the headers of the request, in the app router's own words. */
export const request: {
  userId: string | null;
  sessionId: string | null;
  cookies: Map<string, string>;
  headers: Headers;
} = {
  userId: null,
  sessionId: null,
  cookies: new Map(),
  headers: new Headers(),
};

export const getToken: Mock<() => Promise<string>> = vi.fn(async () => `token-of-${request.userId}`);

/** What stands in for Clerk's auth(). */
export async function auth(): Promise<unknown> {
  return { userId: request.userId, sessionId: request.sessionId, getToken };
}

/** What stands in for cookies() of next/headers. */
export async function cookies(): Promise<unknown> {
  return { get: (name: string) => (request.cookies.has(name) ? { value: request.cookies.get(name) } : undefined) };
}

/** What stands in for headers() of next/headers. */
export async function headers(): Promise<Headers> {
  return request.headers;
}

const cached: (() => void)[] = [];

/** React's cache as the server has it: one result for each request. Vitest loads React's client build, without it. */
export function cache<T>(make: () => T): () => T {
  let value: { of: T } | undefined;
  cached.push(() => {
    value = undefined;
  });
  return () => {
    value ??= { of: make() };
    return value.of;
  };
}

/** Another request begins, of this user or of nobody. */
export function begin(userId: string | null, sessionId: string | null = "sess_1"): void {
  Object.assign(request, { userId, sessionId: userId && sessionId, cookies: new Map(), headers: new Headers() });
  for (const forget of cached) {
    forget();
  }
}

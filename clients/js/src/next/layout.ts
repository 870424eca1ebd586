import { auth } from "@clerk/nextjs/server";
import { cookies, headers } from "next/headers";
import { cache } from "react";
import type { EnsureError } from "../error.js";
import { keep, type Outcome, readMarkers } from "./keeper.js";
import { circleError, isCircle } from "./loop.js";
import { type RollcallOptions, settle } from "./options.js";

/** What the layout helper knows beside the options that it shares with middleware and route. */
export interface LayoutOptions extends RollcallOptions {
  /** What a user that could not be ensured means: `open`, the default, tells it; `closed` throws the EnsureError. */
  failure?: "open" | "closed";
}

/** What came of it. `signed-out`: there is nobody to ensure. */
export type LayoutResult =
  | { status: "present" | "created"; userId: string }
  | { status: "signed-out" }
  | { status: "failed"; userId: string; error: EnsureError };

/** React's cache holds for one request, and compares what it is called with: no objects, then. */
const once = cache(() => new Map<string, Promise<{ userId: string; outcome: Outcome } | undefined>>());

/**
 * Ensures the signed-in user where the data is needed: in a layout, a page, a server component. However often it is
 * called for one request, Rollcall is asked once at most; not at all where the middleware has just done so.
 *
 * ```tsx
 * export default async function Layout({ children }: { children: React.ReactNode }) {
 *   await ensureInLayout();
 *   return children;
 * }
 * ```
 */
export async function ensureInLayout(options: LayoutOptions = {}): Promise<LayoutResult> {
  const calls = once();
  const key = options.url ?? "";
  const call = calls.get(key) ?? ensureOnce(options);
  calls.set(key, call);
  const done = await call;
  if (!done) {
    return { status: "signed-out" };
  }
  const { userId, outcome } = done;
  if (outcome.status !== "failed") {
    return { status: outcome.status, userId };
  }
  const error = outcome.error as EnsureError;
  if (options.failure === "closed") {
    throw error;
  }
  return { status: "failed", userId, error };
}

async function ensureOnce(options: RollcallOptions): Promise<{ userId: string; outcome: Outcome } | undefined> {
  const { userId, sessionId, getToken } = await auth();
  if (!userId) {
    return undefined;
  }
  if (isCircle(await headers())) {
    return { userId, outcome: { status: "failed", error: circleError() } };
  }
  const settings = settle(options);
  const markers = readMarkers(await cookies(), settings);
  const visit = { userId, sessionId, getToken: () => getToken(), markers };
  // A component cannot set a cookie: what the outcome would have marked, this process remembers.
  return { userId, outcome: await keep(visit, settings, { marker: false }) };
}

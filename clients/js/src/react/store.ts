import { isObject } from "../answer.js";
import { ask } from "../ask.js";
import { asEnsureError, type EnsureError } from "../error.js";
import { retryHeader } from "../headers.js";

/** Where ensuring the user stands. */
export type EnsureState =
  | { readonly status: "loading"; readonly error?: undefined }
  | { readonly status: "ready"; readonly error?: undefined }
  | { readonly status: "error"; readonly error: EnsureError };

/** How a store asks. */
export interface StoreOptions {
  /** The same-origin ensure route. */
  route: string;
  /** Milliseconds in all, one retry included. */
  timeout: number;
}

/** The one place that asks, for however many components look at it. */
export interface EnsureStore {
  /** Asks when the first component looks; what was asked is not asked again because a component goes and comes. */
  subscribe: (changed: () => void) => () => void;
  state: () => EnsureState;
  /** Asks again, after an error. */
  retry: () => void;
}

/** The state before anybody has asked, and on the server. */
export const loading: EnsureState = { status: "loading" };

const ready: EnsureState = { status: "ready" };

/** A store for one user; without one it stays loading and asks nothing. */
export function createStore(user: string | null | undefined, { route, timeout }: StoreOptions): EnsureStore {
  const listeners = new Set<() => void>();
  let state = loading;
  let started = false;

  const change = (next: EnsureState) => {
    state = next;
    for (const changed of listeners) {
      changed();
    }
  };

  const start = (headers: Record<string, string> = {}) => {
    started = true;
    const read = (body: unknown) => readUser(body, user);
    // A redirect puts the slash to the route's end that Next.js wants there (`trailingSlash`); no token is sent.
    ask({ url: route, timeout, read, headers, redirect: "follow", retries: isUnanswered }).then(
      () => change(ready),
      (error: unknown) => change({ status: "error", error: asEnsureError(error) }),
    );
  };

  return {
    subscribe(changed) {
      listeners.add(changed);
      if (user && !started) {
        start();
      }
      return () => listeners.delete(changed);
    },
    state: () => state,
    retry() {
      if (state.status === "error") {
        change(loading);
        start({ [retryHeader]: "1" });
      }
    },
  };
}

/** Whether nothing came back. An error that the route tells is one that it has tried again already. */
function isUnanswered(error: EnsureError): boolean {
  return error.temporary && error.status === undefined;
}

/** A good answer is about this user: after a change of user, the route may already see the next session. */
function readUser(body: unknown, user: string | null | undefined): true | undefined {
  const good = isObject(body) && (body.status === "present" || body.status === "created") && body.user_id === user;
  return good ? true : undefined;
}

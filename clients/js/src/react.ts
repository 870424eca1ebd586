"use client";

import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useMemo,
  useSyncExternalStore,
} from "react";
import type { EnsureError } from "./error.js";
import { defaultMessages, type Messages } from "./messages.js";
import { createStore, type EnsureStore, loading } from "./react/store.js";

export { EnsureError, type EnsureErrorCode } from "./error.js";
export { defaultMessages, type Messages } from "./messages.js";

/** What RollcallProvider knows. */
export interface RollcallProviderProps {
  /** The signed-in user's id, as Clerk's `auth()` or `useAuth()` tells it. While there is none, nobody is asked. */
  userId: string | null | undefined;
  /** The same-origin ensure route; `/api/rollcall`. */
  route?: string;
  /** How long asking may take, in milliseconds; 10000. It includes the browser's way to your server. */
  timeout?: number;
  /** Words of your own, for some of the errors or for all. */
  messages?: Partial<Messages>;
  children?: ReactNode;
}

/** What useEnsureUser returns. */
export type EnsureUser =
  | { status: "loading"; error?: undefined; message?: undefined; retry: () => void }
  | { status: "ready"; error?: undefined; message?: undefined; retry: () => void }
  | { status: "error"; error: EnsureError; message: string; retry: () => void };

interface Context {
  store: EnsureStore;
  messages: Partial<Messages>;
}

const RollcallContext = createContext<Context | undefined>(undefined);

/** Ensures the signed-in user once for all components below it that call useEnsureUser, and again for another user. */
export function RollcallProvider(props: RollcallProviderProps): ReactElement {
  const { userId, route = "/api/rollcall", timeout = 10_000, messages = none, children } = props;
  const store = useMemo(() => createStore(userId, { route, timeout }), [userId, route, timeout]);
  const context = useMemo(() => ({ store, messages }), [store, messages]);
  return createElement(RollcallContext.Provider, { value: context }, children);
}

/**
 * Tells whether the signed-in user has a row yet: `loading`, `ready`, or `error` with words for people and a `retry`.
 * However many components call it, one request is made, and none on the server.
 */
export function useEnsureUser(): EnsureUser {
  const context = useContext(RollcallContext);
  if (!context) {
    throw new Error("useEnsureUser: there is no RollcallProvider above this component");
  }
  const { store, messages } = context;
  const state = useSyncExternalStore(store.subscribe, store.state, () => loading);
  return useMemo(() => {
    if (state.status !== "error") {
      return { status: state.status, retry: store.retry };
    }
    const { error } = state;
    return { status: "error", error, message: messages[error.code] ?? defaultMessages[error.code], retry: store.retry };
  }, [state, store, messages]);
}

const none: Partial<Messages> = {};

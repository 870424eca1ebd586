import type { EnsureErrorCode } from "./error.js";

/** What people are told, by what happened. */
export type Messages = Readonly<Record<EnsureErrorCode, string>>;

const later = "Setting up your account is taking longer than usual. Please try again in a moment.";
const support = "We could not set up your account. Please contact support.";

/** The words that the provider's `messages` replace one by one. */
export const defaultMessages: Messages = {
  invalid_token: "Your session has ended. Please sign in again.",
  user_gone: "This account no longer exists. Please sign in with another one.",
  conflict: "Another account already uses your e-mail address. Please contact support.",
  soft_deleted: "This account has been closed. Please contact support if you would like it back.",
  rejected: support,
  rate_limited: "That was a little too often. Please wait a moment, then try again.",
  unavailable: later,
  paused: "Accounts are being looked after right now. Please try again in a few minutes.",
  network: "We could not reach the server. Please check your connection, then try again.",
  timeout: later,
  bad_response: later,
  aborted: later,
  misconfigured: support,
};

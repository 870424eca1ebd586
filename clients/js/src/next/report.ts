import type { EnsureError } from "../error.js";
import { type ErrorContext, type Settings, writeError } from "./options.js";

/** Tells onError, which can fail as it likes, now or later: the request is not to suffer from it. */
export function report({ onError }: Settings, error: EnsureError, context: ErrorContext): void {
  const instead = (problem: unknown) => {
    writeError(error, context);
    console.error("rollcall: onError failed:", problem);
  };
  try {
    Promise.resolve(onError(error, context)).catch(instead);
  } catch (problem) {
    instead(problem);
  }
}

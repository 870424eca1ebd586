/**
 * The plain client: makes sure that the user of a Clerk session token has a row in the users table.
 *
 * @module
 */
export type { EnsureResult } from "./answer.js";
export { type EnsureOptions, ensureUser } from "./ensure.js";
export { EnsureError, type EnsureErrorCode, type EnsureErrorDetails } from "./error.js";

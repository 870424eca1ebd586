/**
 * The middleware for Next.js, for the edge and the node runtime.
 *
 * @module
 */
export { EnsureError, type EnsureErrorCode } from "./error.js";
export type { ErrorContext, RollcallOptions } from "./next/options.js";
export type { Skip } from "./next/skip.js";
export { type Auth, type MiddlewareOptions, rollcallStep, type StepOptions } from "./next/step.js";
export { type Middleware, withRollcall } from "./next/with-rollcall.js";

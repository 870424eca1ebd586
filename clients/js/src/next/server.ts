/**
 * For the server side of Next.js' app router: the layout helper, and the route that the React hook calls.
 *
 * @module
 */
export { EnsureError, type EnsureErrorCode } from "../error.js";
export { ensureInLayout, type LayoutOptions, type LayoutResult } from "./layout.js";
export type { ErrorContext, RollcallOptions } from "./options.js";
export { createEnsureRoute } from "./route.js";

import { EnsureError } from "../error.js";
import { loopHeader } from "../headers.js";

const message = "the address of Rollcall leads back to the app that asks";

/** Whether it is a request of our own that has come back: who asked because of it would ask for ever. */
export function isCircle(headers: Pick<Headers, "has">): boolean {
  return headers.has(loopHeader);
}

/** The answer to such a request. */
export function circle(): Response {
  return Response.json({ error: { code: "loop", message } }, { status: 508 });
}

/** The same for who cannot answer: a component. */
export function circleError(): EnsureError {
  return new EnsureError("misconfigured", message);
}

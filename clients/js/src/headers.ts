/** Bears each request that this package sends from a server: one that comes in with it went in a circle. */
export const loopHeader = "x-rollcall-ensure";

/** By it the hook tells its route that somebody has pressed a button, and wants it tried again now. */
export const retryHeader = "x-rollcall-retry";

import { vi } from "vitest";

/** A request that came to the fake endpoint. */
export interface Call {
  url: string;
  headers: Headers;
  signal: AbortSignal;
  redirect: RequestRedirect | undefined;
}

type Answer = (call: Call, nth: number) => Response | Promise<Response>;

/** Puts a fake ensure endpoint in the place of fetch: the answers come in turn, and the last one for ever. */
export function fakeEndpoint(...answers: Answer[]): Call[] {
  const calls: Call[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const { headers, signal, redirect } = init;
    const call = { url, headers: new Headers(headers), signal: signal as AbortSignal, redirect };
    const answer = answers[Math.min(calls.length, answers.length - 1)];
    calls.push(call);
    if (!answer) {
      throw new Error("no request was expected");
    }
    return answer(call, calls.length - 1);
  });
  return calls;
}

/** Rollcall's good answer. */
export function good(status: "present" | "created" = "present", user = "user_ada"): Answer {
  return () =>
    Response.json({ status, created: status === "created", user_id: user, key: { column: "clerk_id", value: user } });
}

/** Rollcall's answer to what it does not do. */
export function bad(status: number, code: string, headers: Record<string, string> = {}): Answer {
  return () => Response.json({ error: { code, message: `the message of ${code}` } }, { status, headers });
}

/** A connection that is refused. */
export const refused: Answer = () => {
  throw new TypeError("fetch failed");
};

/** An answer that never comes; like fetch, it ends with the signal. */
export const silent: Answer = ({ signal }) =>
  new Promise((_, reject) => {
    const stop = () => reject(new DOMException("This operation was aborted", "AbortError"));
    if (signal.aborted) {
      stop();
    }
    signal.addEventListener("abort", stop);
  });

/** An answer that comes when the test says so. */
export function held(answer: Answer): { answer: Answer; release: () => void } {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  return {
    release: () => release(),
    answer: async (call, nth) => {
      await gate;
      return answer(call, nth);
    },
  };
}

import { readAnswer } from "./answer.js";
import { asEnsureError, EnsureError } from "./error.js";

/** One question to an ensure endpoint. */
export interface Question<T> {
  url: string;
  /** Makes the result of a good answer's body. */
  read: (body: unknown) => T | undefined;
  headers?: Record<string, string>;
  /** Milliseconds in all, the retry included. */
  timeout: number;
  /** `manual` where a token is sent: it goes where it was sent, and nowhere else. */
  redirect: "manual" | "follow";
  /** Whether a second try may help after this error. */
  retries: (error: EnsureError) => boolean;
  signal?: AbortSignal | undefined;
}

/** What the first try may take of the time: a try that hangs leaves room for a second one. */
const firstShare = 2 / 3;

/**
 * Asks, and asks once more where that may help, and a Retry-After fits in the time that is left. It throws nothing but
 * EnsureErrors.
 */
export async function ask<T>(question: Question<T>): Promise<T> {
  const deadline = Date.now() + question.timeout;
  try {
    return await attempt(question, question.timeout * firstShare);
  } catch (error) {
    const first = asEnsureError(error);
    const pause = first.retryAfter ?? (question.timeout * (1 + Math.random())) / 30; // 50 to 100 ms of 1500
    if (!question.retries(first) || Date.now() + pause >= deadline) {
      throw first;
    }
    await sleep(pause, question.signal);
    const left = deadline - Date.now();
    if (left <= 0) {
      throw first; // a busy process has slept for longer
    }
    return await attempt(question, left);
  }
}

async function attempt<T>(question: Question<T>, share: number): Promise<T> {
  const { url, read, headers, redirect, signal, timeout } = question;
  if (signal?.aborted) {
    throw aborted(signal);
  }
  const controller = new AbortController();
  const stop = () => controller.abort();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop();
  }, share);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json", ...headers },
      body: "{}",
      cache: "no-store",
      redirect,
      signal: controller.signal,
    });
    return await readAnswer(response, read); // the time covers the body
  } catch (error) {
    if (error instanceof EnsureError) {
      throw error;
    }
    if (signal?.aborted) {
      throw aborted(signal);
    }
    if (late) {
      throw new EnsureError("timeout", `ensure user: no answer${fromHost(url)} within ${timeout} ms`);
    }
    throw asEnsureError(error, fromHost(url));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/** Who did not answer, for the log; a route of the page's own host needs no name. */
function fromHost(url: string): string {
  return URL.canParse(url) ? ` from ${new URL(url).host}` : "";
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(aborted(signal));
      return;
    }
    const stop = () => {
      clearTimeout(timer);
      reject(aborted(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** The error for a caller who no longer waits. */
export function aborted(signal: AbortSignal | undefined): EnsureError {
  return new EnsureError("aborted", "ensure user: aborted", { cause: signal?.reason });
}

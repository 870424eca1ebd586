import { aborted } from "./ask.js";

interface Flight {
  result: Promise<unknown>;
  controller: AbortController;
  waiting: number;
}

/** What is under way, by key. Each entry goes when its promise settles, or when nobody waits for it any more. */
const flights = new Map<string, Flight>();

/** How many are under way; for tests. */
export function underWay(): number {
  return flights.size;
}

/**
 * Starts what the key names, or joins who has started it already. A caller's signal ends the caller's own wait; the
 * work is aborted when the last one has gone.
 */
export async function together<T>(
  key: string,
  signal: AbortSignal | undefined,
  start: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (signal?.aborted) {
    throw aborted(signal);
  }
  const flight = flights.get(key) ?? takeOff(key, start);
  flight.waiting++;
  try {
    return (await unlessAborted(flight.result, signal)) as T; // a key stands for one type
  } finally {
    flight.waiting--;
    if (flight.waiting === 0) {
      land(key, flight);
      flight.controller.abort();
    }
  }
}

function takeOff(key: string, start: (signal: AbortSignal) => Promise<unknown>): Flight {
  const controller = new AbortController();
  const flight: Flight = { result: start(controller.signal), controller, waiting: 0 };
  flights.set(key, flight);
  const done = () => land(key, flight);
  flight.result.then(done, done);
  return flight;
}

function land(key: string, flight: Flight): void {
  if (flights.get(key) === flight) {
    flights.delete(key);
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) {
    return promise;
  }
  return new Promise((resolve, reject) => {
    const stop = () => reject(aborted(signal));
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

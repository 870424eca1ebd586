// The admin API. Every error is an ApiError with a message for people.

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status; // 0: nobody answered
    this.code = code;
  }
}

/** call asks the API and returns the answer's JSON. A session that ended leads to the login page. */
export async function call(path, { method = "GET", body, signal } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method, signal, credentials: "same-origin",
      headers: body === undefined ? { Accept: "application/json" } : { Accept: "application/json", "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "offline", "Rollcall does not answer. Is the process running?");
  }
  const json = await answer.json().catch(() => null);
  if (answer.status === 401) {
    location.assign("/login");
    return new Promise(() => {}); // the page is on its way out
  }
  if (!answer.ok) {
    const e = json?.error;
    throw new ApiError(answer.status, e?.code ?? "unknown", e?.message ?? `The request failed with status ${answer.status}.`);
  }
  return json;
}

const query = (values) => {
  const q = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) if (value !== "" && value !== undefined && value !== null) q.set(key, value);
  const text = q.toString();
  return text ? `?${text}` : "";
};

export const api = {
  status: () => call("/api/status"),
  history: (days, signal) => call(`/api/history${query({ days })}`, { signal }),
  runs: (before, limit, signal) => call(`/api/runs${query({ before, limit })}`, { signal }),
  run: (id, signal) => call(`/api/runs/${encodeURIComponent(id)}`, { signal }),
  runFindings: (id, values, signal) => call(`/api/runs/${encodeURIComponent(id)}/findings${query(values)}`, { signal }),
  findings: (values, signal) => call(`/api/findings${query(values)}`, { signal }),
  users: (q, signal) => call(`/api/users${query({ q })}`, { signal }),
  user: (id, reveal, signal) => call(`/api/users/${encodeURIComponent(id)}${query({ reveal: reveal ? "1" : "" })}`, { signal }),
  start: (mode, dryRun) => call("/api/runs", { method: "POST", body: { mode, dry_run: dryRun } }),
  heal: (id) => call(`/api/users/${encodeURIComponent(id)}/sync`, { method: "POST" }),
  healMany: (ids) => call("/api/users/sync", { method: "POST", body: { ids } }),
  pause: (reason) => call("/api/pause", { method: "POST", body: { reason } }),
  deadLetters: (before, signal) => call(`/api/webhooks/dead${query({ before, limit: 100 })}`, { signal }),
  deadLetter: (id, reveal, signal) => call(`/api/webhooks/dead/${id}${query({ reveal: reveal ? "1" : "" })}`, { signal }),
  replay: (id) => call(`/api/webhooks/dead/${id}/replay`, { method: "POST" }),
  replayAll: () => call("/api/webhooks/dead/replay", { method: "POST" }),
  drop: (id, reason) => call(`/api/webhooks/dead/${id}/drop`, { method: "POST", body: { reason } }),
  resume: () => call("/api/resume", { method: "POST" }),
};

/** The Frontend API that the instance would have; nobody asks it. */
const frontend = "clerk.rollcall.example";

/** pk_live_, because a development instance has the browser go to Clerk's own pages first. */
export const publishableKey: string = `pk_live_${btoa(`${frontend}$`)}`;

export const secretKey = "sk_live_simulated";

/** The simulated Clerk, as the tests use it: by Clerk's own API, and the simulator's one route for session tokens. */
export class Clerk {
  constructor(readonly url: string) {}

  /** A new user, of whom no webhook tells. */
  async createUser(): Promise<{ id: string; email: string }> {
    const email = `${crypto.randomUUID()}@example.com`;
    const { id } = await this.#post("/v1/users", { email_address: [email], first_name: "Grace" });
    return { id: String(id), email };
  }

  /** The cookies of a session that began just now. */
  async cookies(userId: string): Promise<string> {
    const { jwt } = await this.#post("/sim/sessions", {
      user_id: userId,
      issuer: `https://${frontend}`,
      azp: "http://localhost",
      expires_in_seconds: 3600,
    });
    const { iat } = JSON.parse(atob(String(jwt).split(".")[1] ?? ""));
    return `__session=${jwt}; __client_uat=${iat}`;
  }

  async #post(path: string, body: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(this.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${secretKey}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) {
      throw new Error(`${path}: ${response.status}: ${await response.text()}`);
    }
    return (await response.json()) as Record<string, unknown>;
  }
}

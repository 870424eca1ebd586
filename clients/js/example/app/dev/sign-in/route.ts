import { clerkClient } from "@clerk/nextjs/server";
import type { NextRequest } from "next/server";
import { beginSession } from "../../../lib/session";

/**
 * THE STAND-IN for Clerk's hosted sign-in page: signs in as any user of the simulated Clerk, or, without one, signs a
 * new user up. It sets the two cookies that Clerk's browser script sets. Never deploy this.
 */
export async function POST(request: NextRequest): Promise<Response> {
  const form = await request.formData();
  const userId = String(form.get("user_id") ?? "") || (await signUp());
  const { origin, host } = new URL(request.headers.get("origin") ?? request.url);
  const { jwt } = await beginSession(userId, origin);
  const issuedAt = JSON.parse(atob(jwt.split(".")[1] ?? "")).iat as number;
  const headers = new Headers({ location: `/${String(form.get("next") ?? "").replace(/^\/+/, "")}` });
  const rest = `Path=/; SameSite=Lax${host.startsWith("localhost") ? "" : "; Secure"}`;
  headers.append("set-cookie", `__session=${jwt}; ${rest}`);
  headers.append("set-cookie", `__client_uat=${issuedAt}; ${rest}`);
  return new Response(null, { status: 303, headers });
}

/** Clerk's own SDK; the webhook that would follow is lost, because the simulator is told of nobody to send it to. */
async function signUp(): Promise<string> {
  const clerk = await clerkClient();
  const name = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
  const user = await clerk.users.createUser({
    firstName: "Ada",
    lastName: "Lovelace",
    emailAddress: [`ada.${name}@example.com`],
  });
  return user.id;
}

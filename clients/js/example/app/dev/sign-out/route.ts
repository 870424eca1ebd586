/** THE STAND-IN for Clerk's sign-out: forgets the session. Rollcall's marker is left for the middleware to forget. */
export function POST(): Response {
  const headers = new Headers({ location: "/" });
  headers.append("set-cookie", "__session=; Path=/; Max-Age=0");
  headers.append("set-cookie", "__client_uat=0; Path=/; SameSite=Lax");
  return new Response(null, { status: 303, headers });
}

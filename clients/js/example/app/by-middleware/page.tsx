import { auth } from "@clerk/nextjs/server";
import { findUser } from "../../lib/db";
import { NoRow, Row } from "../card";

/** The row is there when the page renders, because proxy.ts has seen to it. */
export default async function Page() {
  const { userId } = await auth();
  const row = userId ? await findUser(userId) : undefined;
  return (
    <>
      <h1>By middleware</h1>
      <p className="lead">
        <code>withRollcall(clerkMiddleware())</code> ensures the user before any page renders, once per session.
      </p>
      {row ? <Row row={row} /> : <NoRow userId={userId} />}
    </>
  );
}

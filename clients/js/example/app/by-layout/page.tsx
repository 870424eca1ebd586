import { auth } from "@clerk/nextjs/server";
import { ensureInLayout } from "@rollcall-sync/clerk/next/server";
import { findUser } from "../../lib/db";
import { NoRow, Row } from "../card";

export default async function Page() {
  await ensureInLayout(); // the layout's own call, joined
  const { userId } = await auth();
  const row = userId ? await findUser(userId) : undefined;
  return (
    <>
      <h1>By layout</h1>
      <p className="lead">
        <code>await ensureInLayout()</code> ensures the user where the data is needed, once per request.
      </p>
      {row ? <Row row={row} /> : <NoRow userId={userId} />}
    </>
  );
}

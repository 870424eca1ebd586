import { auth } from "@clerk/nextjs/server";
import { findUser } from "../../lib/db";
import { NoRow } from "../card";
import { Ensured } from "./ensured";

export default async function Page() {
  const { userId } = await auth();
  const row = userId ? await findUser(userId) : undefined;
  return (
    <>
      <h1>By hook</h1>
      <p className="lead">
        <code>useEnsureUser()</code> asks this app&rsquo;s own route from the browser, and tells how it goes.
      </p>
      {userId ? <Ensured userId={userId} row={row} /> : <NoRow userId={null} />}
    </>
  );
}

import { auth } from "@clerk/nextjs/server";
import { findUser } from "../lib/db";

const ways = [
  { path: "by-middleware", name: "Middleware", text: "Before any page renders." },
  { path: "by-layout", name: "Layout", text: "Where the data is needed." },
  { path: "by-hook", name: "Hook", text: "From the browser, with words for people." },
];

export default async function Page() {
  const { userId } = await auth();
  const row = userId ? await findUser(userId) : undefined;
  return (
    <>
      <h1>A webhook was lost. Sign in all the same.</h1>
      <p className="lead">
        Each button signs a new user up at a simulated Clerk that sends no webhook. The page that follows makes sure of
        the row.
      </p>
      {userId && (
        <form action="/dev/sign-out" method="post" className="card session">
          <p>
            Signed in as <code>{row?.email ?? userId}</code>
          </p>
          <button type="submit" className="quiet">
            Sign out
          </button>
        </form>
      )}
      <div className="ways">
        {ways.map(({ path, name, text }) => (
          <form key={path} action="/dev/sign-in" method="post" className="card">
            <h2>{name}</h2>
            <p>{text}</p>
            <input type="hidden" name="next" value={path} />
            <button type="submit">Sign up</button>
          </form>
        ))}
      </div>
      <p className="note">The buttons stand in for Clerk&rsquo;s hosted pages, and belong to this example alone.</p>
    </>
  );
}

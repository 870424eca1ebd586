import { Pool } from "pg";

/** A row of the table as Prisma types it. */
export interface User {
  id: string;
  clerkId: string;
  email: string;
  name: string | null;
  createdAt: Date;
}

let pool: Pool | undefined;

/** Reads the row of a Clerk user; undefined where there is none. The pool is made with the first read, not by the build. */
export async function findUser(clerkId: string): Promise<User | undefined> {
  pool ??= new Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
  const { rows } = await pool.query<User>(
    'SELECT "id", "clerkId", "email", "name", "createdAt" FROM "User" WHERE "clerkId" = $1',
    [clerkId],
  );
  return rows[0];
}

// The loop that a team writes in an afternoon: @clerk/backend's list by offset,
// five hundred at a time, and one multi-row insert for each page.
import { createClerkClient } from '@clerk/backend'
import pg from 'pg'

const clerk = createClerkClient({
  secretKey: process.env.CLERK_SECRET_KEY,
  apiUrl: process.env.CLERK_API_URL.replace(/\/v1$/, ''),
  telemetry: { disabled: true },
})
const db = new pg.Client(process.env.DATABASE_URL)
await db.connect()

const columns = ['clerk_id', 'email', 'first_name', 'last_name', 'username', 'image_url']
for (let offset = 0; ; offset += 500) {
  const { data: users } = await clerk.users.getUserList({ limit: 500, offset, orderBy: '+created_at' })
  if (users.length === 0) break
  const values = users.flatMap((u) => [
    u.id,
    u.emailAddresses.find((e) => e.id === u.primaryEmailAddressId)?.emailAddress ?? null,
    u.firstName, u.lastName, u.username, u.imageUrl,
  ])
  const rows = users.map((_, i) => `(${columns.map((_, j) => `$${i * columns.length + j + 1}`).join(', ')})`)
  await db.query(`INSERT INTO users (${columns.join(', ')}) VALUES ${rows.join(', ')} ON CONFLICT DO NOTHING`, values)
}
await db.end()

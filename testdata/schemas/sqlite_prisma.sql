-- Prisma on SQLite: ids made in the client, times as DATETIME.
CREATE TABLE "User" ("id" TEXT NOT NULL PRIMARY KEY, "clerkUserId" TEXT NOT NULL, "email" TEXT NOT NULL, "name" TEXT, "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" DATETIME NOT NULL);
CREATE UNIQUE INDEX "User_clerkUserId_key" ON "User"("clerkUserId");
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");

-- Rails on SQLite.
CREATE TABLE "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);
CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar, "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
CREATE TABLE "users" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "clerk_id" varchar NOT NULL, "email" varchar, "first_name" varchar, "last_name" varchar, "admin" boolean DEFAULT 0 NOT NULL, "status" varchar NOT NULL CHECK ("status" IN ('active', 'blocked')), "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
CREATE UNIQUE INDEX "index_users_on_clerk_id" ON "users" ("clerk_id");
CREATE TABLE "posts" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "user_id" integer NOT NULL REFERENCES "users" ("id"), "body" text);

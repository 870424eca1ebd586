-- Drizzle, a project's tables with a prefix: Clerk's id is the id itself, and other tables refer to it.
CREATE SCHEMA drizzle;
CREATE TABLE drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint);
CREATE TABLE "notes_users" (
    "id" varchar(255) PRIMARY KEY NOT NULL,
    "email" varchar(255) NOT NULL,
    "name" varchar(80),
    "plan" varchar(20) DEFAULT 'free' NOT NULL,
    "created_at" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updated_at" timestamp with time zone
);
CREATE TABLE "notes_posts" (
    "id" serial PRIMARY KEY NOT NULL,
    "user_id" varchar(255) NOT NULL REFERENCES "notes_users"("id"),
    "title" varchar(256)
);

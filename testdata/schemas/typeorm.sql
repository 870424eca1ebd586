-- TypeORM: names in camel case beside a table in lower case, an enum, soft delete.
CREATE TABLE "migrations" ("id" SERIAL PRIMARY KEY, "timestamp" bigint NOT NULL, "name" character varying NOT NULL);
CREATE TYPE "public"."user_role_enum" AS ENUM ('admin', 'editor', 'reader');
CREATE TABLE "user" (
    "id" uuid NOT NULL DEFAULT gen_random_uuid(),
    "clerkUserId" character varying NOT NULL,
    "emailAddress" character varying,
    "firstName" character varying NOT NULL,
    "lastName" character varying NOT NULL,
    "isActive" boolean NOT NULL DEFAULT true,
    "role" "public"."user_role_enum" NOT NULL,
    "createdAt" TIMESTAMP NOT NULL DEFAULT now(),
    "updatedAt" TIMESTAMP NOT NULL DEFAULT now(),
    "deletedAt" TIMESTAMP,
    CONSTRAINT "UQ_1f2e3d" UNIQUE ("clerkUserId"),
    CONSTRAINT "PK_cace4a" PRIMARY KEY ("id")
);

-- By hand: no unique index on Clerk's id, and short columns.
CREATE TABLE app_users (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    clerkid varchar(64) NOT NULL,
    mail varchar(320),
    fname varchar(20) NOT NULL,
    lname varchar(20) NOT NULL,
    initials text GENERATED ALWAYS AS (left(fname, 1) || left(lname, 1)) STORED,
    avatar varchar(100),
    banned boolean NOT NULL
);

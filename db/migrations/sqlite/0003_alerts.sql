-- A place held for another branch.
DROP TABLE IF EXISTS rollcall_placeholder;

// Package db keeps what Rollcall knows in a database: the application's users
// table, of which it touches only the columns that the configuration names, and
// Rollcall's own state beside it. It speaks PostgreSQL, directly or through a pooler
// in transaction mode, and SQLite.
//
// Small statements go through gorm. Batches go through pgx, which borrows the
// connections of the same pool.
package db

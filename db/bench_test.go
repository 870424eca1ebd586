package db_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// BenchmarkInsert is a first backfill in batches of 500 by two writers:
// without the journal, with it, and with every row announced. Its figure is rows_per_s.
func BenchmarkInsert(b *testing.B) {
	for _, c := range []struct {
		name                string
		journaled, announce bool
	}{{"journal=false", false, false}, {"journal=true", true, false}, {"announced", true, true}} {
		b.Run(c.name, func(b *testing.B) {
			url := pgtest.DB(b)
			pgtest.Exec(b, url, `CREATE TABLE users (clerk_id text PRIMARY KEY, email text UNIQUE, first_name text, last_name text,
				username text, image_url text, created_at timestamptz, updated_at timestamptz)`)
			conn, err := db.Open(b.Context(), db.Config{URL: url})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			cfg := db.TableConfig{Name: "users", Mapping: reconcile.Mapping{Key: "clerk_id", Columns: []reconcile.Column{
				column(b, "email", "primary_email_address"), column(b, "first_name", "first_name"), column(b, "last_name", "last_name"),
				column(b, "username", "username"), column(b, "image_url", "image_url"), column(b, "created_at", "created_at"), column(b, "updated_at", "updated_at"),
			}}}
			if c.journaled {
				if _, err := db.Migrate(b.Context(), conn); err != nil {
					b.Fatal(err)
				}
				cfg.State = db.NewState(conn, "users")
			}
			table, err := db.OpenTable(b.Context(), conn, cfg)
			if err != nil {
				b.Fatal(err)
			}
			const size = 500
			var next, rows atomic.Int64
			var group sync.WaitGroup
			b.ResetTimer()
			started := time.Now()
			for range 2 {
				group.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						batch := make([]reconcile.User, size)
						for i := range batch {
							id := (n*size + int64(i)) * 2654435761 % 4294967296 // scattered, as Clerk's ids are
							batch[i] = user(fmt.Sprintf("user_%027d", id), text(fmt.Sprintf("somebody.%d@example.com", id)), text("Annabelle"), text("Somebody"),
								text(fmt.Sprint("name", id)), text(fmt.Sprintf("https://img.example.com/abcdefghijklmnopqrstuvwxyz/%d", id)),
								reconcile.TimeValue(ms), reconcile.TimeValue(ms))
						}
						results, err := table.Insert(b.Context(), reconcile.Permit{RunID: "run_1", Announce: reconcile.Announce{On: c.announce}}, batch)
						if err != nil || results[0].Outcome != reconcile.Inserted {
							b.Error(err, results)
							return
						}
						rows.Add(size)
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(rows.Load())/time.Since(started).Seconds(), "rows_per_s")
		})
	}
}

package db

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// arrivalRow is a line of arrivals.
type arrivalRow struct {
	Hour    stamp
	Path    string
	Bucket  int
	Users   int64
	Seconds float64
}

// add counts a line.
func (r *arrivalRow) add(counts map[reconcile.Path]*reconcile.PathCount) {
	p := counts[reconcile.Path(r.Path)]
	if p == nil {
		return // of a newer Rollcall
	}
	p.Users += r.Users
	if r.Bucket >= 0 && r.Bucket < len(p.Buckets) {
		p.Buckets[r.Bucket] += r.Users
		p.Seconds += r.Seconds
	}
}

// ArrivalTotals counts every arrival since counting began. The counts never shrink.
func (s *State) ArrivalTotals(ctx context.Context) (map[reconcile.Path]*reconcile.PathCount, error) {
	var rows []arrivalRow
	err := s.db(ctx).Raw("SELECT path, bucket, sum(users) AS users, sum(seconds) AS seconds FROM "+s.names.arrivals+
		" WHERE table_name = ? GROUP BY path, bucket", s.table).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("count arrivals: %w", s.fault(err))
	}
	counts := reconcile.NewPathCounts()
	for i := range rows {
		rows[i].add(counts)
	}
	return counts, nil
}

// Reliability tells how the rows came of users who were created since then, with at
// most late of the late ones by their ids.
func (s *State) Reliability(ctx context.Context, since time.Time, late int) (*reconcile.Reliability, error) {
	out := &reconcile.Reliability{Paths: reconcile.NewPathCounts()}
	var began struct{ ArrivalsSince *int64 }
	err := s.db(ctx).Table(s.names.control).Select("arrivals_since").Where("table_name = ?", s.table).Limit(1).Find(&began).Error
	if err == nil {
		err = s.readHours(ctx, out, since)
	}
	if err == nil {
		err = s.readNewcomers(ctx, out, since, late)
	}
	if err != nil {
		return nil, fmt.Errorf("look how new users came: %w", s.fault(err))
	}
	if began.ArrivalsSince != nil {
		out.Since = time.UnixMilli(*began.ArrivalsSince).UTC()
	}
	return out, nil
}

func (s *State) readHours(ctx context.Context, out *reconcile.Reliability, since time.Time) error {
	var rows []arrivalRow
	err := s.db(ctx).Raw("SELECT hour, path, bucket, users, seconds FROM "+s.names.arrivals+" WHERE table_name = ? AND hour >= ? ORDER BY hour",
		s.table, stamp(since.Truncate(time.Hour))).Scan(&rows).Error
	if err != nil {
		return err
	}
	for i := range rows {
		r := &rows[i]
		r.add(out.Paths)
		at := time.Time(r.Hour)
		if n := len(out.Hours); n == 0 || !out.Hours[n-1].At.Equal(at) {
			out.Hours = append(out.Hours, reconcile.ArrivalHour{At: at, Users: map[reconcile.Path]int64{}})
		}
		out.Hours[len(out.Hours)-1].Users[reconcile.Path(r.Path)] += r.Users
	}
	return nil
}

// readNewcomers reads who is awaited, and who came late with the first event about
// each, which may have come after the run.
func (s *State) readNewcomers(ctx context.Context, out *reconcile.Reliability, since time.Time, late int) error {
	var waiting struct {
		Users  int64
		Oldest stamp
	}
	err := s.db(ctx).Raw("SELECT count(*) AS users, min(created_at) AS oldest FROM "+s.names.newcomers+
		" WHERE table_name = ? AND arrived_at IS NULL", s.table).Scan(&waiting).Error
	if err != nil {
		return err
	}
	out.Waiting, out.OldestWaiting = waiting.Users, time.Time(waiting.Oldest)
	var rows []struct {
		UserID                        string
		CreatedAt, ArrivedAt, EventAt stamp
		RunID                         *string
	}
	err = s.db(ctx).Raw("SELECT user_id, created_at, arrived_at, run_id, (SELECT min(received_at) FROM "+s.names.events+
		" e WHERE e.table_name = n.table_name AND e.user_id = n.user_id AND e.type <> 'user.deleted') AS event_at FROM "+s.names.newcomers+
		" n WHERE n.table_name = ? AND arrived_at IS NOT NULL AND created_at >= ? ORDER BY arrived_at DESC, user_id LIMIT ?",
		s.table, stamp(since), late).Scan(&rows).Error
	if err != nil {
		return err
	}
	for _, r := range rows {
		out.Late = append(out.Late, reconcile.LateArrival{UserID: r.UserID, CreatedAt: time.Time(r.CreatedAt), ArrivedAt: time.Time(r.ArrivedAt),
			RunID: text(r.RunID), EventAt: time.Time(r.EventAt)})
	}
	return nil
}

package db

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-sync/rollcall/reconcile"
)

var _ reconcile.Arrivals = (*State)(nil)

// maxAwaited bounds how many users without a row a run looks out for, and maxLate how
// many late ones one account keeps by their ids.
const (
	maxAwaited = 10_000
	maxLate    = 1000
)

// unknownTime is the bucket of rows of which nobody knows when they were made.
const unknownTime = -1

// ArrivalsMark returns up to which creation users are accounted for, and those who
// had no row then.
func (s *State) ArrivalsMark(ctx context.Context) (mark int64, awaited []string, err error) {
	var row struct{ ArrivalsMark *int64 }
	err = s.db(ctx).Table(s.names.control).Select("arrivals_mark").Where("table_name = ?", s.table).Limit(1).Find(&row).Error
	if err == nil {
		err = s.db(ctx).Table(s.names.newcomers).Where("table_name = ? AND arrived_at IS NULL", s.table).
			Order("created_at DESC").Limit(maxAwaited).Pluck("user_id", &awaited).Error
	}
	if err != nil {
		return 0, nil, fmt.Errorf("look for new users: %w", s.fault(err))
	}
	if row.ArrivalsMark != nil {
		mark = *row.ArrivalsMark
	}
	return mark, awaited, nil
}

// AccountArrivals accounts for new users: by what the journal knows of their rows,
// else by whether there is one.
func (s *State) AccountArrivals(ctx context.Context, from, to int64, seen []reconcile.Newcomer) error {
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		res := tx.Exec("UPDATE "+s.names.control+" SET arrivals_mark = ?, arrivals_since = coalesce(arrivals_since, ?)"+
			" WHERE table_name = ? AND coalesce(arrivals_mark, 0) = ?", to, to, s.table, from)
		if res.Error != nil || res.RowsAffected == 0 || from == 0 {
			return res.Error // somebody else has accounted for them, or this is the beginning
		}
		account, err := s.account(tx, seen)
		if err != nil {
			return err
		}
		return s.book(tx, account)
	})
	if err != nil {
		return fmt.Errorf("account for new users: %w", err)
	}
	return nil
}

// arrival is how one new user's row came; the zero path: not at all yet.
type arrival struct {
	user    string
	created time.Time
	path    reconcile.Path
	at      time.Time // zero: nobody knows
	run     string    // for PathRun
}

// account decides how the rows of these users, and of those awaited, came.
func (s *State) account(tx *gorm.DB, seen []reconcile.Newcomer) ([]arrival, error) {
	all := map[string]*arrival{}
	for _, n := range seen {
		a := &arrival{user: n.UserID, created: n.CreatedAt}
		if n.Present {
			a.path = reconcile.PathApp
		}
		all[n.UserID] = a
	}
	var awaited []newcomerRow
	if err := tx.Table(s.names.newcomers).Where("table_name = ? AND arrived_at IS NULL AND user_id NOT IN (SELECT user_id FROM "+
		s.names.tombstones+" WHERE table_name = ?)", s.table, s.table).
		Order("created_at DESC").Limit(maxAwaited).Find(&awaited).Error; err != nil {
		return nil, err
	}
	for _, n := range awaited {
		if all[n.UserID] == nil {
			all[n.UserID] = &arrival{user: n.UserID, created: time.Time(n.CreatedAt)}
		}
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(all)), 5000) {
		var entries []journalRow
		err := tx.Raw("SELECT user_id, run_id, written_at FROM "+s.names.journal+" WHERE table_name = ? AND user_id IN "+s.names.listed+
			" AND action = 'insert' AND confirmed AND undone_at IS NULL ORDER BY seq DESC", s.table, list(ids)).Scan(&entries).Error
		if err != nil {
			return nil, err
		}
		for _, e := range entries { // the first of a user's inserts counts, which comes last
			a := all[e.UserID]
			if a == nil {
				continue // an id that only looks the same
			}
			a.path, a.at, a.run = reconcile.PathOf(e.RunID), time.Time(e.WrittenAt), ""
			if a.path == reconcile.PathRun {
				a.run = e.RunID
			}
		}
	}
	return slices.SortedFunc(values(all), func(a, b arrival) int { return cmp.Or(b.created.Compare(a.created), cmp.Compare(a.user, b.user)) }), nil
}

func values(all map[string]*arrival) func(func(arrival) bool) {
	return func(yield func(arrival) bool) {
		for _, a := range all {
			if !yield(*a) {
				return
			}
		}
	}
}

// newcomerRow is a line of newcomers.
type newcomerRow struct {
	UserID    string
	CreatedAt stamp
}

// book counts arrivals, remembers the late ones, and who is still awaited.
func (s *State) book(tx *gorm.DB, all []arrival) error {
	type key struct {
		hour   time.Time
		path   reconcile.Path
		bucket int
	}
	type sum struct {
		users   int64
		seconds float64
	}
	sums := map[key]sum{}
	var late, waiting, arrived []arrival
	for _, a := range all {
		if a.path == "" {
			waiting = append(waiting, a)
			continue
		}
		k := key{a.created.UTC().Truncate(time.Hour), a.path, unknownTime}
		seconds := 0.0
		if !a.at.IsZero() {
			seconds = max(0, a.at.Sub(a.created).Seconds())
			k.bucket = reconcile.ArrivalBucket(seconds)
		}
		sums[k] = sum{sums[k].users + 1, sums[k].seconds + seconds}
		if arrived = append(arrived, a); a.path == reconcile.PathRun && len(late) < maxLate {
			late = append(late, a)
		}
	}
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b key) int {
		return cmp.Or(a.hour.Compare(b.hour), cmp.Compare(a.path, b.path), cmp.Compare(a.bucket, b.bucket))
	})
	for _, k := range keys {
		err := tx.Exec("INSERT INTO "+s.names.arrivals+" AS a (table_name, hour, path, bucket, users, seconds) VALUES (?, ?, ?, ?, ?, ?)"+
			" ON CONFLICT (table_name, hour, path, bucket) DO UPDATE SET users = a.users + excluded.users, seconds = a.seconds + excluded.seconds",
			s.table, stamp(k.hour), string(k.path), k.bucket, sums[k].users, sums[k].seconds).Error
		if err != nil {
			return err
		}
	}
	if err := s.forgetNewcomers(tx, arrived); err != nil {
		return err
	}
	return s.keepNewcomers(tx, slices.Concat(late, waiting))
}

// forgetNewcomers ends the wait for users who have come, or are known to be gone.
func (s *State) forgetNewcomers(tx *gorm.DB, arrived []arrival) error {
	ids := make([]string, len(arrived))
	for i, a := range arrived {
		ids[i] = a.user
	}
	return tx.Exec("DELETE FROM "+s.names.newcomers+" WHERE table_name = ? AND arrived_at IS NULL AND (user_id IN "+s.names.listed+
		" OR user_id IN (SELECT user_id FROM "+s.names.tombstones+" WHERE table_name = ?))", s.table, list(ids), s.table).Error
}

// keepNewcomers remembers users by their ids.
func (s *State) keepNewcomers(tx *gorm.DB, all []arrival) error {
	if len(all) == 0 {
		return nil
	}
	type line struct {
		User    string `json:"u"`
		Created any    `json:"c"`
		Arrived any    `json:"a"`
		Run     any    `json:"r"`
	}
	lines := make([]line, len(all))
	for i, a := range all {
		lines[i] = line{User: clean(a.user), Created: s.moment(a.created)}
		if a.path != "" {
			lines[i].Arrived, lines[i].Run = s.moment(a.at), a.run
		}
	}
	document, err := json.Marshal(lines)
	if err != nil {
		return err
	}
	from, columns := "json_to_recordset(CAST(? AS json)) AS r(u text, c timestamptz, a timestamptz, r text)", "r.u, r.c, r.a, r.r"
	if s.conn.Dialect == SQLite {
		from, columns = "json_each(?) AS r", "r.value ->> 'u', r.value ->> 'c', r.value ->> 'a', r.value ->> 'r'"
	}
	return tx.Exec("INSERT INTO "+s.names.newcomers+" (table_name, user_id, created_at, arrived_at, run_id) SELECT CAST(? AS text), "+columns+
		" FROM "+from+" WHERE true ON CONFLICT (table_name, user_id) DO NOTHING", s.table, string(document)).Error
}

// PruneArrivals adds up what is older than the first time given, and forgets late
// users who came before the second one, and those who never came.
func (s *State) PruneArrivals(ctx context.Context, before, late time.Time) error {
	n, epoch := s.names, stamp(time.Unix(0, 0))
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		err := tx.Exec("INSERT INTO "+n.arrivals+" AS a (table_name, hour, path, bucket, users, seconds)"+
			" SELECT table_name, "+s.timeCast()+", path, bucket, sum(users), sum(seconds) FROM "+n.arrivals+
			" WHERE table_name = ? AND hour < ? AND hour > ? GROUP BY table_name, path, bucket"+
			" ON CONFLICT (table_name, hour, path, bucket) DO UPDATE SET users = a.users + excluded.users, seconds = a.seconds + excluded.seconds",
			epoch, s.table, stamp(before), epoch).Error
		if err != nil {
			return err
		}
		if err := tx.Exec("DELETE FROM "+n.arrivals+" WHERE table_name = ? AND hour < ? AND hour > ?", s.table, stamp(before), epoch).Error; err != nil {
			return err
		}
		if err := tx.Exec("DELETE FROM "+n.newcomers+" WHERE table_name = ? AND arrived_at < ?", s.table, stamp(late)).Error; err != nil {
			return err
		}
		return tx.Exec("DELETE FROM "+n.newcomers+" WHERE table_name = ? AND arrived_at IS NULL AND created_at < ?", s.table, stamp(before)).Error
	})
	if err != nil {
		return fmt.Errorf("forget old arrivals: %w", err)
	}
	return nil
}

// timeCast is a parameter that is a time.
func (s *State) timeCast() string {
	if s.conn.Dialect == SQLite {
		return "CAST(? AS integer)"
	}
	return "CAST(? AS timestamptz)"
}

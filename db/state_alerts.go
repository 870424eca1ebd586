package db

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// UpdateAlert replaces what is kept of a topic of the alerts by what change makes of
// it, on the condition that nobody else has replaced it meanwhile: then change is
// asked again. Now is the database's clock, nil is nothing kept so far, and what is
// returned as it was is not written. An error of change ends it and is returned as it is.
func (s *State) UpdateAlert(ctx context.Context, topic string, change func(now time.Time, record []byte) ([]byte, error)) error {
	for {
		now, version, before, err := s.alert(ctx, topic)
		if err != nil {
			return fmt.Errorf("read the alert %s: %w", topic, s.fault(err))
		}
		after, err := change(now, before)
		if err != nil {
			return err
		}
		if version > 0 && bytes.Equal(before, after) {
			return nil
		}
		written, err := s.replaceAlert(ctx, topic, version, after)
		if err != nil {
			return fmt.Errorf("keep the alert %s: %w", topic, err)
		}
		if written {
			return nil
		}
		// Somebody else was faster, so that it goes on: the look that follows sees what they wrote.
	}
}

// alert reads a topic; version 0 is none.
func (s *State) alert(ctx context.Context, topic string) (now time.Time, version int64, record []byte, err error) {
	var row struct {
		Now     stamp
		Version *int64
		Record  *string
	}
	err = s.db(ctx).Raw("SELECT "+s.names.clock+" AS now, a.version, CAST(a.record AS text) AS record FROM (SELECT 1 AS one) AS one"+
		" LEFT JOIN "+s.names.alerts+" a ON a.table_name = ? AND a.topic = ?", s.table, topic).Scan(&row).Error
	if err != nil || row.Version == nil {
		return time.Time(row.Now), 0, nil, err
	}
	return time.Time(row.Now), *row.Version, []byte(*row.Record), nil
}

// errOvertaken takes back a change that came too late.
var errOvertaken = errors.New("somebody else was faster")

// replaceAlert reports whether the topic was still at that version.
func (s *State) replaceAlert(ctx context.Context, topic string, version int64, record []byte) (bool, error) {
	n := s.names
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		var res *gorm.DB
		if version == 0 {
			res = tx.Exec("INSERT INTO "+n.alerts+" (table_name, topic, version, record, updated_at) VALUES (?, ?, 1, ?, "+n.clock+")"+
				" ON CONFLICT DO NOTHING", s.table, topic, string(record))
		} else {
			res = tx.Exec("UPDATE "+n.alerts+" SET version = version + 1, record = ?, updated_at = "+n.clock+
				" WHERE table_name = ? AND topic = ? AND version = ?", string(record), s.table, topic, version)
		}
		if res.Error == nil && res.RowsAffected == 0 {
			return errOvertaken
		}
		return res.Error
	})
	if errors.Is(err, errOvertaken) {
		return false, nil
	}
	return err == nil, err
}

// Alerts returns what is kept of every topic, and the database's clock.
func (s *State) Alerts(ctx context.Context) (now time.Time, records map[string][]byte, err error) {
	var rows []struct {
		Now    stamp
		Topic  *string
		Record *string
	}
	err = s.db(ctx).Raw("SELECT "+s.names.clock+" AS now, a.topic, CAST(a.record AS text) AS record FROM (SELECT 1 AS one) AS one"+
		" LEFT JOIN "+s.names.alerts+" a ON a.table_name = ?", s.table).Scan(&rows).Error
	if err != nil {
		return time.Time{}, nil, fmt.Errorf("read the alerts: %w", s.fault(err))
	}
	records = map[string][]byte{}
	for _, r := range rows {
		now = time.Time(r.Now)
		if r.Topic != nil {
			records[*r.Topic] = []byte(*r.Record)
		}
	}
	return now, records, nil
}

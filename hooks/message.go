package hooks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// TypeInserted is the type of the message about an inserted row.
const TypeInserted = "user.inserted"

// Message is the body of the POST.
type Message struct {
	Type string `json:"type"`
	// Timestamp is when the row was inserted; webhook-timestamp is when it was told.
	Timestamp time.Time `json:"timestamp"`
	Data      Inserted  `json:"data"`
}

// Inserted is an inserted row.
type Inserted struct {
	UserID string `json:"user_id"`
	Table  string `json:"table"`
	Key    Key    `json:"key"`
	// InsertedAt is when the row was made, CreatedAt when the user was, in Clerk.
	InsertedAt time.Time `json:"inserted_at"`
	CreatedAt  time.Time `json:"created_at"`
	// By is run, webhook, ensure, admin or user; RunID is the run, null for the others.
	By    string  `json:"by"`
	RunID *string `json:"run_id"`
	// Columns are the compared columns as they were written, as texts; null where
	// the journal's retention is over.
	Columns map[string]*string `json:"columns"`
}

// Key is the row's key: the column of Clerk's ids, and the id.
type Key struct {
	Column string `json:"column"`
	Value  string `json:"value"`
}

// compose renders the message about a row. It is the same on every attempt, as
// long as the journal has the columns.
func compose(a *reconcile.Announcement, table, key string) ([]byte, error) {
	m := Message{Type: TypeInserted, Timestamp: a.InsertedAt.UTC(), Data: Inserted{
		UserID: a.UserID, Table: table, Key: Key{Column: key, Value: a.UserID},
		InsertedAt: a.InsertedAt.UTC(), CreatedAt: a.CreatedAt.UTC(), By: a.By(), Columns: a.Columns}}
	if m.Data.By == "run" {
		m.Data.RunID = &a.RunID
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("compose the message: %w", err)
	}
	return body, nil
}

// messageID is the webhook-id: the same on every attempt for one insert, and
// another one for every other, whatever becomes of the state's own numbers.
func messageID(a *reconcile.Announcement, table string) string {
	sum := sha256.Sum256([]byte(table + "\x00" + a.UserID + "\x00" + strconv.FormatInt(a.InsertedAt.UnixMicro(), 10)))
	return "msg_" + hex.EncodeToString(sum[:16])
}

package webhook

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// The types of event that are kept. Every other one is acknowledged and counted.
const (
	created = "user.created"
	updated = "user.updated"
	deleted = "user.deleted"
)

// other stands for every type that is not kept, also in the metrics, where what a
// stranger sent must not become a label.
const other = "other"

// Event is a delivery whose signature is good.
type Event struct {
	// ID is Svix's, the same on every delivery of the event.
	ID string
	// Type and UserID are "" where the payload does not tell them.
	Type, UserID string
	// InstanceID is the Clerk instance that sent it, "" where it does not say.
	InstanceID string
	// At is when it happened, by Clerk's clock; zero where it does not say.
	At time.Time
	// Payload is the body as it came.
	Payload []byte
}

// errMalformed says why a payload is not one of Clerk's events.
var errMalformed = errors.New("the body is not an event as Clerk sends it")

// parse reads an event's payload. An event is returned with an error too: it came
// with a good signature, so somebody should look at it.
func parse(id string, payload []byte) (Event, error) {
	e := Event{ID: id, Payload: payload}
	var envelope struct {
		Type       string `json:"type"`
		InstanceID string `json:"instance_id"`
		Timestamp  int64  `json:"timestamp"`
		Data       struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	// A field of another type is left out and the rest is read all the same: events of other
	// types may hold other data, and only the users' must fit.
	err := json.Unmarshal(payload, &envelope)
	if misfit := (*json.UnmarshalTypeError)(nil); err != nil && !errors.As(err, &misfit) || envelope.Type == "" {
		return e, errMalformed
	}
	switch envelope.Type {
	case created, updated, deleted:
		e.Type = envelope.Type
	default:
		e.Type = other
		return e, nil
	}
	e.At = moment(envelope.Timestamp)
	if len(envelope.InstanceID) <= 100 && printable(envelope.InstanceID) {
		e.InstanceID = envelope.InstanceID
	}
	if !reconcile.IsUserID(envelope.Data.ID) {
		return e, errMalformed
	}
	e.UserID = envelope.Data.ID
	return e, nil
}

// moment reads a time of Clerk's, which comes in milliseconds and has been seen in seconds.
func moment(n int64) time.Time {
	const (
		least = 100_000_000_000     // in milliseconds that is 1973, in seconds the year 5138
		most  = 253_402_300_799_999 // the end of the year 9999, the last that JSON's times can tell
	)
	switch {
	case n <= 0 || n > most:
		return time.Time{}
	case n < least:
		return time.Unix(n, 0).UTC()
	default:
		return time.UnixMilli(n).UTC()
	}
}

// printable reports whether a text consists of visible ASCII characters.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

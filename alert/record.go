package alert

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Record is what is kept of a topic. The zero Record is a topic that was never
// anything but ok. It holds ids and numbers, and nothing else of a person.
type Record struct {
	State State     `json:"state,omitempty"` // "" is OK
	Since time.Time `json:"since,omitzero"`  // when that began

	// Wrong counts the runs or observations in a row that were not well, since WrongSince.
	Wrong      int       `json:"wrong,omitempty"`
	WrongSince time.Time `json:"wrong_since,omitzero"`
	// Left is the drift that no full run has cleared; DriftSince when it began. It
	// outlasts Failing and Aborted.
	Left       int64     `json:"left,omitempty"`
	DriftSince time.Time `json:"drift_since,omitzero"`
	// Level is the number that was told last, or less if it has come down since:
	// what is much worse is told again.
	Level int64 `json:"level,omitempty"`

	// Quiet says that the state is not told here, because another topic has told it.
	Quiet bool `json:"quiet,omitempty"`
	// Seq counts the changes that are worth telling; Changed and Facts are of the last.
	Seq     int64     `json:"seq,omitempty"`
	Changed time.Time `json:"changed,omitzero"`
	Facts   Facts     `json:"facts,omitzero"`
	// Told is what each target knows.
	Told map[string]Told `json:"told,omitempty"`

	// Checked is when somebody last looked, where one process looks for all.
	Checked time.Time `json:"checked,omitzero"`
	// Samples are what each process counted lately, where all of them count.
	Samples map[string]Sample `json:"samples,omitempty"`
}

// Facts are what a message tells of a change.
type Facts struct {
	RunID    string              `json:"run_id,omitempty"`
	Outcome  reconcile.Outcome   `json:"outcome,omitempty"`
	Reason   string              `json:"reason,omitempty"`
	Numbers  map[string]int64    `json:"numbers,omitempty"`
	Examples map[string][]string `json:"examples,omitempty"` // ids, by kind
	// Wrong and WrongSince are the record's, of a state that is over too.
	Wrong      int       `json:"wrong,omitempty"`
	WrongSince time.Time `json:"wrong_since,omitzero"`
}

// state is the record's, with its zero value's meaning.
func (r *Record) state() State {
	if r.State == "" {
		return OK
	}
	return r.State
}

// shown is the state as targets see it.
func (r *Record) shown() State {
	if r.Quiet {
		return OK
	}
	return r.state()
}

// turn brings the record into a state. Whether that is told, the caller says.
func (r *Record) turn(s State, since time.Time) {
	if r.state() == s {
		return
	}
	r.State, r.Since = s, since
}

// tell makes the state something that targets have to hear.
func (r *Record) tell(f Facts, now time.Time) {
	f.Wrong, f.WrongSince = r.Wrong, r.WrongSince
	r.Facts, r.Quiet = f, false
	r.Seq++
	r.Changed = now
}

// worse reports whether a number is so much above the known one that it is news.
func worse(known, now int64) bool { return now > 0 && known == 0 || now >= 2*known+10 }

// decode reads a record; nothing is the zero one.
func decode(document []byte) (Record, error) {
	var r Record
	if len(document) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(document, &r); err != nil {
		return Record{}, fmt.Errorf("read an alert's record: %w", err)
	}
	return r, nil
}

// encode writes a record.
func (r *Record) encode() []byte {
	document, _ := json.Marshal(r) // texts, numbers and times of our own: nothing that fails
	return document
}

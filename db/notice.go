package db

import "fmt"

// The levels of a Notice.
const (
	OK   = "ok"
	Warn = "warn" // a run goes on, and does less than somebody may expect
	Fail = "fail" // a run fails, or leaves wrong what it should cure
)

// Notice is something that a check found out.
type Notice struct {
	// Level is OK, Warn or Fail.
	Level string `json:"level"`
	// Subject is what was looked at.
	Subject string `json:"subject"`
	Message string `json:"message"`
	// Cure is what to do, a line for each statement; "" where there is nothing to do.
	Cure string `json:"cure,omitempty"`
}

// Notices collects what a check finds out.
type Notices []Notice

// OK adds what is in order.
func (n *Notices) OK(subject, format string, args ...any) {
	*n = append(*n, Notice{Level: OK, Subject: subject, Message: fmt.Sprintf(format, args...)})
}

// Warn adds what should be known.
func (n *Notices) Warn(subject, cure, format string, args ...any) {
	*n = append(*n, Notice{Warn, subject, fmt.Sprintf(format, args...), cure})
}

// Fail adds what must be changed.
func (n *Notices) Fail(subject, cure, format string, args ...any) {
	*n = append(*n, Notice{Fail, subject, fmt.Sprintf(format, args...), cure})
}

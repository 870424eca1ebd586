package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// The rhythm of event streams.
const (
	progressEvery = 250 * time.Millisecond
	statusEvery   = time.Second      // how often it is looked whether something changed
	statusAtLeast = 15 * time.Second // how often it is told that nothing did
	eventTimeout  = 10 * time.Second // how long a client may take to read one
	maxStreams    = 100
)

// getEvents streams the status and the progress of a run.
func (a *admin) getEvents(w http.ResponseWriter, r *http.Request, c caller) error {
	defer a.streams.Add(-1)
	if a.streams.Add(1) > maxStreams {
		return errBusy
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // or a proxy would keep them
	s := &stream{admin: a, w: w, control: http.NewResponseController(w), role: c.role}
	if err := s.control.SetReadDeadline(time.Time{}); err != nil { // it would end the stream
		return err
	}
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		if err := s.tell(r); err != nil {
			return nil // the client is gone
		}
		select {
		case <-a.done:
			return nil
		case <-r.Context().Done():
			return nil
		case <-tick.C:
		}
		// Who lost the role meanwhile hears nothing more.
		if a.auth.caller(r).role != c.role {
			return nil
		}
	}
}

// stream is what one client has been told.
type stream struct {
	*admin
	w       http.ResponseWriter
	control *http.ResponseController
	role    Role

	asked, told time.Time
	status      []byte // without what changes all the time
	progress    []byte
}

// tell sends what is new.
func (s *stream) tell(r *http.Request) error {
	now := time.Now()
	if progress := s.Operator.Progress(); progress != nil {
		body, err := json.Marshal(progress)
		if err != nil {
			return err
		}
		if !bytes.Equal(body, s.progress) {
			s.progress = body
			if err := s.send("progress", body); err != nil {
				return err
			}
		}
	} else if s.progress != nil {
		s.progress, s.asked = nil, time.Time{} // the run is over: say so at once
		s.cache.forget()
	}
	if now.Sub(s.asked) < statusEvery {
		return nil
	}
	s.asked = now
	status, err := s.statusFor(r.Context(), s.role)
	if err != nil {
		return r.Context().Err() // it may be better next time
	}
	whole, err := json.Marshal(status)
	if err != nil {
		return err
	}
	status.Now = time.Time{}
	if status.Running != nil {
		status.Running = &Running{RunID: status.Running.RunID, Mode: status.Running.Mode, Since: status.Running.Since, Elsewhere: status.Running.Elsewhere}
	}
	steady, err := json.Marshal(status)
	if err != nil {
		return err
	}
	if bytes.Equal(steady, s.status) && now.Sub(s.told) < statusAtLeast {
		return nil
	}
	s.status, s.told = steady, now
	return s.send("status", whole)
}

func (s *stream) send(event string, data []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(eventTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", event, data); err != nil {
		return err
	}
	return s.control.Flush()
}

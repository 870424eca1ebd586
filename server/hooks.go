package server

import (
	"context"
	"net/http"
	"time"
)

// Hooks are the announcements of inserted users to the application.
type Hooks interface {
	// Announcements returns at most limit that were not delivered yet, those given up
	// first, and how many there are.
	Announcements(ctx context.Context, limit int) (items []Announcement, waiting, givenUp int64, err error)
	// RetryAnnouncements makes them due now, and returns how many.
	RetryAnnouncements(ctx context.Context) (int64, error)
}

// Announcement is an inserted user whom the application has not been told of yet.
type Announcement struct {
	UserID     string    `json:"user_id"`
	By         string    `json:"by"` // run, webhook, ensure, admin or user
	RunID      string    `json:"run_id"`
	InsertedAt time.Time `json:"inserted_at"`
	Attempts   int       `json:"attempts"`
	LastError  string    `json:"last_error"` // "" before the first failure
	DueAt      time.Time `json:"due_at"`
	GivenUpAt  time.Time `json:"given_up_at,omitzero"`
}

func (a *admin) getHooks(w http.ResponseWriter, r *http.Request, _ caller) error {
	limit, err := number(r, "limit", 100, 1000)
	if err != nil {
		return err
	}
	return a.cached(w, r, func(ctx context.Context) (any, error) {
		items, waiting, givenUp, err := a.Operator.Announcements(ctx, limit)
		return struct {
			Waiting int64          `json:"waiting"`
			GivenUp int64          `json:"given_up"`
			Items   []Announcement `json:"items"`
		}{waiting, givenUp, list(items)}, err
	})
}

func (a *admin) postHooksRetry(w http.ResponseWriter, r *http.Request, c caller) error {
	a.did(r, c, "retry hooks")
	n, err := a.Operator.RetryAnnouncements(r.Context())
	if err != nil {
		return err
	}
	a.cache.forget()
	send(w, http.StatusOK, struct {
		Due int64 `json:"due"`
	}{n})
	return nil
}

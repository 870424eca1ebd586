package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// queued is the answer to whoever asks for a run.
type queued struct {
	Queued bool           `json:"queued"`
	Mode   reconcile.Mode `json:"mode"`
	DryRun bool           `json:"dry_run"`
}

func (a *admin) trigger(w http.ResponseWriter, r *http.Request, c caller, mode reconcile.Mode, dryRun bool) {
	a.did(r, c, "run", zap.String("mode", string(mode)), zap.Bool("dry_run", dryRun))
	a.Operator.Trigger(mode, dryRun, c.by)
	a.cache.forget()
	send(w, http.StatusAccepted, queued{true, mode, dryRun})
}

func (a *admin) postRun(w http.ResponseWriter, r *http.Request, c caller) error {
	var body struct {
		Mode   reconcile.Mode `json:"mode"`
		DryRun bool           `json:"dry_run"`
	}
	if err := read(r, &body, true); err != nil {
		return err
	}
	if body.Mode == "" {
		body.Mode = reconcile.Full
	}
	if body.Mode != reconcile.Full && body.Mode != reconcile.Recent {
		return badRequest("mode %.20q: use full or recent", string(body.Mode))
	}
	a.trigger(w, r, c, body.Mode, body.DryRun)
	return nil
}

func (a *admin) postSyncAll(w http.ResponseWriter, r *http.Request, c caller) error {
	a.trigger(w, r, c, reconcile.Full, false)
	return nil
}

func (a *admin) postPause(w http.ResponseWriter, r *http.Request, c caller) error {
	var body struct {
		Reason string `json:"reason"`
	}
	if err := read(r, &body, false); err != nil {
		return err
	}
	if body.Reason = strings.TrimSpace(body.Reason); body.Reason == "" || len(body.Reason) > 1000 {
		return badRequest("a pause needs a reason of 1 to 1000 characters, which the others will read")
	}
	if err := a.Operator.Pause(r.Context(), body.Reason, c.by); err != nil {
		return err
	}
	a.did(r, c, "pause", zap.String("reason", body.Reason))
	a.cache.forget()
	send(w, http.StatusOK, map[string]bool{"paused": true})
	return nil
}

func (a *admin) postResume(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := a.Operator.Resume(r.Context(), c.by); err != nil {
		return err
	}
	a.did(r, c, "resume")
	a.cache.forget()
	send(w, http.StatusOK, map[string]bool{"paused": false})
	return nil
}

// synced tells about one user who was looked at.
type synced struct {
	UserID  string         `json:"user_id"`
	Found   reconcile.Kind `json:"found"` // "" for nothing
	Fixed   bool           `json:"fixed"`
	Created bool           `json:"created"`
	Detail  string         `json:"detail"`
}

func syncedOf(h reconcile.Healed) synced {
	s := synced{UserID: h.UserID, Created: h.Created}
	switch f := h.Finding; {
	case f != nil:
		s.Found, s.Fixed, s.Detail = f.Kind, f.Fixed, f.Detail
		if s.Detail == "" && !f.Fixed {
			s.Detail = "the policy only reports this kind"
		}
	case h.User == nil && !h.Present:
		s.Detail = "neither Clerk nor the table has this user"
	case !h.Present:
		s.Detail = "the user has no row, and gets none: Clerk reported the user as deleted"
	}
	return s
}

// The listener gives an answer half a minute. Writes end before that, but healing
// takes what Clerk's limit leaves: a request for each row whose user is gone, which is
// 40 s for a hundred at a development instance's.
const (
	writeTimeout   = 25 * time.Second
	healTimeout    = 20 * time.Second // and for each user
	healTimeoutFor = 2 * time.Second
	healAnswers    = 10 * time.Second // how long the answer may take to be written
)

// heal heals users. However long that takes, and whatever comes of it, it is answered.
func (a *admin) heal(w http.ResponseWriter, r *http.Request, c caller, ids []string) ([]synced, error) {
	for _, id := range ids {
		if !reconcile.IsUserID(id) {
			return nil, badRequest("%.40q is no Clerk user id (user_...)", id)
		}
	}
	if !a.lookups.Allow() {
		return nil, errTooMany
	}
	limit := healTimeout + time.Duration(len(ids))*healTimeoutFor
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit + healAnswers)); err != nil {
		return nil, err
	}
	a.did(r, c, "sync", zap.Strings("user_ids", ids))
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	healed, err := a.Operator.Heal(ctx, ids)
	a.cache.forget() // something may be done, whatever the error
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("it was ended after %s, and what was done until then stays: %w", limit, err)
	}
	if err != nil {
		return nil, err
	}
	out := make([]synced, len(healed))
	for i, h := range healed {
		out[i] = syncedOf(h)
	}
	return out, nil
}

func (a *admin) syncOne(w http.ResponseWriter, r *http.Request, c caller, id string) error {
	results, err := a.heal(w, r, c, []string{id})
	if err != nil {
		return err
	}
	if len(results) != 1 {
		return errors.New("heal answered for another number of users")
	}
	send(w, http.StatusOK, results[0])
	return nil
}

func (a *admin) postSync(w http.ResponseWriter, r *http.Request, c caller) error {
	return a.syncOne(w, r, c, r.PathValue("id"))
}

// maxSync is how many users one request heals: as many as one request to Clerk tells of.
const maxSync = 100

func (a *admin) postSyncMany(w http.ResponseWriter, r *http.Request, c caller) error {
	var body struct {
		IDs []string `json:"ids"`
	}
	if err := read(r, &body, false); err != nil {
		return err
	}
	if len(body.IDs) == 0 || len(body.IDs) > maxSync {
		return badRequest("ids holds %d users: give 1 to %d", len(body.IDs), maxSync)
	}
	results, err := a.heal(w, r, c, body.IDs)
	if err != nil {
		return err
	}
	send(w, http.StatusOK, map[string][]synced{"results": results})
	return nil
}

func (a *admin) postSyncUser(w http.ResponseWriter, r *http.Request, c caller) error {
	var body struct {
		UserID string `json:"user_id"`
		Email  string `json:"email"`
	}
	if err := read(r, &body, false); err != nil {
		return err
	}
	if (body.UserID == "") == (body.Email == "") {
		return badRequest("give user_id or email, one of them")
	}
	if body.UserID != "" {
		return a.syncOne(w, r, c, body.UserID)
	}
	people, err := a.find(r.Context(), body.Email)
	if err != nil {
		return err
	}
	people = slices.DeleteFunc(people, func(p Person) bool { return !reconcile.IsUserID(p.UserID) })
	switch len(people) {
	case 0:
		fail(w, http.StatusNotFound, "not_found", "no user has this e-mail address")
		return nil
	case 1:
		return a.syncOne(w, r, c, people[0].UserID)
	default:
		fail(w, http.StatusConflict, "ambiguous", "several users have this e-mail address: give a user_id")
		return nil
	}
}

package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Mail is the webhook receiver's dead letters.
type Mail interface {
	// DeadLetters returns at most limit of them, the newest first, older than the one of
	// that id (0 for the newest of all), and how many there are. Where none can be, it returns none.
	DeadLetters(ctx context.Context, before int64, limit int) (page []DeadLetter, total int64, err error)
	// DeadLetter returns one with its payload; the error wraps ErrNoLetter.
	DeadLetter(ctx context.Context, id int64) (DeadLetter, error)
	// ReplayDead puts one to work again, ReplayAllDead all of them; it returns how many.
	ReplayDead(ctx context.Context, id int64) error
	ReplayAllDead(ctx context.Context) (int, error)
	// DropDead ends one unprocessed. By names who drops it.
	DropDead(ctx context.Context, id int64, by, reason string) error
}

// DeadLetter is a webhook event that could not be worked off.
type DeadLetter struct {
	ID         int64     `json:"id"`
	SvixID     string    `json:"svix_id"`
	Type       string    `json:"type"`    // "" where it cannot be read
	UserID     string    `json:"user_id"` // "" where it cannot be read
	InstanceID string    `json:"instance_id"`
	OccurredAt time.Time `json:"occurred_at,omitzero"` // by Clerk's clock
	ReceivedAt time.Time `json:"received_at"`
	DeadAt     time.Time `json:"dead_at"`
	Attempts   int       `json:"attempts"`
	Cause      string    `json:"cause"`
	Reason     string    `json:"reason"`
	// Payload is the body as it came, nil where it is gone. It is personal data.
	Payload []byte `json:"-"`
}

// wholeLetter is a letter with what may be seen of its payload.
type wholeLetter struct {
	DeadLetter
	Payload any `json:"payload"`
}

func (a *admin) getDeadLetters(w http.ResponseWriter, r *http.Request, _ caller) error {
	limit, err := number(r, "limit", 50, 200)
	if err != nil {
		return err
	}
	var before int64
	if text := r.URL.Query().Get("before"); text != "" {
		if before, err = letterID(text); err != nil {
			return err
		}
	}
	return a.cached(w, r, func(ctx context.Context) (any, error) {
		letters, total, err := a.Operator.DeadLetters(ctx, before, limit+1)
		if err != nil {
			return nil, err
		}
		next := ""
		if len(letters) > limit {
			letters = letters[:limit]
			next = strconv.FormatInt(letters[limit-1].ID, 10)
		}
		return struct {
			Letters []DeadLetter `json:"letters"`
			Next    string       `json:"next"`
			Total   int64        `json:"total"`
		}{list(letters), next, total}, nil
	})
}

func letterID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, badRequest("%.20q is no dead letter's id: it is a number", text)
	}
	return id, nil
}

func (a *admin) getDeadLetter(w http.ResponseWriter, r *http.Request, c caller) error {
	id, err := letterID(r.PathValue("id"))
	if err != nil {
		return err
	}
	show, err := a.shows(r, c, zap.Int64("dead_letter", id))
	if err != nil {
		return err
	}
	letter, err := turn(r.Context(), a.reads, func() (DeadLetter, error) { return a.Operator.DeadLetter(r.Context(), id) })
	if err != nil {
		return err
	}
	send(w, http.StatusOK, wholeLetter{letter, ShowPayload(letter.Payload, show)})
	return nil
}

// ShowPayload renders a payload as JSON of which every value passes show. What is no
// JSON is one text.
func ShowPayload(payload []byte, show func(Value) *string) any {
	if payload == nil {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(string(payload)))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		text := strings.ToValidUTF8(string(payload), "\uFFFD")
		return show(Value{Text: &text})
	}
	return shown("", v, show)
}

// shown renders what is under a key. The masked way leaves structure, ids, types and
// times, so that one can see what is wrong with an event but not whose it is.
func shown(key string, v any, show func(Value) *string) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = shown(k, v[k], show)
		}
		return v
	case []any:
		for i := range v {
			v[i] = shown(key, v[i], show)
		}
		return v
	case json.Number:
		text := v.String()
		kind := reconcile.Number
		if strings.HasSuffix(key, "_at") || key == "timestamp" {
			kind = reconcile.Time
		}
		if show(Value{Text: &text, Kind: kind}) == nil || *show(Value{Text: &text, Kind: kind}) != text {
			return hiddenValue
		}
		return v
	case string:
		if key == "type" || key == "object" || key == "instance_id" {
			return v
		}
		return show(Value{Text: &v})
	default:
		return v
	}
}

// Masked is the masking of everything that names a person, for ShowPayload; Plain shows it all.
func Masked(v Value) *string { return masked(v) }

// Plain shows a value as it is.
func Plain(v Value) *string { return plain(v) }

func (a *admin) postReplay(w http.ResponseWriter, r *http.Request, c caller) error {
	id, err := letterID(r.PathValue("id"))
	if err != nil {
		return err
	}
	a.did(r, c, "replay", zap.Int64("dead_letter", id))
	defer a.cache.forget()
	if err := a.Operator.ReplayDead(r.Context(), id); err != nil {
		return err
	}
	send(w, http.StatusOK, map[string]int{"replayed": 1})
	return nil
}

func (a *admin) postReplayAll(w http.ResponseWriter, r *http.Request, c caller) error {
	a.did(r, c, "replay all")
	defer a.cache.forget()
	n, err := a.Operator.ReplayAllDead(r.Context())
	if err != nil {
		return err
	}
	send(w, http.StatusOK, map[string]int{"replayed": n})
	return nil
}

func (a *admin) postDrop(w http.ResponseWriter, r *http.Request, c caller) error {
	id, err := letterID(r.PathValue("id"))
	if err != nil {
		return err
	}
	var body struct {
		Reason string `json:"reason"`
	}
	if err := read(r, &body, false); err != nil {
		return err
	}
	if body.Reason = strings.TrimSpace(body.Reason); body.Reason == "" || len(body.Reason) > 1000 {
		return badRequest("dropping a letter needs a reason of 1 to 1000 characters, which is kept with it")
	}
	a.did(r, c, "drop", zap.Int64("dead_letter", id), zap.String("reason", body.Reason))
	defer a.cache.forget()
	if err := a.Operator.DropDead(r.Context(), id, c.by, body.Reason); err != nil {
		return err
	}
	send(w, http.StatusOK, map[string]bool{"dropped": true})
	return nil
}

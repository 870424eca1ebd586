package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-sync/rollcall/server"
	"github.com/rollcall-sync/rollcall/webhook"
)

// letters are the dead letters of the webhook receiver; the error wraps
// server.ErrNoState where there can be none.
func (a *app) letters() (*webhook.Letters, error) {
	if a.state == nil {
		return nil, server.ErrNoState
	}
	if a.state.Pool() == nil {
		return nil, fmt.Errorf("%w: webhook events are kept in PostgreSQL, and the state is in SQLite", server.ErrNoState)
	}
	return webhook.NewLetters(a.state.Pool(), a.cfg.Database.Table.String(), a.log)
}

func (o *operator) letters(ctx context.Context) (*webhook.Letters, error) {
	a, err := o.opened(ctx)
	if err != nil {
		return nil, err
	}
	return a.letters()
}

// letterError marks the error of a letter that is not there.
func letterError(err error) error {
	if errors.Is(err, webhook.ErrNoLetter) {
		return fmt.Errorf("%w: %w", server.ErrNoLetter, err)
	}
	return err
}

// DeadLetters returns dead letters before another one.
func (o *operator) DeadLetters(ctx context.Context, before int64, limit int) ([]server.DeadLetter, int64, error) {
	letters, err := o.letters(ctx)
	if err != nil {
		return nil, 0, ignore(err, server.ErrNoState)
	}
	page, total, err := letters.List(ctx, before, limit)
	out := make([]server.DeadLetter, len(page))
	for i, d := range page {
		out[i] = server.DeadLetter(d)
	}
	return out, total, err
}

// DeadLetter returns one with its payload.
func (o *operator) DeadLetter(ctx context.Context, id int64) (server.DeadLetter, error) {
	letters, err := o.letters(ctx)
	if err != nil {
		return server.DeadLetter{}, err
	}
	d, err := letters.Get(ctx, id)
	return server.DeadLetter(d), letterError(err)
}

// ReplayDead puts one to work again.
func (o *operator) ReplayDead(ctx context.Context, id int64) error {
	letters, err := o.letters(ctx)
	if err != nil {
		return err
	}
	return letterError(letters.Replay(ctx, id))
}

// ReplayAllDead puts all of them to work again.
func (o *operator) ReplayAllDead(ctx context.Context) (int, error) {
	letters, err := o.letters(ctx)
	if err != nil {
		return 0, err
	}
	return letters.ReplayAll(ctx)
}

// DropDead ends one unprocessed.
func (o *operator) DropDead(ctx context.Context, id int64, by, reason string) error {
	letters, err := o.letters(ctx)
	if err != nil {
		return err
	}
	return letterError(letters.Drop(ctx, id, by, reason))
}

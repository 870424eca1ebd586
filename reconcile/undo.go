package reconcile

import (
	"context"
	"errors"
	"fmt"
)

// UndoReport tells what an undo took back, or would.
type UndoReport struct {
	RunID string `json:"run_id"`
	// Planned: nothing was written; the counts are what would happen.
	Planned bool `json:"planned"`
	// Taken counts the writes taken back, by action.
	Taken map[Action]int64 `json:"taken"`
	// Already counts those that were taken back before.
	Already int64 `json:"already"`
	// Left counts those that were not, by reason, and LeftIDs gives the first
	// hundred users of them.
	Left    map[string]int64 `json:"left"`
	LeftIDs []string         `json:"left_ids"`
}

// Total is the number of writes that are, or would be, taken back.
func (u *UndoReport) Total() (n int64) {
	for _, count := range u.Taken {
		n += count
	}
	return n
}

// undoBatch is how many writes are taken back in one transaction.
const undoBatch = 100

// PlanUndo says what Undo would take back, and writes nothing.
func (e *Engine) PlanUndo(ctx context.Context, runID string) (*UndoReport, error) {
	return e.undo(ctx, runID, true)
}

// Undo takes back what a run wrote, the newest write first, each only where
// the row still is as the run left it. It pauses Rollcall first and leaves it
// paused, and it holds the users back from later runs until State.ReleaseHolds.
// The engine needs a Table and a State; runID is whole.
func (e *Engine) Undo(ctx context.Context, runID string) (*UndoReport, error) {
	if err := e.State.Pause(ctx, "undo of run "+runID, e.Holder); err != nil {
		return nil, fmt.Errorf("pause before the undo: %w", err)
	}
	return e.undo(ctx, runID, false)
}

func (e *Engine) undo(ctx context.Context, runID string, dry bool) (*UndoReport, error) {
	report := &UndoReport{RunID: runID, Planned: dry, Taken: map[Action]int64{}, Left: map[string]int64{}, LeftIDs: []string{}}
	permit, err := e.undoPermit(ctx, runID)
	if err != nil {
		return nil, err
	}
	for below := int64(0); ; {
		entries, err := e.State.Journal(ctx, runID, below, undoBatch)
		if err != nil {
			return report, fmt.Errorf("read the journal: %w", err)
		}
		if len(entries) == 0 {
			return report, nil
		}
		below = entries[len(entries)-1].Seq
		if err := e.undoEntries(ctx, permit, report, entries); err != nil {
			return report, err
		}
	}
}

// undoPermit is the permit that suits: only a plan is made while Rollcall is not paused.
func (e *Engine) undoPermit(ctx context.Context, runID string) (Permit, error) {
	pause, err := e.State.PauseState(ctx)
	if err != nil {
		return Permit{}, fmt.Errorf("look whether Rollcall is paused: %w", err)
	}
	return Permit{RunID: "undo " + runID, Undo: pause.Paused()}, nil
}

func (e *Engine) undoEntries(ctx context.Context, permit Permit, report *UndoReport, entries []JournalEntry) error {
	var open []JournalEntry
	var ids []string
	for _, entry := range entries {
		switch {
		case !entry.UndoneAt.IsZero():
			report.Already++
		case entry.Before == nil && entry.After == nil:
			report.leave(entry.UserID, "the journal holds no data of this user any more: the user was deleted, or the retention is over")
		default:
			open = append(open, entry)
			ids = append(ids, entry.UserID)
		}
	}
	if len(open) == 0 {
		return nil
	}
	if !report.Planned {
		// First, so that a kill in between leaves nobody to be written again.
		if err := e.State.Hold(ctx, ids, report.RunID); err != nil {
			return fmt.Errorf("hold users back: %w", err)
		}
	}
	results, err := e.Table.Undo(ctx, permit, open, report.Planned)
	if err != nil {
		return fmt.Errorf("take writes back: %w", err)
	}
	if len(results) != len(open) {
		return errors.New("take writes back: the table answered for another number of writes")
	}
	for i, result := range results {
		if result.Done {
			report.Taken[open[i].Action]++
			continue
		}
		report.leave(open[i].UserID, result.Reason)
	}
	return nil
}

func (u *UndoReport) leave(id, reason string) {
	u.Left[reason]++
	if len(u.LeftIDs) < maxReportIDs {
		u.LeftIDs = append(u.LeftIDs, id)
	}
}

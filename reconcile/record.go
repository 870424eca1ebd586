package reconcile

import (
	"context"
	"errors"
	"fmt"
)

// emit records a finding.
func (r *run) emit(ctx context.Context, f Finding) error {
	batch, err := r.record(f)
	if err != nil {
		return err
	}
	return r.save(ctx, batch)
}

// record counts a finding, and returns those that are to be stored once they
// are many: the workers do not wait for one another's storing.
func (r *run) record(f Finding) (batch []Finding, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.add(f)
	r.note(f.UserID)
	if r.o.OnFinding != nil {
		if err := r.o.OnFinding(f); err != nil {
			return nil, fmt.Errorf("write a finding: %w", err)
		}
	}
	if r.State == nil || r.outside != nil {
		return nil, nil
	}
	if r.unsaved = append(r.unsaved, f); len(r.unsaved) >= 1000 {
		batch, r.unsaved = r.unsaved, nil
	}
	return batch, nil
}

// save stores findings. A recent run is stored with its first one.
func (r *run) save(ctx context.Context, findings []Finding) error {
	if len(findings) == 0 {
		return nil
	}
	if !r.stored {
		if err := r.store(ctx); err != nil {
			return err
		}
	}
	if err := r.try(ctx, func() error { return r.State.RecordFindings(ctx, r.report.RunID, findings) }); err != nil {
		return fmt.Errorf("store findings: %w", err)
	}
	return nil
}

// warn logs something that the operator should know and puts it into the report.
func (r *run) warn(message string) {
	r.log.Warn(message)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Warnings = append(r.report.Warnings, message)
}

// recordRejected records a row that the database refused, and ends the run when
// row after row is refused for the same reason.
func (r *run) recordRejected(ctx context.Context, u *User, refusal *RowError) error {
	f := Finding{Kind: Rejected, UserID: u.ID, Constraint: refusal.Constraint, Detail: refusal.Message, CreatedAt: u.Created()}
	return errors.Join(r.emit(ctx, f), r.strike(refusal))
}

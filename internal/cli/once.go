package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// once makes one run.
func (p *Program) once(ctx context.Context, f runFlags) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	app, err := p.open(ctx, needs{clerk: true, table: true, dryRun: o.DryRun, alerts: !o.DryRun})
	if err != nil {
		return err
	}
	defer app.close()
	if !o.DryRun {
		app.alerts = app.keeper()
	}
	// Both files are opened before the run: better no run than one whose report is lost.
	report, err := p.output(f.report)
	if err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	findings, err := p.output(f.findings)
	if err != nil {
		return errors.Join(fmt.Errorf("--findings: %w", err), report.Close())
	}
	if f.findings != "" {
		lines := json.NewEncoder(findings)
		o.OnFinding = func(f reconcile.Finding) error { return lines.Encode(f) }
	}
	r, runErr := app.run(ctx, o)
	last := r
	if r.FollowUp && runErr == nil {
		last, runErr = app.run(ctx, reconcile.Options{OnFinding: o.OnFinding})
	}
	if f.report != "" {
		encoder := json.NewEncoder(report)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(r)
	}
	if err := errors.Join(err, report.Close(), findings.Close()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	app.tell(ctx)
	return outcomeError(last, runErr, f.detailed)
}

// outcomeError turns a run's outcome into the exit code; what happened was
// already told.
func outcomeError(r *reconcile.RunReport, err error, detailed bool) error {
	switch {
	case err != nil:
		return silent(exitCode(err))
	case r.Outcome == reconcile.Drift && detailed:
		return silent(exitDrift)
	default:
		return nil
	}
}

// output opens what --report and --findings name. "" discards.
func (p *Program) output(path string) (io.WriteCloser, error) {
	switch path {
	case "":
		return closer{io.Discard, nil}, nil
	case "-":
		buffered := bufio.NewWriter(p.Stdout)
		return closer{buffered, buffered.Flush}, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewWriter(file)
	return closer{buffered, func() error { return errors.Join(buffered.Flush(), file.Close()) }}, nil
}

// closer gives a writer a Close of its own.
type closer struct {
	io.Writer
	close func() error
}

// Close flushes, and closes what is behind.
func (c closer) Close() error {
	if c.close == nil {
		return nil
	}
	return c.close()
}

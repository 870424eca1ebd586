package webhook

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

// jobArgs are those of a job: the events that were stored together. They travel as one
// text, because River has an index on every element of its arguments.
type jobArgs struct {
	Seqs string `json:"seqs"` // 812,813,815
}

// Kind implements river.JobArgs.
func (jobArgs) Kind() string { return "rollcall_webhook" }

// maxJob is how many events a job has at most: as many users as Clerk tells of in one request.
const maxJob = 100

// The attempts of a job, and the waits between them, which double: three days in all.
// What takes longer than that without being anybody's outage needs a human.
const (
	maxAttempts = 25
	firstWait   = 5 * time.Second
	longestWait = 6 * time.Hour
)

// backoff is how long after the nth attempt, which failed, the next one comes. It varies
// by a fifth, so that what failed together does not come back together.
func backoff(attempt int) time.Duration {
	wait := longestWait
	if shift := max(attempt, 1) - 1; shift < 20 {
		wait = min(firstWait<<shift, longestWait)
	}
	return wait*4/5 + rand.N(wait*2/5)
}

// queueOf is the queue of a users table: several may share a database.
func queueOf(table string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(table)) // it never fails
	return fmt.Sprintf("events_%016x", h.Sum64())
}

// enqueue makes jobs for events, of as many as may go together.
func (b *inbox) enqueue(ctx context.Context, tx pgx.Tx, seqs []int64) error {
	return b.enqueueBy(ctx, tx, seqs, maxJob)
}

// enqueueBy makes jobs of at most so many events each.
func (b *inbox) enqueueBy(ctx context.Context, tx pgx.Tx, seqs []int64, most int) error {
	options := &river.InsertOpts{Queue: queueOf(b.table), MaxAttempts: maxAttempts}
	var jobs []river.InsertManyParams
	for part := range slices.Chunk(seqs, most) {
		jobs = append(jobs, river.InsertManyParams{Args: jobArgs{Seqs: joinSeqs(part)}, InsertOpts: options})
	}
	if _, err := b.queue.InsertManyFastTx(ctx, tx, jobs); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	return nil
}

func joinSeqs(seqs []int64) string {
	var b strings.Builder
	for i, seq := range seqs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(seq, 10))
	}
	return b.String()
}

func splitSeqs(s string) ([]int64, error) {
	var seqs []int64
	for text := range strings.SplitSeq(s, ",") {
		seq, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read the job's arguments: %w", err)
		}
		seqs = append(seqs, seq)
	}
	return seqs, nil
}

// task is a job under way.
type task struct {
	seqs []int64
	last bool // no other attempt follows
}

// worker works jobs, many together.
type worker struct {
	river.WorkerDefaults[jobArgs]
	together *group[task, error]
	wait     func(attempt int) time.Duration
}

// Work implements river.Worker. A job is done when all its events are done or dead.
func (w *worker) Work(ctx context.Context, job *river.Job[jobArgs]) error {
	seqs, err := splitSeqs(job.Args.Seqs)
	if err != nil {
		return river.JobCancel(err)
	}
	left, err := w.together.ask(ctx, task{seqs, job.Attempt >= job.MaxAttempts})
	if err == nil {
		err = left
	}
	switch {
	case err == nil:
		return nil
	case passing(err), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		// It counts as no attempt. The job's own time is over, or the process ends, or
		// something is away that comes back.
		return river.JobSnooze(passingWait/2 + rand.N(passingWait))
	default:
		return err
	}
}

// passingWait is about how long is waited for what is away.
const passingWait = 10 * time.Second

// NextRetry implements river.Worker.
func (w *worker) NextRetry(job *river.Job[jobArgs]) time.Time {
	return time.Now().Add(w.wait(job.Attempt))
}

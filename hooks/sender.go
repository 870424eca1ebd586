package hooks

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Config says where announcements go, and how.
type Config struct {
	// URL gets the POSTs. It counts as a secret and is never told.
	URL string
	// Secrets sign them, each with a signature of its own, while one replaces another.
	Secrets []string
	// Table is the users table's name, and Key its column of Clerk's ids.
	Table, Key string
	Version    string
	// AtOnce is how many POSTs may be under way, default 8; Timeout is for one of them, default 10 s.
	AtOnce  int
	Timeout time.Duration
	// Poll is how often the outbox is looked at when nobody wakes the sender, default 2 s.
	Poll time.Duration
	// OnResult is told what became of each attempt, one of Results; may be nil.
	OnResult func(result string)
	Logger   *zap.Logger // nil for none
}

// Results are what may become of an attempt.
var Results = []string{"delivered", "failed", "given_up"}

// Sender delivers announcements. Its methods may be called by several goroutines.
type Sender struct {
	cfg  Config
	post *poster
	log  *zap.Logger
	wake chan struct{}

	mu       sync.Mutex
	failures int       // in a row, of whatever message
	notUntil time.Time // the endpoint asked for a pause, or nothing gets through
	gone     bool      // the endpoint answered 410
}

// New returns a sender.
func New(cfg Config) (*Sender, error) {
	signers, err := newSigners(cfg.Secrets)
	if err != nil {
		return nil, err
	}
	if cfg.AtOnce <= 0 {
		cfg.AtOnce = 8
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Poll <= 0 {
		cfg.Poll = 2 * time.Second
	}
	s := &Sender{cfg: cfg, log: cfg.Logger, wake: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	s.post = &poster{client: newClient(cfg.Timeout, cfg.AtOnce), url: cfg.URL, table: cfg.Table, key: cfg.Key,
		userAgent: "rollcall/" + cfg.Version, signers: signers, now: time.Now}
	return s, nil
}

// Wake says that there may be something to deliver.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

// Close gives idle connections back.
func (s *Sender) Close() {
	if t, ok := s.post.client.Transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// Run delivers until ctx ends, and returns when no POST is under way any more. open
// returns the outbox, which need not be there all the time.
func (s *Sender) Run(ctx context.Context, open func(context.Context) (Outbox, error)) {
	var work work
	defer work.wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		timer.Reset(s.round(ctx, &work, open))
	}
}

// round starts what is due, and returns when to look again.
func (s *Sender) round(ctx context.Context, w *work, open func(context.Context) (Outbox, error)) time.Duration {
	box, err := open(ctx)
	if err != nil {
		return s.cfg.Poll // whoever opens it tells why
	}
	for ctx.Err() == nil {
		wait, started, err := s.start(ctx, w, box)
		switch {
		case err != nil && ctx.Err() == nil:
			s.log.Warn("read the outbox of announcements", zap.Error(err))
			return s.cfg.Poll
		case started == 0:
			return wait
		}
	}
	return s.cfg.Poll
}

// Drain delivers what is due, until nothing is or ctx ends. What is left is for the
// next process.
func (s *Sender) Drain(ctx context.Context, box Outbox) error {
	var w work
	defer w.wait()
	for {
		_, started, err := s.start(ctx, &w, box)
		if err != nil || ctx.Err() != nil {
			return err
		}
		if started == 0 {
			return nil
		}
		w.wait() // one that failed at once may be due again
	}
}

// lease is how long a claim holds: longer than a POST and what comes after it.
func (s *Sender) lease() time.Duration { return s.cfg.Timeout + 30*time.Second }

// start claims as many as there is room for, and delivers each in a goroutine. Where
// it started none it says how long to wait.
func (s *Sender) start(ctx context.Context, w *work, box Outbox) (wait time.Duration, started int, err error) {
	limit, held := s.allowed()
	if held > 0 {
		return min(held, s.cfg.Poll), 0, nil
	}
	if !w.room(ctx, limit) {
		return s.cfg.Poll, 0, nil
	}
	due, waits, err := box.NextAnnouncement(ctx)
	if err != nil {
		return 0, 0, err
	}
	if !waits || due > 0 {
		if !waits || due > s.cfg.Poll {
			due = s.cfg.Poll
		}
		return due, 0, nil
	}
	claimed, err := box.ClaimAnnouncements(ctx, w.free(limit), s.lease())
	if err != nil {
		return 0, 0, err
	}
	for i := range claimed {
		w.start(func() { s.deliver(ctx, box, &claimed[i]) })
	}
	if len(claimed) == 0 { // other processes were faster
		return s.cfg.Poll, 0, nil
	}
	return 0, len(claimed), nil
}

// deliver makes one attempt, and settles what became of it. A POST under way when ctx
// ends is given a moment to be answered, so that it is not made twice.
func (s *Sender) deliver(ctx context.Context, box Outbox, a *reconcile.Announcement) {
	attempt, cancel := outlive(ctx, 5*time.Second)
	defer cancel()
	err := s.post.post(attempt, a)
	after, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	var r *refusal
	switch {
	case err == nil:
		s.succeeded()
		s.tell("delivered")
		err = box.Announced(after, a)
	case ctx.Err() != nil: // nobody knows what became of it
		err = box.ReleaseAnnouncement(after, a)
	case errors.As(err, &r) && r.gone:
		s.isGone()
		err = box.ReleaseAnnouncement(after, a)
	default:
		err = s.failed(after, box, a, err)
	}
	if err != nil {
		// The claim ends by itself: at worst it is delivered twice.
		s.log.Warn("settle an announcement", zap.String("user_id", a.UserID), zap.Error(err))
	}
}

// failed plans the next attempt, or gives up.
func (s *Sender) failed(ctx context.Context, box Outbox, a *reconcile.Announcement, why error) error {
	var r *refusal
	asked := time.Duration(0)
	if errors.As(why, &r) {
		asked = r.wait
	}
	s.stumbled(why, asked)
	s.tell("failed")
	wait, again := backoff(a.Attempt)
	if again {
		return box.PostponeAnnouncement(ctx, a, max(wait, asked), why.Error())
	}
	s.tell("given_up")
	s.log.Error("an inserted user could not be announced: no further attempt is made; rollcall hooks --retry makes one",
		zap.String("user_id", a.UserID), zap.String("run_id", a.RunID), zap.Int("attempts", a.Attempt), zap.String("reason", why.Error()))
	return box.GiveUpAnnouncement(ctx, a, why.Error())
}

func (s *Sender) tell(result string) {
	if s.cfg.OnResult != nil {
		s.cfg.OnResult(result)
	}
}

// outlive is a context that ends so long after ctx does.
func outlive(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(by)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-out.Done():
		}
	})
	return out, func() { stop(); cancel() }
}

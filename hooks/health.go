package hooks

import (
	"time"

	"go.uber.org/zap"
)

// enough is how many failures in a row mean that nothing gets through, whatever the
// message: then one attempt at a time finds out whether it does again.
const enough = 8

// slowest is how often that is found out at least.
const slowest = time.Minute

// allowed is how many POSTs may be under way, or how long none may begin.
func (s *Sender) allowed() (limit int, held time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return 0, slowest
	}
	if held = time.Until(s.notUntil); held > 0 {
		return 0, held
	}
	if s.failures >= enough {
		return 1, 0
	}
	return s.cfg.AtOnce, 0
}

func (s *Sender) succeeded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures >= enough {
		s.log.Info("announcements get through again")
	}
	s.failures, s.notUntil = 0, time.Time{}
}

// stumbled counts a failure. asked is the pause that the endpoint asked for.
func (s *Sender) stumbled(why error, asked time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures++
	wait := asked
	if s.failures >= enough {
		wait = max(wait, min(slowest, time.Second<<min(s.failures-enough, 6)))
	}
	if until := time.Now().Add(wait); wait > 0 && until.After(s.notUntil) {
		s.notUntil = until
	}
	switch s.failures {
	case 1:
		s.log.Warn("an announcement failed and is tried again later", zap.String("reason", why.Error()))
	case enough:
		s.log.Warn("no announcement gets through: they are kept, and tried again ever more slowly", zap.String("reason", why.Error()))
	}
}

// isGone ends sending in this process, as the standard asks for. Nothing is lost.
func (s *Sender) isGone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.log.Error("hooks.inserted_url answers 410 Gone: nothing more is announced until Rollcall is started again, and what waits is kept")
	}
	s.gone = true
}

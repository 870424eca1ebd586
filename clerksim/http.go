package clerksim

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// apiError is an error as Clerk's API writes it.
type apiError struct {
	status        int
	code, message string
	parameter     string
}

func (e *apiError) Error() string { return e.message }

func (s *Sim) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern, name string, f func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s.counters.add(name)
			if err := s.gate(w, r); err != nil {
				s.fail(w, err)
				return
			}
			if s.fault(w, r) {
				return
			}
			s.hook(r)
			if err := f(w, r); err != nil {
				s.fail(w, err)
			}
		})
	}
	handle("GET /v1/users", "list", s.list)
	handle("GET /v1/users/count", "count", s.total)
	handle("GET /v1/users/{id}", "get", s.get)
	handle("GET /v1/instance", "instance", s.instance)
	handle("GET /v1/jwks", "jwks", func(w http.ResponseWriter, r *http.Request) error {
		s.write(w, r, http.StatusOK, s.jwks())
		return nil
	})
	handle("POST /v1/users", "create", s.post)
	handle("PATCH /v1/users/{id}", "update", s.patch)
	handle("DELETE /v1/users/{id}", "delete", s.remove)
	handle("/", "other", func(http.ResponseWriter, *http.Request) error { return errCursor })
	s.control(mux)
	return mux
}

// gate checks the key and the rate limit, and takes the time that it is told to take.
func (s *Sim) gate(w http.ResponseWriter, r *http.Request) error {
	s.mu.RLock()
	cfg := s.cfg
	s.mu.RUnlock()
	if cfg.Latency > 0 {
		timer := time.NewTimer(cfg.Latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || !strings.HasPrefix(key, "sk_") || (cfg.Key != "" && key != cfg.Key) {
		return &apiError{status: http.StatusUnauthorized, code: "clerk_key_invalid", message: "The provided Clerk Secret Key is invalid."}
	}
	if wait := s.window.take(cfg.RateLimit); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		return &apiError{status: http.StatusTooManyRequests, code: "too_many_requests", message: "Too many requests. Please try again in a bit."}
	}
	return nil
}

// rateWindow counts requests in windows of ten seconds.
type rateWindow struct {
	mu    sync.Mutex
	start time.Time
	n     int
}

func (w *rateWindow) take(limit RateLimit) time.Duration {
	if limit <= 0 {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if now.Sub(w.start) >= 10*time.Second {
		w.start, w.n = now, 0
	}
	if w.n++; w.n <= int(limit) {
		return 0
	}
	return 10*time.Second - now.Sub(w.start)
}

// fault answers a share of the requests as broken servers do.
func (s *Sim) fault(w http.ResponseWriter, _ *http.Request) bool {
	s.mu.RLock()
	share := s.cfg.Errors
	s.mu.RUnlock()
	if share <= 0 || rand.Float64()*100 >= share {
		return false
	}
	switch rand.IntN(5) {
	case 0:
		s.fail(w, &apiError{status: http.StatusInternalServerError, code: "internal_clerk_error", message: "Oops, something went wrong."})
	case 1:
		w.WriteHeader(http.StatusBadGateway)
	case 2:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("<html><body>503 Service Unavailable</body></html>"))
	case 3:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`[{"id":"user_`)) // truncated
	default:
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
	}
	return true
}

func (s *Sim) hook(r *http.Request) {
	s.mu.RLock()
	f := s.counters.hook
	s.mu.RUnlock()
	if f != nil {
		f(r)
	}
}

func (s *Sim) fail(w http.ResponseWriter, err error) {
	var api *apiError
	var parameter *parameterError
	switch {
	case errors.As(err, &api):
	case errors.As(err, &parameter):
		api = &apiError{status: http.StatusUnprocessableEntity, code: parameter.code, message: parameter.message, parameter: parameter.name}
	default:
		return // the client is gone
	}
	body := map[string]any{"code": api.code, "message": api.message, "long_message": api.message}
	if api.parameter != "" {
		body["meta"] = map[string]any{"param_name": api.parameter}
	}
	s.write(w, nil, api.status, map[string]any{"errors": []any{body}, "clerk_trace_id": fmt.Sprintf("%016x", rand.Uint64())})
}

func (s *Sim) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, ok := v.([]byte)
	if !ok {
		b, _ = json.Marshal(v) // maps of texts and numbers always marshal
	}
	w.Header().Set("Content-Type", "application/json")
	if r != nil && len(b) > 1024 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level exists
		_, _ = z.Write(b)
		_ = z.Close()
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

var pages = sync.Pool{New: func() any { b := make([]byte, 0, 2<<20); return &b }}

func (s *Sim) list(w http.ResponseWriter, r *http.Request) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f := s.cfg.Faults
	if f.FailAfter > 0 && s.counters.get("list") > int64(f.FailAfter) {
		return &apiError{status: http.StatusServiceUnavailable, code: "unavailable", message: "Service unavailable"}
	}
	q, err := s.query(r.URL.Query())
	if err != nil {
		return err
	}
	if f.PageCap > 0 {
		q.limit = min(q.limit, f.PageCap)
	}
	buffer := pages.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer pages.Put(buffer)
	b := (*buffer)[:0]
	if f.WrapData {
		b = append(b, `{"data":`...)
	}
	b = append(b, '[')
	n, skip, position := 0, q.offset, 0
	err = s.walk(q, func(p *person) bool {
		position++
		if f.hides(p, q, s.gen) {
			return true
		}
		if skip > 0 {
			skip--
			return true
		}
		if n > 0 {
			b = append(b, ',')
		}
		b = p.append(b, f.WrapData)
		n++
		return n < q.limit
	})
	if err != nil {
		return err
	}
	b = append(b, ']')
	if f.WrapData {
		b = append(strconv.AppendInt(append(b, `,"total_count":`...), int64(s.count(q)), 10), '}')
	}
	*buffer = b
	s.write(w, r, http.StatusOK, b)
	return nil
}

// hides reports whether a fault keeps a user out of the list.
func (f Faults) hides(p *person, q *query, g *generator) bool {
	i, generated := g.index(p.id)
	return f.EmptyList || (f.ShortList > 0 && q.ids == nil && (!generated || i >= f.ShortList)) || (f.HideMost && mix(uint64(p.created))%10 != 0)
}

func (s *Sim) total(w http.ResponseWriter, r *http.Request) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	q, err := s.query(r.URL.Query())
	if err != nil {
		return err
	}
	n := s.count(q)
	if s.cfg.Faults.HideMost {
		n /= 10
	}
	if s.cfg.Faults.EmptyList {
		n = 0
	}
	s.write(w, r, http.StatusOK, map[string]any{"object": "total_count", "total_count": n})
	return nil
}

func (s *Sim) get(w http.ResponseWriter, r *http.Request) error {
	b, ok := s.JSON(r.PathValue("id"))
	if !ok {
		return errCursor
	}
	s.write(w, r, http.StatusOK, b)
	return nil
}

func (s *Sim) instance(w http.ResponseWriter, r *http.Request) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.cfg.Faults.NoInstance {
		return errCursor
	}
	environment := "development"
	if strings.Contains(r.Header.Get("Authorization"), "sk_live_") {
		environment = "production"
	}
	s.write(w, r, http.StatusOK, map[string]any{"object": "instance", "id": s.cfg.InstanceID, "environment_type": environment, "allowed_origins": nil,
		"workspace_id": "app_" + s.cfg.InstanceID[len("ins_"):]})
	return nil
}

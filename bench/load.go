package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rollcall-sync/rollcall/clerksim"
)

// load is what the admin listener is put under, while a full run is made.
type load struct {
	rate    int // requests a second
	span    time.Duration
	clients int
}

const loadToken = "bench-admin-token-0123456789"

// loadPaths are what a dashboard asks for, in its proportions.
var loadPaths = []string{"/api/status", "/api/status", "/api/status", "/api/status", "/api/runs?limit=50", "/api/runs?limit=50&x=%d",
	"/api/findings?limit=100", "/api/findings?kind=missing&q=user_%d", "/api/history?days=30", "/metrics"}

// underLoad compares full runs alone with full runs under load, once with the
// default share of Clerk's limit, and once as fast as the machine can.
func (s *stage) underLoad(ctx context.Context, l load) error {
	for _, c := range []struct {
		name  string
		limit clerksim.RateLimit
		pace  string // in the configuration
		users int
	}{
		{"at the default share of the production limit", clerksim.RateLimitProduction, "rate_limit: 1000", int(l.span.Seconds()) * 12_500},
		{"without any limit", clerksim.RateLimitOff, "rate_limit: off", s.users},
	} {
		sim := clerksim.New(clerksim.Config{Users: c.users, Seed: 1})
		sim.SetRateLimit(c.limit)
		api, stop, err := sim.Start()
		if err != nil {
			return fmt.Errorf("start the simulated Clerk: %w", err)
		}
		database, drop, err := s.database(ctx)
		if err != nil {
			stop()
			return err
		}
		fmt.Fprintf(os.Stdout, "\n%s, %d users\n", c.name, c.users)
		err = s.oneLoad(ctx, l, api, database, c.pace)
		stop()
		if err = errors.Join(err, drop()); err != nil {
			return err
		}
	}
	return nil
}

// oneLoad starts a daemon, lets it fill the table, and measures runs that find
// nothing: some alone, those that fit into the time under load, and some alone again.
func (s *stage) oneLoad(ctx context.Context, l load, api, database, pace string) error {
	d, err := s.daemon(ctx, api, database, pace)
	if err != nil {
		return err
	}
	defer d.stop()
	if _, err := d.next(ctx); err != nil { // the backfill, and what follows it
		return err
	}
	alone, err := d.runs(ctx, l.span)
	if err != nil {
		return err
	}
	before := d.cpu()
	results := make(chan []reply, 1)
	go func() { results <- l.apply(ctx, d.base) }()
	loaded, err := d.runs(ctx, l.span)
	replies := <-results
	if err != nil {
		return err
	}
	used := d.cpu() - before
	after, err := d.runs(ctx, l.span) // a machine that others use too changes meanwhile
	if err != nil {
		return err
	}
	alone = append(alone, after...)
	report(l, alone, loaded, replies, used)
	return nil
}

// report prints what was measured.
func report(l load, alone, loaded []time.Duration, replies []reply, used time.Duration) {
	mean := func(runs []time.Duration) (sum time.Duration) {
		for _, r := range runs {
			sum += r
		}
		return sum / time.Duration(max(1, len(runs)))
	}
	var took []time.Duration
	failed := map[string]int{}
	for _, r := range replies {
		if r.failure != "" {
			failed[r.failure]++
			continue
		}
		took = append(took, r.took)
	}
	slices.Sort(took)
	at := func(share float64) time.Duration {
		if len(took) == 0 {
			return 0
		}
		return took[min(len(took)-1, int(share*float64(len(took))))].Round(10 * time.Microsecond)
	}
	fmt.Fprintf(os.Stdout, "  asked for %d a second for %s: %d answered, %d failed %v\n", l.rate, l.span, len(took), len(replies)-len(took), failed)
	fmt.Fprintf(os.Stdout, "  latency from when each was due: p50 %s, p90 %s, p99 %s, p99.9 %s, worst %s\n", at(.5), at(.9), at(.99), at(.999), at(1))
	fmt.Fprintf(os.Stdout, "  a full run alone: %s (mean of %d); under load: %s (mean of %d): %+.1f%%; processor time of the daemon meanwhile: %s\n",
		mean(alone).Round(time.Millisecond), len(alone), mean(loaded).Round(time.Millisecond), len(loaded),
		100*(mean(loaded).Seconds()/mean(alone).Seconds()-1), used.Round(time.Millisecond))
}

// reply is how one request ended.
type reply struct {
	took    time.Duration
	failure string // "" for none
}

// apply asks at a steady pace. A request that has to wait for a client counts from
// the moment at which it was due.
func (l load) apply(ctx context.Context, base string) []reply {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: l.clients}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	began, n := time.Now(), int(l.span.Seconds())*l.rate
	replies := make([]reply, n)
	next := make(chan int)
	go func() {
		defer close(next)
		for i := range n {
			if wait := time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(l.rate))); wait > 0 {
				select {
				case <-time.After(wait):
				case <-ctx.Done():
					return
				}
			}
			next <- i
		}
	}()
	var all sync.WaitGroup
	for range l.clients {
		all.Go(func() {
			for i := range next {
				due := began.Add(time.Duration(i) * time.Second / time.Duration(l.rate))
				path := loadPaths[i%len(loadPaths)]
				if strings.Contains(path, "%d") {
					path = fmt.Sprintf(path, i/1000) // another question every second
				}
				failure := get(ctx, client, base+path)
				replies[i] = reply{time.Since(due), failure}
			}
		})
	}
	all.Wait()
	return replies
}

func get(ctx context.Context, client *http.Client, url string) (failure string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+loadToken)
	response, err := client.Do(request)
	if err != nil {
		return "no answer"
	}
	_, err = io.Copy(io.Discard, response.Body)
	if closing := response.Body.Close(); err != nil || closing != nil {
		return "no whole answer"
	}
	if response.StatusCode != http.StatusOK {
		return response.Status
	}
	return ""
}

// served is a daemon under load.
type served struct {
	cmd   *exec.Cmd
	base  string
	ended chan time.Duration // how long each run took that was not skipped
}

func (s *stage) daemon(ctx context.Context, api, database, pace string) (*served, error) {
	cmd := exec.CommandContext(ctx, s.binary)
	cmd.Env = []string{"CLERK_SECRET_KEY=sk_live_bench", "CLERK_API_URL=" + api, "DATABASE_URL=" + database, "ROLLCALL_ADMIN_TOKEN=" + loadToken,
		"ROLLCALL_CONFIG_YAML={clerk: {" + pace + `}, schedule: {full: "@every 20h", recent: ""}, server: {admin: "127.0.0.1:0"},
		database: {columns: {clerk_id: id, email: primary_email_address, first_name: first_name, last_name: last_name, username: username, image_url: image_url}}}`}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	d := &served{cmd: cmd, ended: make(chan time.Duration, 1000)}
	listening := make(chan string, 1)
	go func() {
		defer close(d.ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line struct {
				Msg, Addr, Outcome string
				Duration           float64 `json:"duration_s"`
			}
			if json.Unmarshal(lines.Bytes(), &line) != nil {
				continue
			}
			switch {
			case line.Msg == "listening":
				listening <- line.Addr
			case line.Msg == "run" && (line.Outcome == "in_sync" || line.Outcome == "repaired"):
				d.ended <- time.Duration(line.Duration * float64(time.Second))
			case line.Msg == "run":
				fmt.Fprintf(os.Stderr, "%s\n", lines.Bytes())
			}
		}
	}()
	select {
	case addr := <-listening:
		d.base = "http://" + addr
		return d, nil
	case <-time.After(time.Minute):
		d.stop()
		return nil, errors.New("the daemon does not listen")
	}
}

// next waits for the end of a run.
func (d *served) next(ctx context.Context) (time.Duration, error) {
	select {
	case took, ok := <-d.ended:
		if !ok {
			return 0, errors.New("the daemon ended")
		}
		return took, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(10 * time.Minute):
		return 0, errors.New("no run ended in ten minutes")
	}
}

// runs makes full runs, one after the other, until the time is over, and at least one.
func (d *served) runs(ctx context.Context, span time.Duration) (took []time.Duration, err error) {
	for len(d.ended) > 0 { // the one that follows a backfill
		<-d.ended
	}
	for began := time.Now(); len(took) == 0 || time.Since(began) < span*9/10; {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.base+"/api/runs", strings.NewReader(`{"mode":"full"}`))
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+loadToken)
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			return nil, fmt.Errorf("ask for a run: %w", err)
		}
		if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusAccepted {
			return nil, fmt.Errorf("ask for a run: %s", response.Status)
		}
		one, err := d.next(ctx)
		if err != nil {
			return nil, err
		}
		took = append(took, one)
	}
	return took, nil
}

// cpu is the processor time that the daemon has used so far.
func (d *served) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var user, system int64
	if len(fields) > 12 {
		_, _ = fmt.Sscan(fields[11], &user)   // clock ticks, of which there are
		_, _ = fmt.Sscan(fields[12], &system) // a hundred a second on Linux
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

func (d *served) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	for range d.ended {                       // until its log ends
	}
	_ = d.cmd.Wait() // it was told to end
}

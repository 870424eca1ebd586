package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/webhook"
)

// webhooks sends a user.created for each of as many users as there are events, at a
// steady pace, to a daemon with an empty table. PostgreSQL is one of its own, which writes
// to the disk as in production; Clerk answers within its production limit, of which the daemon takes its
// default share. The first two seconds, in which connections are made, are sent and held against
// the table like the others, and not measured. With ordeal PostgreSQL crashes in the middle, and the daemon is killed
// twice; what is not answered with a 2xx is sent again, as Svix does.
func (s *stage) webhooks(ctx context.Context, l load, ordeal bool) error {
	server, err := pgtest.NewServer(ctx, pgtest.Durable...)
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	defer func() { _ = server.Close() }() // it is thrown away
	s.admin = server.URL()
	database, _, err := s.database(ctx)
	if err != nil {
		return err
	}
	sim := clerksim.New(clerksim.Config{Users: (int(l.span.Seconds()) + warmUp) * l.rate, Seed: 1, RateLimit: clerksim.RateLimitProduction})
	api, stop, err := sim.Start()
	if err != nil {
		return fmt.Errorf("start the simulated Clerk: %w", err)
	}
	defer stop()
	r := &receiverBench{load: l, sim: sim, database: database}
	if err := r.prepare(s.binary, api); err != nil {
		return err
	}
	// What was written before, such as the program that was just built, is not to be written to the disk meanwhile.
	syscall.Sync()
	if err := r.start(ctx); err != nil {
		return err
	}
	defer r.kill()
	troubles := make(chan error, 1)
	if ordeal {
		go func() { troubles <- r.trouble(ctx, server) }()
	} else {
		troubles <- nil
	}
	r.send(ctx)
	if err := <-troubles; err != nil {
		return err
	}
	return r.verify(ctx)
}

// warmUp are the seconds that are not measured.
const warmUp = 2

const benchSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// receiverBench is a daemon that gets webhooks.
type receiverBench struct {
	load
	sim      *clerksim.Sim
	database string
	binary   string
	env      []string
	public   string

	mu    sync.Mutex
	cmd   *exec.Cmd
	began time.Time
	ended time.Time

	requests [][]byte
	replies  []reply // of the first attempts
	accepted []bool
	repeats  int
}

func (r *receiverBench) prepare(binary, api string) (err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // It is closed at once; the daemon takes the port.
	if err != nil {
		return fmt.Errorf("choose a port: %w", err)
	}
	r.public = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return fmt.Errorf("choose a port: %w", err)
	}
	r.binary = binary
	r.env = []string{"CLERK_SECRET_KEY=sk_live_bench", "CLERK_API_URL=" + api, "DATABASE_URL=" + r.database, "CLERK_WEBHOOK_SIGNING_SECRET=" + benchSecret,
		`ROLLCALL_CONFIG_YAML={schedule: {full: "", recent: ""}, guard: {min_overlap: 0%}, server: {admin: "", public: "` + r.public + `"},
		database: {columns: {clerk_id: id, email: primary_email_address, first_name: first_name, last_name: last_name, username: username, image_url: image_url}}}`}
	r.replies = make([]reply, (int(r.span.Seconds())+warmUp)*r.rate)
	r.accepted = make([]bool, len(r.replies))
	return r.compose()
}

// start starts the daemon and waits until it is ready.
func (r *receiverBench) start(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, r.binary)
	cmd.Env = r.env
	if os.Getenv("BENCH_LOG") != "" {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	r.mu.Lock()
	r.cmd = cmd
	r.mu.Unlock()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.public+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close() // its status is all that counts
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		<-time.After(50 * time.Millisecond)
	}
	return errors.New("the daemon is not ready within a minute")
}

// kill ends the daemon as a crash does.
func (r *receiverBench) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	_ = r.cmd.Wait()                          // it was killed
}

// trouble kills the daemon, crashes PostgreSQL and kills the daemon again.
func (r *receiverBench) trouble(ctx context.Context, server *pgtest.Server) error {
	for i, act := range []func() error{
		func() error { r.kill(); return r.start(ctx) },
		func() error { return errors.Join(server.Stop(pgtest.Immediate), server.Start()) },
		func() error { r.kill(); return r.start(ctx) },
	} {
		select {
		case <-time.After(r.span / 4):
		case <-ctx.Done():
			return ctx.Err()
		}
		began := time.Now()
		if err := act(); err != nil {
			return err
		}
		fmt.Fprintf(os.Stdout, "  %s after %s, back %s later\n", []string{"Rollcall killed", "PostgreSQL crashed", "Rollcall killed"}[i],
			time.Duration(i+1)*(r.span/4), time.Since(began).Round(10*time.Millisecond))
	}
	return nil
}

// send sends every event until it is accepted.
func (r *receiverBench) send(ctx context.Context) {
	r.began = time.Now()
	next := make(chan int, len(r.replies))
	var refused []int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range r.clients {
		all.Go(func() {
			client := &sender{address: r.public}
			defer client.close()
			for i := range next {
				due := r.began.Add(time.Duration(i) * time.Second / time.Duration(r.rate))
				failure := client.post(ctx, r.requests[i])
				r.replies[i] = reply{time.Since(due), failure}
				if r.accepted[i] = failure == ""; failure != "" {
					mu.Lock()
					refused = append(refused, i)
					mu.Unlock()
				}
			}
		})
	}
	tick := time.NewTicker(time.Millisecond)
	for i := 0; i < len(r.replies) && ctx.Err() == nil; <-tick.C {
		for due := int(time.Since(r.began).Seconds() * float64(r.rate)); i <= due && i < len(r.replies); i++ {
			next <- i
		}
	}
	tick.Stop()
	close(next)
	all.Wait()
	r.ended = time.Now()
	client := &sender{address: r.public}
	defer client.close()
	for len(refused) > 0 && ctx.Err() == nil { // as Svix does, if not as patiently
		<-time.After(500 * time.Millisecond)
		refused = slices.DeleteFunc(refused, func(i int) bool {
			r.repeats++
			r.accepted[i] = client.post(ctx, r.requests[i]) == ""
			return r.accepted[i]
		})
	}
}

// compose makes the request for each event beforehand, as bytes: what a sender costs is not to be measured.
func (r *receiverBench) compose() error {
	signer, err := webhook.NewSigner(benchSecret)
	if err != nil {
		return err
	}
	r.requests = make([][]byte, len(r.replies))
	now := time.Now()
	for i := range r.requests {
		user, ok := r.sim.JSON(r.sim.ID(i))
		if !ok {
			return fmt.Errorf("there is no user %d", i)
		}
		body := slices.Concat([]byte(`{"data":`), user, []byte(`,"object":"event","timestamp":1716883200000,"type":"user.created"}`))
		id := "msg_bench" + strconv.Itoa(i)
		signature, err := signer.Sign(id, now, body)
		if err != nil {
			return fmt.Errorf("sign an event: %w", err)
		}
		head := fmt.Sprintf("POST /api/webhooks/clerk HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
			"svix-id: %s\r\nsvix-timestamp: %d\r\nsvix-signature: %s\r\n\r\n", r.public, len(body), id, now.Unix(), signature)
		r.requests[i] = append([]byte(head), body...)
	}
	return nil
}

// verify waits until every event is worked off, and holds what was accepted against the inbox and the table.
func (r *receiverBench) verify(ctx context.Context) error {
	r.tell()
	conn, err := pgx.Connect(ctx, r.database)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // it only reads
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	var stored, waiting, dead int
	for {
		const query = "SELECT count(*) FROM rollcall.events WHERE table_name = 'users' AND done_at IS NULL AND dead_at IS NULL"
		if err := conn.QueryRow(ctx, query).Scan(&waiting); err != nil {
			return fmt.Errorf("count events that wait: %w", err)
		}
		if waiting == 0 {
			break
		}
		<-time.After(200 * time.Millisecond)
	}
	if err := conn.QueryRow(ctx, "SELECT count(*), count(dead_at) FROM rollcall.events").Scan(&stored, &dead); err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	fmt.Fprintf(os.Stdout, "  all worked off %s after the last was sent\n", time.Since(r.ended).Round(100*time.Millisecond))
	var lost []string
	for i, accepted := range r.accepted {
		var there bool
		if !accepted {
			continue
		}
		id := r.sim.ID(i)
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM rollcall.events WHERE table_name = 'users' AND svix_id = $1) AND EXISTS (SELECT 1 FROM users WHERE clerk_id = $2)",
			"msg_bench"+strconv.Itoa(i), id).Scan(&there)
		if err != nil {
			return fmt.Errorf("look for an event: %w", err)
		}
		if !there {
			lost = append(lost, id)
		}
	}
	rows, err := count(ctx, r.database)
	if err != nil {
		return err
	}
	if len(lost) > 0 || dead > 0 {
		return fmt.Errorf("%d accepted events are not in the table, such as %s; %d are dead letters", len(lost), lost[:min(3, len(lost))], dead)
	}
	fmt.Fprintf(os.Stdout, "  none lost: %d events stored, %d users in the table, each accepted event's user among them; requests to Clerk: %d\n",
		stored, rows, r.sim.Requests()["total"])
	return nil
}

// tell prints what was measured.
func (r *receiverBench) tell() {
	var took []time.Duration
	failed := map[string]int{}
	for _, reply := range r.replies[warmUp*r.rate:] {
		if reply.failure != "" {
			failed[reply.failure]++
			continue
		}
		took = append(took, reply.took)
	}
	slices.Sort(took)
	at := func(share float64) time.Duration {
		if len(took) == 0 {
			return 0
		}
		return took[min(len(took)-1, int(share*float64(len(took))))].Round(10 * time.Microsecond)
	}
	fmt.Fprintf(os.Stdout, "  %d events a second for %s: %d of %d stored at the first attempt\n", r.rate, r.span, len(took), len(r.replies)-warmUp*r.rate)
	for _, failure := range slices.Sorted(maps.Keys(failed)) {
		fmt.Fprintf(os.Stdout, "  %d at first: %s\n", failed[failure], failure)
	}
	if r.repeats > 0 {
		fmt.Fprintf(os.Stdout, "  sent again: %d attempts, until all were accepted\n", r.repeats)
	}
	fmt.Fprintf(os.Stdout, "  latency from when each was due: p50 %s, p90 %s, p99 %s, p99.9 %s, worst %s\n", at(.5), at(.9), at(.99), at(.999), at(1))
}

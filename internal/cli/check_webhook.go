package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/webhook"
)

// endpointPatience is how long Clerk waits for an endpoint's answer.
const endpointPatience = 15 * time.Second

// ping is what is sent. No handler acts on its type, and who reads it in a log
// knows where it comes from. The second form has spaces that no encoder writes.
const (
	ping       = `{"type":"rollcall.check","object":"event","data":{"object":"ping","note":"sent by rollcall check; nothing happened"}}`
	spacedPing = `{ "type": "rollcall.check",  "object": "event", "data": { "object": "ping", "n": 1.0 } }`
)

// forgery is a way in which a request differs from one of Clerk's.
type forgery struct {
	name string
	// alter changes what was signed, and how it is sent.
	alter func(body *string, header http.Header)
	// sent is when it says that it was sent.
	age time.Duration
	// danger says what anybody can do to an endpoint that accepts it.
	danger, cure string
}

var forgeries = []forgery{
	{name: "a ping that was changed after it was signed", alter: func(body *string, _ http.Header) { *body = strings.Replace(*body, "nothing", "something", 1) },
		danger: "anybody can create, change and delete users", cure: "verify the signature with the signing secret, over the raw body, before anything else"},
	{name: "a ping without a signature", alter: func(_ *string, header http.Header) {
		for _, name := range []string{"Svix-Id", "Svix-Timestamp", "Svix-Signature"} {
			header.Del(name)
		}
	}, danger: "anybody can create, change and delete users", cure: "refuse a request without svix-id, svix-timestamp and svix-signature"},
	{name: "a ping that was signed ten minutes ago", alter: func(*string, http.Header) {}, age: 10 * time.Minute,
		danger: "whoever recorded an event can repeat it whenever they like", cure: "refuse a svix-timestamp that is more than five minutes off"},
}

// handler is the application's own webhook endpoint.
type handler struct {
	url    string
	client *http.Client
	signer *standardwebhooks.Webhook
	agent  string
}

// webhook tests the application's own endpoint: it must take what Clerk signed,
// and nothing else.
func (c *checker) webhook(ctx context.Context, address string) {
	e, err := c.endpoint(address)
	if err != nil {
		c.broken("webhook", "", usage(err))
		return
	}
	defer e.client.CloseIdleConnections()
	status, header, err := e.send(ctx, ping, func(*string, http.Header) {}, 0)
	if err != nil {
		c.broken("webhook", "is the URL right, and does the application run? Clerk waits 15 seconds for an answer", err)
		return
	}
	if !good(status) {
		c.take([]db.Notice{{Level: db.Fail, Subject: "webhook", Message: fmt.Sprintf("a signed ping of the type rollcall.check was answered with %d: Clerk would try again for days, and then disable the endpoint", status),
			Cure: refusalCure(status, header)}})
	} else {
		c.OK("webhook", "a signed ping was accepted (%d)", status)
		if status, _, err = e.send(ctx, spacedPing, func(*string, http.Header) {}, 0); err == nil && !good(status) {
			c.Warn("webhook", "verify the bytes of the request's body as they came, before they are parsed: in Next.js await req.text()",
				"a signed ping with other spaces in its JSON was answered with %d: the handler verifies what it parsed and wrote again", status)
		}
	}
	for _, f := range forgeries {
		status, _, err := e.send(ctx, ping, f.alter, f.age)
		switch {
		case err != nil:
			c.broken("webhook", "", err)
		case good(status):
			c.take([]db.Notice{{Level: db.Fail, Subject: "webhook", Message: fmt.Sprintf("%s was accepted (%d): %s", f.name, status, f.danger), Cure: f.cure}})
		case status >= 400 && status < 500:
			c.OK("webhook", "%s was refused (%d)", f.name, status)
		default:
			c.Warn("webhook", "answer 400", "%s was answered with %d, which is no clear refusal", f.name, status)
		}
	}
}

func (c *checker) endpoint(address string) (*handler, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("--webhook: write the whole URL of the endpoint, like https://app.example.com/api/webhooks/clerk")
	}
	if len(c.cfg.Webhook.SigningSecrets) == 0 {
		return nil, errors.New("--webhook needs webhook.signing_secret (CLERK_WEBHOOK_SIGNING_SECRET): that of the endpoint, from Clerk's dashboard")
	}
	signer, err := webhook.NewSigner(c.cfg.Webhook.SigningSecrets[0].Reveal())
	if err != nil {
		return nil, fmt.Errorf("webhook.signing_secret: %w", err)
	}
	client := &http.Client{Timeout: endpointPatience, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // as Clerk's sender
	return &handler{url: address, client: client, signer: signer, agent: "rollcall/" + c.p.Version + " (check)"}, nil
}

// send signs a body as Clerk does, lets alter spoil it, and returns the answer's status.
func (h *handler) send(ctx context.Context, body string, alter func(*string, http.Header), age time.Duration) (int, http.Header, error) {
	id, at := "msg_rollcall_check_"+rand.Text(), time.Now().Add(-age)
	signature, err := h.signer.Sign(id, at, []byte(body))
	if err != nil {
		return 0, nil, fmt.Errorf("sign a ping: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {h.agent}, "Svix-Id": {id},
		"Svix-Timestamp": {strconv.FormatInt(at.Unix(), 10)}, "Svix-Signature": {signature}}
	alter(&body, header)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, strings.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("ping the webhook endpoint: %w", err)
	}
	req.Header = header
	resp, err := h.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("ping the webhook endpoint: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection can be used again
	return resp.StatusCode, resp.Header, nil
}

func good(status int) bool { return status >= 200 && status < 300 }

// refusalCure says what usually helps against an answer to a right ping.
func refusalCure(status int, header http.Header) string {
	switch {
	case header.Get("X-Clerk-Auth-Status") != "" || header.Get("X-Clerk-Auth-Reason") != "":
		return "Clerk's own middleware stands before the endpoint: leave its path out of what the middleware protects"
	case status >= 300 && status < 400:
		return "Clerk's sender follows no redirect: give the URL that it leads to, or take the login before the endpoint away"
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusBadRequest:
		return "is webhook.signing_secret that of this very endpoint? Each has its own. Else look for a login before it, and for a handler that refuses types which it does not know: those get 200, too"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return "nothing takes a POST at this path: compare it with the one in Clerk's dashboard"
	case status >= 500:
		return "look into the application's log: the handler failed. Types that it does not know get 200"
	default:
		return "answer 200 to whatever is signed, unknown types included"
	}
}

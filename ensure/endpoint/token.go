package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwt"

	"github.com/rollcall-sync/rollcall/reconcile"
)

const (
	// algorithm is the one that Clerk signs session tokens with.
	algorithm = "RS256"
	// leeway is how far the clocks may be apart; that of Clerk's own SDKs.
	leeway = 5 * time.Second
	// longest is how long a token may be: Clerk's fit a cookie, of 4 KB.
	longest = 8 << 10
)

// invalid says, for the caller, why a token is not accepted.
type invalid struct {
	message string
	err     error // for the log
}

func (e *invalid) Error() string { return e.message + ": " + e.err.Error() }
func (e *invalid) Unwrap() error { return e.err }

// verifier tells whose a session token is.
type verifier struct {
	keys    *keys
	issuer  string   // "": an instance's own domain
	parties []string // nil: any
}

// extra are the claims that the SDK leaves aside.
type extra struct {
	Status string `json:"sts"`
}

// verify returns the user of a session token. The error is an *invalid, or wraps
// errNoKeys or ctx's.
func (v *verifier) verify(ctx context.Context, token string) (userID string, err error) {
	unverified, err := decode(ctx, token)
	if err != nil {
		return "", &invalid{"the bearer is no session token", err}
	}
	key, err := v.keys.find(ctx, unverified.KeyID)
	switch {
	case errors.Is(err, errUnknownKey):
		return "", &invalid{"the session token is not one of this application's", err}
	case err != nil:
		return "", err
	}
	more := &extra{}
	params := &jwt.VerifyParams{Token: token, JWK: key, Leeway: leeway, AuthorizedPartyHandler: v.party,
		CustomClaimsConstructor: func(context.Context) any { return more }}
	if v.issuer != "" {
		params.ProxyURL = &v.issuer
	}
	claims, err := jwt.Verify(ctx, params)
	if err != nil {
		return "", &invalid{reason(unverified), err}
	}
	if err := v.isSession(claims, more); err != nil {
		return "", &invalid{"the bearer is no active session's token", err}
	}
	return claims.Subject, nil
}

// decode reads a token without believing it. The SDK's parser takes other forms of
// a signature too; a session token is three parts with dots between them.
func decode(ctx context.Context, token string) (*clerk.UnverifiedToken, error) {
	if len(token) > longest {
		return nil, fmt.Errorf("it is longer than %d bytes", longest)
	}
	odd := func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.'
	}
	if strings.Count(token, ".") != 2 || strings.ContainsFunc(token, odd) {
		return nil, errors.New("it is not of the form of a JWT")
	}
	unverified, err := jwt.Decode(ctx, &jwt.DecodeParams{Token: token})
	switch {
	case err != nil:
		return nil, err
	case unverified.KeyID == "":
		return nil, errors.New("it does not name its key")
	}
	return unverified, nil
}

// party decides on the azp claim. Clerk leaves it out where a session has no
// origin, as in native apps, and its SDKs accept that; so do we.
func (v *verifier) party(azp string) bool {
	return azp == "" || v.parties == nil || slices.Contains(v.parties, azp)
}

// isSession tells the tokens of active sessions from others that the same key has
// signed, such as those of JWT templates.
func (v *verifier) isSession(c *clerk.SessionClaims, more *extra) error {
	switch {
	case c.Expiry == nil: // it would be valid for ever
		return errors.New("it has no exp")
	case !strings.HasPrefix(c.SessionID, "sess_"):
		return errors.New("it has no sid: tokens of JWT templates are not session tokens")
	case more.Status != "" && more.Status != "active": // older tokens have none
		return fmt.Errorf("its session is %.32q", more.Status)
	case !reconcile.IsUserID(c.Subject):
		return errors.New("its sub is no user")
	case v.issuer == "" && !clerksDomain(c.Issuer):
		return fmt.Errorf("its issuer is %.100q: set ensure.issuer if that is the instance's proxy", c.Issuer)
	}
	return nil
}

// clerksDomain reports whether an issuer is an instance's own domain: clerk.<the
// application's>, or <name>.clerk.accounts.dev of a development instance.
func clerksDomain(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return false
	}
	host := u.Hostname()
	return strings.HasPrefix(host, "clerk.") || strings.HasSuffix(host, ".clerk.accounts.dev")
}

// reason guesses why a token was not accepted, for the caller; the SDK's own words
// are for the log.
func reason(t *clerk.UnverifiedToken) string {
	now := time.Now()
	switch {
	case t.Expiry != nil && time.Unix(*t.Expiry, 0).Before(now.Add(-leeway)):
		return "the session token has expired: get a fresh one for each request"
	case t.NotBefore != nil && time.Unix(*t.NotBefore, 0).After(now.Add(leeway)):
		return "the session token is not valid yet: one of the clocks is wrong"
	default:
		return "the session token is not one of this application's"
	}
}

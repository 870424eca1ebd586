package config

import (
	"encoding/base64"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// parseAddress reads an address to listen on; "" is none.
func parseAddress(t text) (string, error) {
	const cure = `write host:port, as 127.0.0.1:8080, or :8080 for every interface, or "" for none`
	if t.s == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(t.s)
	if err != nil || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == '/' }) {
		if _, err := strconv.ParseUint(t.s, 10, 16); err == nil {
			return "", wrong("write :"+t.s+" for every interface, or 127.0.0.1:"+t.s, "%s is a port without an address", t)
		}
		return "", wrong(cure, "%s is no address to listen on", t)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", wrong("write a port from 0 to 65535 behind the last colon", "%s has no valid port", t)
	}
	return t.s, nil
}

// minToken is short enough for every generator and too long to guess.
const minToken = 16

func checkToken(s string) error {
	const cure = "make one with: openssl rand -hex 32"
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return wrong(cure, "the token holds a space, a line break or another character that a header cannot carry")
	}
	if len(s) < minToken {
		return wrong(cure, "the token is shorter than %d characters", minToken)
	}
	return nil
}

// checkSigningSecret knows the form of Svix's secrets.
func checkSigningSecret(t text) error {
	const cure = "copy the signing secret (whsec_...) of the endpoint from Clerk's dashboard, Webhooks"
	encoded, ok := strings.CutPrefix(t.s, "whsec_")
	if !ok {
		return wrong(cure, "a signing secret does not begin with whsec_")
	}
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil || len(key) == 0 {
		return wrong(cure, "what follows whsec_ is not base64")
	}
	return nil
}

// checkHTTPURL accepts a URL to send requests to. It counts as a secret.
func checkHTTPURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return wrong("write a URL that begins with https://", "this is no http or https URL")
	}
	return nil
}

func checkRedisURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Host == "" {
		return wrong("write redis://host:6379 or rediss://user:password@host:6379", "this is no Redis URL")
	}
	return nil
}

// parseIssuer reads what session tokens name as their issuer; "" is Clerk's own domains.
func parseIssuer(t text) (string, error) {
	u, err := url.Parse(t.s)
	if t.s != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		return "", wrong("write the proxy's URL as Clerk's dashboard has it, such as https://app.example.com/__clerk", "%s is no URL", t)
	}
	return t.s, nil
}

// checkOrigin accepts an origin as a browser sends it: nothing behind the host.
func checkOrigin(t text) error {
	u, err := url.Parse(t.s)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "" || u.User != nil:
		return wrong("write it like https://app.example.com", "%s is no origin", t)
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return wrong("write "+u.Scheme+"://"+u.Host+" alone", "%s has more than an origin", t)
	}
	return nil
}

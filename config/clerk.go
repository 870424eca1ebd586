package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// checkSecretKey tells Clerk's secret key from what is taken for it.
func checkSecretKey(s string) error {
	const cure = "copy the secret key (sk_live_... or sk_test_...) from Clerk's dashboard, API keys"
	switch {
	case strings.HasPrefix(s, "pk_"):
		return wrong(cure, "this is the publishable key (pk_...), which everybody may see")
	case strings.HasPrefix(s, "whsec_"):
		return wrong(cure, "this is a webhook's signing secret (whsec_...)")
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }):
		return wrong("remove it: was more than the key copied?", "the key holds a space, a line break or another character that no key has")
	case !strings.HasPrefix(s, "sk_test_") && !strings.HasPrefix(s, "sk_live_"):
		return wrong(cure, "this is no secret key of Clerk's")
	case len(s) == len("sk_test_"):
		return wrong(cure, "the key ends after its prefix")
	}
	return nil
}

// parseAPIURL reads the Backend API's address, without a slash at its end.
func parseAPIURL(t text) (string, error) {
	const cure = "write it like https://api.clerk.com/v1"
	u, err := url.Parse(t.s)
	switch {
	case err != nil:
		return "", wrong(cure, "this is no URL")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return "", wrong(cure, "%s is no http or https URL", t)
	case u.User != nil:
		return "", wrong(cure, "the URL holds a user or a password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", wrong(cure, "%s has more than a host and a path", t)
	}
	return strings.TrimRight(t.s, "/"), nil
}

// Loopback reports whether an address to listen on, host:port, is this machine's alone.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopback(host)
}

// loopback reports whether a host is this machine alone.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// parseShare reads a percentage, or a fraction below 1, as a fraction.
func parseShare(t text, least float64, cure string) (float64, error) {
	number, percent := strings.CutSuffix(t.s, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	switch {
	case err != nil || v != v:
		return 0, wrong(cure, "%s is no percentage", t)
	case percent:
		v /= 100
	case v >= 1:
		return 0, wrong(cure, "%s has no %% sign", t)
	}
	if v < least || v > 1 {
		return 0, wrong(cure, "%s is out of range", t)
	}
	return v, nil
}

func parseRateShare(t text) (float64, error) {
	return parseShare(t, 0.01, "write a percentage from 1% to 100%")
}

func parseOverlap(t text) (float64, error) {
	return parseShare(t, 0, "write a percentage from 0% to 100%")
}

func showPercent(v float64) any {
	return strconv.FormatFloat(v*100, 'g', 10, 64) + "%"
}

// limitOff is the rate limit of a server that has none.
const limitOff = "off"

// parseRateLimit reads requests per ten seconds into requests a second.
func parseRateLimit(t text) (float64, error) {
	switch t.s {
	case "":
		return 0, nil
	case limitOff:
		return -1, nil
	}
	v, err := strconv.ParseFloat(t.s, 64)
	if err != nil || !(v >= 1 && v <= 1e6) {
		return 0, wrong(`write requests per ten seconds, from 1 to 1000000, or off, or ""`, "%s is no number", t)
	}
	return v / 10, nil
}

func showRateLimit(v float64) any {
	switch {
	case v == 0:
		return ""
	case v < 0:
		return limitOff
	default:
		return v * 10
	}
}

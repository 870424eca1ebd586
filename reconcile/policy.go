package reconcile

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Action is what the policy does about a kind of finding.
type Action string

// The actions. Report is possible for every kind and writes nothing.
const (
	Report     Action = "report"
	Insert     Action = "insert"
	Update     Action = "update"
	SoftDelete Action = "soft_delete"
	Delete     Action = "delete"
	Relink     Action = "relink"
)

// Policy names what may be written. Nothing else ever is.
type Policy struct {
	Missing  Action // Insert or Report
	Stale    Action // Update or Report
	Orphaned Action // SoftDelete, Delete or Report
	Conflict Action // Relink or Report
	// DeleteCascades allows the deletion of rows that other rows refer to.
	DeleteCascades bool
	// Grace is the age below which a user is left to the webhook path.
	Grace time.Duration
}

// DefaultPolicy inserts missing rows and reports everything else.
func DefaultPolicy() Policy {
	return Policy{Missing: Insert, Stale: Report, Orphaned: Report, Conflict: Report, Grace: 2 * time.Minute}
}

// PolicyActions returns the actions that a kind takes, the safe default first.
func PolicyActions(k Kind) []Action {
	switch k {
	case Missing:
		return []Action{Insert, Report}
	case Stale:
		return []Action{Report, Update}
	case Orphaned:
		return []Action{Report, SoftDelete, Delete}
	case Conflict:
		return []Action{Report, Relink}
	default:
		return []Action{Report}
	}
}

// Limit bounds how many rows one run may write of a kind: a count or a
// percentage of the linked rows. The zero Limit does not bound.
type Limit struct {
	set     bool
	count   int64
	percent float64
}

// ParseLimit reads "250", "1.5%" or "" (no limit).
func ParseLimit(s string) (Limit, error) {
	if s == "" {
		return Limit{}, nil
	}
	if number, isPercent := strings.CutSuffix(s, "%"); isPercent {
		p, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || p < 0 || p > 100 || p != p {
			return Limit{}, fmt.Errorf("%q is no percentage from 0%% to 100%%", s)
		}
		return Limit{set: true, percent: p, count: -1}, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return Limit{}, fmt.Errorf("%q is neither a count (250) nor a percentage (1%%)", s)
	}
	return Limit{set: true, count: n}, nil
}

// CountLimit is the Limit of n rows.
func CountLimit(n int64) Limit { return Limit{set: true, count: n} }

// IsSet reports whether l bounds anything.
func (l Limit) IsSet() bool { return l.set }

// Of returns the number of rows that l allows where linked rows carry a Clerk
// id and are not soft-deleted. A percentage is rounded up and is at least 1.
// Without a limit ok is false.
func (l Limit) Of(linked int64) (n int64, ok bool) {
	if !l.set {
		return 0, false
	}
	if l.count >= 0 {
		return l.count, true
	}
	exact := float64(linked) * l.percent / 100
	n = int64(exact)
	if float64(n) < exact {
		n++
	}
	return max(n, 1), true
}

// String renders l as the configuration writes it.
func (l Limit) String() string {
	switch {
	case !l.set:
		return ""
	case l.count >= 0:
		return strconv.FormatInt(l.count, 10)
	default:
		return strconv.FormatFloat(l.percent, 'f', -1, 64) + "%"
	}
}

// How the instance guard decides.
const (
	InstanceAuto = "auto" // the first instance that this table was reconciled with
	InstanceOff  = "off"
)

// Guard holds the limits past which a run writes nothing more of a kind.
type Guard struct {
	MaxOrphaned Limit
	MaxUpdated  Limit
	MaxInserted Limit
	// MinOverlap is the share, 0 to 1, of sampled linked keys that Clerk must know.
	MinOverlap float64
	// Instance is InstanceAuto, InstanceOff or an ins_... id.
	Instance string
	// Allow overrides a limit for one run: how many rows of a kind it may write.
	Allow map[Kind]int64
}

// DefaultGuard is the guard of the default configuration.
func DefaultGuard() Guard {
	return Guard{
		MaxOrphaned: Limit{set: true, count: -1, percent: 1},
		MaxUpdated:  Limit{set: true, count: -1, percent: 5},
		MinOverlap:  0.5,
		Instance:    InstanceAuto,
	}
}

// Limit returns the limit on a kind and how many rows it allows; ok is false
// where nothing bounds the kind.
func (g Guard) Limit(k Kind, linked int64) (n int64, ok bool) {
	if n, allowed := g.Allow[k]; allowed {
		return n, true
	}
	switch k {
	case Missing:
		return g.MaxInserted.Of(linked)
	case Stale, Conflict:
		return g.MaxUpdated.Of(linked)
	case Orphaned:
		return g.MaxOrphaned.Of(linked)
	default:
		return 0, false
	}
}

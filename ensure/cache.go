package ensure

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// cache remembers who has a row, and for a moment who has none. It holds a bounded
// number of users, of whom the longest unused go first. Entries expire when they
// are read, so that no goroutine has to sweep.
type cache struct {
	entries *lru.Cache[string, entry]
}

type entry struct {
	until time.Time
	err   error // nil: the user has a row
}

func newCache(size int) (*cache, error) {
	entries, err := lru.New[string, entry](size)
	return &cache{entries}, err
}

// get returns what is known of a user.
func (c *cache) get(userID string) (err error, known bool) {
	e, ok := c.entries.Get(userID)
	if !ok || !time.Now().Before(e.until) {
		return nil, false
	}
	return e.err, true
}

func (c *cache) put(userID string, err error, until time.Time) {
	c.entries.Add(userID, entry{until, err})
}

func (c *cache) forget(userIDs []string) {
	for _, id := range userIDs {
		c.entries.Remove(id)
	}
}

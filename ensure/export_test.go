package ensure

import "time"

// Warm has a user remembered.
func (e *Ensurer) Warm(userID string) { e.cache.put(userID, nil, time.Now().Add(e.limits.TTL)) }

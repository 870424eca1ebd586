package db_test

import (
	"testing"
	"time"
)

// Events wait until they are done or dead, and those of another table are not counted.
func TestWaitingEventsAreCounted(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		if n, oldest, err := c.state.CountWaiting(c.Context()); n != 0 || oldest != 0 || err != nil {
			c.Errorf("of none: %d, the oldest %s, %v", n, oldest, err)
		}
		events, ago := "rollcall.events", func(seconds string) string { return "now() - interval '" + seconds + " seconds'" }
		if journalOf(c.home) == "rollcall_journal" {
			events, ago = "rollcall_events", func(seconds string) string {
				return "CAST((unixepoch('subsec') - " + seconds + ") * 1000000 AS integer)"
			}
		}
		execSQL(c.T, c.home, "INSERT INTO "+events+" (table_name, svix_id, type, user_id, instance_id, received_at, done_at, dead_at) VALUES "+
			"('users', 'msg_1', 'user.created', 'user_a', '', "+ago("300")+", NULL, NULL), ('users', 'msg_2', 'user.created', 'user_b', '', "+ago("9")+", NULL, NULL), "+
			"('users', 'msg_3', 'user.created', 'user_c', '', "+ago("900")+", "+ago("5")+", NULL), ('users', 'msg_4', 'user.created', 'user_d', '', "+ago("900")+", NULL, "+ago("5")+"), "+
			"('others', 'msg_5', 'user.created', 'user_e', '', "+ago("900")+", NULL, NULL)")
		n, oldest, err := c.state.CountWaiting(c.Context())
		if n != 2 || oldest < 5*time.Minute || oldest > 10*time.Minute || err != nil {
			c.Errorf("%d wait, the oldest for %s, %v", n, oldest, err)
		}
	})
}

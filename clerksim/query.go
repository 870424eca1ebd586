package clerksim

import (
	"cmp"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const maxLimit = 500

// query is what a list or a count asks for.
type query struct {
	limit, offset int
	after         string // starting_after
	order         string // with its sign
	from, to      int64  // created, half open
	ids, without  map[string]bool
	emails        []string
	text          string
}

// parameterError is a 422 with Clerk's own codes.
type parameterError struct{ code, message, name string }

func (e *parameterError) Error() string { return e.message }

var orders = []string{"created_at", "updated_at", "email_address", "web3wallet", "first_name", "last_name", "phone_number",
	"username", "last_active_at", "last_sign_in_at"}

// query reads the parameters of a list.
func (s *Sim) query(v url.Values) (*query, error) {
	q := &query{limit: 10, order: "-created_at", from: math.MinInt64, to: math.MaxInt64}
	number := func(name string, into *int) error {
		if !v.Has(name) {
			return nil
		}
		n, err := strconv.Atoi(v.Get(name))
		if err != nil || n < 0 {
			return &parameterError{"form_param_format_invalid", name + " must be a whole number, zero or more.", name}
		}
		*into = n
		return nil
	}
	for _, err := range []error{number("limit", &q.limit), number("offset", &q.offset)} {
		if err != nil {
			return nil, err
		}
	}
	if q.limit > maxLimit || q.limit == 0 {
		q.limit = 10 // as the real service has been seen to do
	}
	if order := v.Get("order_by"); order != "" {
		q.order = order
		if !strings.HasPrefix(order, "+") && !strings.HasPrefix(order, "-") {
			q.order = "+" + strings.TrimPrefix(order, " ") // an unescaped plus arrives as a space
		}
		if !slices.Contains(orders, q.order[1:]) {
			return nil, &parameterError{"form_param_value_invalid", order + " is not one of the allowed values for parameter order_by.", "order_by"}
		}
	}
	if q.after = v.Get("starting_after"); q.after != "" && !s.cfg.Faults.IgnoreStartingAfter {
		if q.order[1:] != "created_at" {
			return nil, &parameterError{"form_param_value_invalid", "starting_after needs ordering by created_at.", "starting_after"}
		}
		if q.offset != 0 {
			return nil, &parameterError{"form_param_value_invalid", "starting_after cannot be combined with offset.", "starting_after"}
		}
	}
	return q, s.filters(q, v)
}

func (s *Sim) filters(q *query, v url.Values) error {
	bound := func(name string, set func(int64)) error {
		if !v.Has(name) {
			return nil
		}
		ms, err := strconv.ParseInt(v.Get(name), 10, 64)
		if err != nil {
			return &parameterError{"form_param_format_invalid", name + " must be a timestamp in milliseconds.", name}
		}
		set(ms)
		return nil
	}
	exclusive := int64(0)
	if s.cfg.Faults.ExclusiveBounds {
		exclusive = 1
	}
	if err := bound("created_at_after", func(ms int64) { q.from = ms + exclusive }); err != nil {
		return err
	}
	if err := bound("created_at_before", func(ms int64) { q.to = ms + 1 - exclusive }); err != nil {
		return err
	}
	ids := slices.Concat(v["user_id"], v["user_id[]"])
	if len(ids) > 100 {
		return &parameterError{"form_param_value_invalid", "At most 100 ids are possible.", "user_id"}
	}
	for _, id := range ids {
		if rest, minus := strings.CutPrefix(id, "-"); minus {
			q.without = put(q.without, rest)
			continue
		}
		q.ids = put(q.ids, strings.TrimLeft(id, "+ "))
	}
	q.emails = slices.Concat(v["email_address"], v["email_address[]"])
	q.text = strings.ToLower(v.Get("query"))
	return nil
}

func put(set map[string]bool, id string) map[string]bool {
	if set == nil {
		set = map[string]bool{}
	}
	set[id] = true
	return set
}

// keeps reports whether a user passes the filters.
func (q *query) keeps(p *person) bool {
	if p.created < q.from || p.created >= q.to || q.without[p.id] || (q.ids != nil && !q.ids[p.id]) {
		return false
	}
	if len(q.emails) > 0 && !slices.ContainsFunc(p.emails, func(e string) bool { return !p.danglingEmail && slices.Contains(q.emails, e) }) {
		return false
	}
	if q.text == "" {
		return true
	}
	parts := append([]string{p.id}, p.emails...)
	parts = append(append(parts, p.phones...), p.wallets...)
	for _, s := range []*string{p.first, p.last, p.username, p.externalID} {
		if s != nil {
			parts = append(parts, *s)
		}
	}
	return strings.Contains(strings.ToLower(strings.Join(parts, " ")), q.text)
}

// plain reports whether only the time of creation filters.
func (q *query) plain() bool {
	return q.ids == nil && q.without == nil && len(q.emails) == 0 && q.text == ""
}

// walk visits the users that pass, in order, until visit says no. Callers hold mu.
func (s *Sim) walk(q *query, visit func(*person) bool) error {
	switch {
	case q.ids != nil:
		return s.walkSome(q, s.named(q), visit)
	case q.order[1:] == "created_at":
		return s.walkCreated(q, visit)
	case q.order == "-updated_at" && q.plain():
		return s.walkUpdated(q, visit)
	default:
		var all []*person
		for i := range s.gen.n {
			if !s.over.deleted[i] {
				all = append(all, s.generated(i))
			}
		}
		return s.walkSome(q, append(all, s.over.ordered...), visit)
	}
}

// named are the users that the query asks for by id.
func (s *Sim) named(q *query) []*person {
	var found []*person
	for id := range q.ids {
		if p := s.find(id); p != nil {
			found = append(found, p)
		}
	}
	return found
}

func (s *Sim) walkSome(q *query, people []*person, visit func(*person) bool) error {
	key := sortKey(q.order[1:])
	slices.SortFunc(people, func(a, b *person) int {
		c := cmp.Or(key(a, b), comparePeople(a, b))
		if q.order[0] == '-' {
			return -c
		}
		return c
	})
	for _, p := range people {
		if q.keeps(p) && !visit(p) {
			return nil
		}
	}
	return nil
}

func sortKey(field string) func(a, b *person) int {
	text := func(get func(*person) *string) func(a, b *person) int {
		return func(a, b *person) int {
			x, y := get(a), get(b)
			if x == nil || y == nil {
				return cmp.Compare(btoi(x != nil), btoi(y != nil))
			}
			return cmp.Compare(*x, *y)
		}
	}
	first := func(list []string) *string {
		if len(list) == 0 {
			return nil
		}
		return &list[0]
	}
	switch field {
	case "updated_at":
		return func(a, b *person) int { return cmp.Compare(a.updated, b.updated) }
	case "last_active_at":
		return func(a, b *person) int { return cmp.Compare(a.lastActive, b.lastActive) }
	case "last_sign_in_at":
		return func(a, b *person) int { return cmp.Compare(a.lastSignIn, b.lastSignIn) }
	case "first_name":
		return text(func(p *person) *string { return p.first })
	case "last_name":
		return text(func(p *person) *string { return p.last })
	case "username":
		return text(func(p *person) *string { return p.username })
	case "email_address":
		return text(func(p *person) *string { return first(p.emails) })
	case "phone_number":
		return text(func(p *person) *string { return first(p.phones) })
	case "web3wallet":
		return text(func(p *person) *string { return first(p.wallets) })
	default:
		return comparePeople
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// errCursor says that the user of starting_after is not there.
var errCursor = &apiError{status: http.StatusNotFound, code: "resource_not_found", message: "not found"}

func parseCreatedAt(s string) (int64, bool) {
	t, err := time.Parse(time.RFC3339, s)
	return t.UnixMilli(), err == nil && s != ""
}

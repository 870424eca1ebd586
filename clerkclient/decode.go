package clerkclient

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// errNotClerk is wrapped by every error about an answer that Clerk would not give.
var errNotClerk = errors.New("not Clerk's answer")

// page is a decoded list of users.
type page struct {
	users []reconcile.User
	// seconds tells that the server's timestamps are in seconds.
	seconds bool
	took    time.Duration // from the request to the last user
}

// scratch is the memory that decoding a page needs and that the next page can
// use again. Texts are gathered in one arena and become one string at the end:
// one allocation a page in place of one a value.
type scratch struct {
	in      scanner  // the answer
	raws    [][]byte // the wanted fields of the user at hand, by plan.fields
	arena   []byte
	heads   []head
	cells   []cell
	seconds bool
}

// head is what every user has.
type head struct {
	id                   span
	createdAt, updatedAt int64
}

// span is a piece of the arena.
type span struct{ start, end int }

// cell is a value whose text is still in the arena.
type cell struct {
	kind reconcile.ValueKind
	text span
	n    int64
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// maxKeptArena bounds what a scratch may keep between pages.
const maxKeptArena = 4 << 20

func getScratch(p *plan) *scratch {
	s := scratches.Get().(*scratch)
	if cap(s.raws) < len(p.fields) {
		s.raws = make([][]byte, len(p.fields))
	}
	s.raws = s.raws[:len(p.fields)]
	s.arena, s.heads, s.cells, s.seconds = s.arena[:0], s.heads[:0], s.cells[:0], false
	return s
}

func (s *scratch) release() {
	clear(s.raws[:cap(s.raws)])
	s.in = scanner{}
	if cap(s.arena) <= maxKeptArena {
		scratches.Put(s)
	}
}

// decodeUsers reads a list of users: a bare array, or an object that has it in
// "data". The users keep nothing of body. Every error wraps errNotClerk and
// names the position of the user at fault, and no content.
func decodeUsers(p *plan, body []byte) (page, error) {
	s := getScratch(p)
	defer s.release()
	s.in = scanner{b: body}
	if err := s.list(p); err != nil {
		return page{}, fmt.Errorf("%w: %w", errNotClerk, err)
	}
	if err := s.end(); err != nil {
		return page{}, fmt.Errorf("%w: %w", errNotClerk, err)
	}
	return page{users: s.users(p), seconds: s.seconds}, nil
}

// decodeUser reads one user object.
func decodeUser(p *plan, body []byte) (reconcile.User, error) {
	s := getScratch(p)
	defer s.release()
	s.in = scanner{b: body}
	if err := s.user(p); err != nil {
		return reconcile.User{}, fmt.Errorf("%w: %w", errNotClerk, err)
	}
	if err := s.end(); err != nil {
		return reconcile.User{}, fmt.Errorf("%w: %w", errNotClerk, err)
	}
	return s.users(p)[0], nil
}

// list reads the users of the answer into s.
func (s *scratch) list(p *plan) error {
	if s.in.peek() != '{' {
		return s.array(p)
	}
	s.in.i++
	found := false
	for first := true; ; first = false {
		more, err := s.in.next(first, '}')
		if err != nil {
			return err
		}
		if !more {
			break
		}
		key, err := s.in.key()
		if err != nil {
			return err
		}
		if !s.keyIs(key, "data") {
			if err := s.in.skip(1); err != nil {
				return err
			}
			continue
		}
		found = true // A second one replaces the first.
		s.arena, s.heads, s.cells, s.seconds = s.arena[:0], s.heads[:0], s.cells[:0], false
		if err := s.array(p); err != nil {
			return err
		}
	}
	if !found {
		return errors.New("an object without data where a list of users belongs")
	}
	return nil
}

func (s *scratch) array(p *plan) error {
	if c := s.in.peek(); c != '[' {
		return fmt.Errorf("%s where a list of users belongs", typeName(c))
	}
	s.in.i++
	for first := true; ; first = false {
		if more, err := s.in.next(first, ']'); !more {
			return err
		}
		if err := s.user(p); err != nil {
			return fmt.Errorf("user %d of the answer: %w", len(s.heads)+1, err)
		}
	}
}

// user reads one user into s.
func (s *scratch) user(p *plan) error {
	if c := s.in.peek(); c != '{' {
		return fmt.Errorf("%s where a user belongs", typeName(c))
	}
	s.in.i++
	clear(s.raws)
	for first := true; ; first = false {
		more, err := s.in.next(first, '}')
		if err != nil {
			return err
		}
		if !more {
			break
		}
		key, err := s.in.key()
		if err != nil {
			return err
		}
		i := s.find(p, key, s.in.escaped)
		start := s.in.i
		if err := s.in.skip(2); err != nil {
			return err
		}
		if i >= 0 {
			s.raws[i] = s.in.b[start:s.in.i]
		}
	}
	h, err := s.head()
	if err != nil {
		return err
	}
	s.heads = append(s.heads, h)
	for i := range p.steps {
		s.cells = append(s.cells, s.cell(&p.steps[i]))
	}
	return nil
}

// head reads what a user must have.
func (s *scratch) head() (head, error) {
	id := s.text(s.raws[fieldID])
	if !reconcile.IsUserID(string(s.arena[id.start:id.end])) {
		return head{}, errors.New("no id of Clerk's form (user_...)")
	}
	created, ok := integer(s.raws[fieldCreatedAt])
	if !ok {
		return head{}, errors.New("created_at is no number")
	}
	h := head{id: id, createdAt: reconcile.Milliseconds(created)}
	s.seconds = s.seconds || h.createdAt != created
	if raw := s.raws[fieldUpdatedAt]; !isNull(raw) {
		updated, ok := integer(raw)
		if !ok {
			return head{}, errors.New("updated_at is no number")
		}
		h.updatedAt = reconcile.Milliseconds(updated)
	}
	return h, nil
}

// end checks that nothing follows.
func (s *scratch) end() error {
	s.in.peek()
	if s.in.i < len(s.in.b) {
		return fmt.Errorf("something behind the JSON document, at byte %d", s.in.i)
	}
	return nil
}

// typeName names the JSON type of the value that begins with c.
func typeName(c byte) string {
	switch c {
	case 0:
		return "nothing"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a text"
	case 'n':
		return "null"
	case 't', 'f':
		return "true or false"
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return "a number"
	}
	return "something that is no JSON"
}

// users makes the users, whose texts share one string and whose values share one array.
func (s *scratch) users(p *plan) []reconcile.User {
	text := string(s.arena)
	users := make([]reconcile.User, len(s.heads))
	values := make([]reconcile.Value, len(s.cells))
	for i, c := range s.cells {
		values[i] = reconcile.Value{Kind: c.kind, Str: text[c.text.start:c.text.end], Int: c.n}
	}
	n := len(p.steps)
	for i, h := range s.heads {
		users[i] = reconcile.User{
			ID: text[h.id.start:h.id.end], CreatedAt: h.createdAt, UpdatedAt: h.updatedAt,
			Values: values[i*n : (i+1)*n : (i+1)*n],
		}
		if p.verified {
			u := &users[i]
			u.EmailVerified = u.Values[n-1].Int != 0
			u.Values = u.Values[: n-1 : n-1]
		}
	}
	return users
}

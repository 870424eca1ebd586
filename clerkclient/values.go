package clerkclient

import (
	"bytes"
	"math"
	"strconv"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// cell computes an attribute from the raw fields of the user at hand, all of
// which are valid JSON.
func (s *scratch) cell(st *step) cell {
	raw := s.raws[st.field]
	switch st.kind {
	case stepPath:
		for _, key := range st.path {
			raw = s.member(raw, key)
		}
		return s.value(raw, false)
	case stepPrimary:
		c := s.value(s.primary(raw, s.raws[st.other], st.name), false)
		if c.kind == reconcile.Text && c.text.start == c.text.end {
			return cell{} // An address is never empty.
		}
		return c
	case stepVerified:
		status := s.member(s.primary(raw, s.raws[st.other], st.name), "status")
		c := cell{kind: reconcile.Bool}
		if s.textIs(status, "verified") {
			c.n = 1
		}
		return c
	case stepFullName:
		return s.fullName(raw, s.raws[st.other])
	default:
		return s.value(raw, st.time)
	}
}

// value takes a value as what it is in JSON, except that a number is a moment
// where isTime says so.
func (s *scratch) value(raw []byte, isTime bool) cell {
	if isNull(raw) {
		return cell{}
	}
	switch raw[0] {
	case '"':
		return cell{kind: reconcile.Text, text: s.text(raw)}
	case 't':
		return cell{kind: reconcile.Bool, n: 1}
	case 'f':
		return cell{kind: reconcile.Bool}
	case '{', '[':
		return cell{kind: reconcile.JSON, text: s.raw(raw)}
	}
	if n, ok := integer(raw); ok && isTime {
		return cell{kind: reconcile.Time, n: reconcile.Milliseconds(n)}
	}
	return cell{kind: reconcile.Number, text: s.raw(raw)}
}

// primary returns a member of that entry of a list whose id is the one given,
// or nil. It is never just the first one: Clerk's primary may be any of them, or none.
func (s *scratch) primary(list, id []byte, member string) []byte {
	if isNull(list) || list[0] != '[' || isNull(id) || id[0] != '"' {
		return nil
	}
	mark := len(s.arena)
	defer func() { s.arena = s.arena[:mark] }()
	want := s.text(id)

	in := scanner{b: list, i: 1}
	for first := true; ; first = false {
		if more, err := in.next(first, ']'); err != nil || !more {
			return nil
		}
		gotID, value, err := s.entry(&in, member)
		if err != nil {
			return nil
		}
		got := s.text(gotID)
		if got.end > got.start && bytes.Equal(s.arena[got.start:got.end], s.arena[want.start:want.end]) {
			return value
		}
	}
}

// entry reads the entry at hand in one pass: its id and one other member.
func (s *scratch) entry(in *scanner, member string) (id, value []byte, err error) {
	if in.peek() != '{' {
		return nil, nil, in.skip(0)
	}
	in.i++
	for first := true; ; first = false {
		if more, err := in.next(first, '}'); !more {
			return id, value, err
		}
		key, err := in.key()
		if err != nil {
			return nil, nil, err
		}
		raw, err := in.raw()
		if err != nil {
			return nil, nil, err
		}
		switch {
		case s.keyIs(key, "id"):
			id = raw
		case s.keyIs(key, member):
			value = raw
		}
	}
}

// member returns the member of an object with this key, the last one where
// there are several, and nil where there is none or raw is no object.
func (s *scratch) member(raw []byte, key string) []byte {
	if isNull(raw) || raw[0] != '{' {
		return nil
	}
	in := scanner{b: raw, i: 1}
	var found []byte
	for first := true; ; first = false {
		if more, err := in.next(first, '}'); err != nil || !more {
			return found
		}
		name, err := in.key()
		if err != nil {
			return nil
		}
		value, err := in.raw()
		if err != nil {
			return nil
		}
		if s.keyIs(name, key) {
			found = value
		}
	}
}

// keyIs reports whether a key, given with its quotes, is this one.
func (s *scratch) keyIs(quoted []byte, key string) bool {
	if inside := quoted[1 : len(quoted)-1]; bytes.IndexByte(inside, '\\') < 0 {
		return string(inside) == key
	}
	return s.textIs(quoted, key)
}

// find returns the index in p.fields of a key, given with its quotes, or -1.
func (s *scratch) find(p *plan, quoted []byte, escaped bool) int {
	if !escaped {
		return p.find(quoted[1 : len(quoted)-1])
	}
	text := s.text(quoted)
	i := p.find(s.arena[text.start:text.end])
	s.arena = s.arena[:text.start]
	return i
}

// fullName joins the names that are there and not blank by one space.
func (s *scratch) fullName(first, last []byte) cell {
	start := len(s.arena)
	s.name(first)
	end := len(s.arena)
	if end > start {
		s.arena = append(s.arena, ' ')
	}
	mark := len(s.arena)
	s.name(last)
	if len(s.arena) == mark {
		s.arena = s.arena[:end]
	}
	if len(s.arena) == start {
		return cell{}
	}
	return cell{kind: reconcile.Text, text: span{start, len(s.arena)}}
}

// name appends a name without the space around it.
func (s *scratch) name(raw []byte) {
	part := s.text(raw)
	n := copy(s.arena[part.start:], bytes.TrimSpace(s.arena[part.start:part.end]))
	s.arena = s.arena[:part.start+n]
}

// isNull reports whether a field is absent or null.
func isNull(raw []byte) bool { return len(raw) == 0 || raw[0] == 'n' }

// integer reads a JSON number as an integer; what is behind its point is cut off.
func integer(raw []byte) (int64, bool) {
	if isNull(raw) {
		return 0, false
	}
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		return 0, false
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.Abs(f) >= 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// textIs reports whether raw is this JSON string.
func (s *scratch) textIs(raw []byte, want string) bool {
	text := s.text(raw)
	defer func() { s.arena = s.arena[:text.start] }()
	return string(s.arena[text.start:text.end]) == want
}

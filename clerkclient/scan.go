package clerkclient

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// maxDepth bounds the nesting of an answer, as encoding/json does.
const maxDepth = 10_000

var errTooDeep = errors.New("nested too deeply")

// scanner reads JSON, of which it accepts exactly what encoding/json does. It
// exists because nine tenths of a page are skipped, strings eight bytes at a
// time, and because jx, the fastest library tried, reads some lone surrogates
// otherwise. BenchmarkDecode compares. It allocates nothing.
type scanner struct {
	b []byte
	i int
	// escaped tells whether the last string has a backslash in it.
	escaped bool
}

// peek skips space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\n', '\t', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// bad is the error for what is at hand. It quotes nothing.
func (s *scanner) bad() error {
	if s.i >= len(s.b) {
		return io.ErrUnexpectedEOF
	}
	return fmt.Errorf("invalid JSON at byte %d", s.i)
}

// next moves on to the next element or key and reports whether there is one;
// where there is none, it leaves the array or object.
func (s *scanner) next(first bool, bracket byte) (bool, error) {
	switch c := s.peek(); {
	case c == bracket:
		s.i++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		s.i++
		s.peek()
		return true, nil
	}
	return false, s.bad()
}

// key reads a key and its colon. The key is as in the text, with its quotes.
func (s *scanner) key() ([]byte, error) {
	start := s.i
	if s.peek() != '"' {
		return nil, s.bad()
	}
	if err := s.str(); err != nil {
		return nil, err
	}
	end := s.i
	if s.peek() != ':' {
		return nil, s.bad()
	}
	s.i++
	s.peek()
	return s.b[start:end], nil
}

// raw reads the value at hand.
func (s *scanner) raw() ([]byte, error) {
	s.peek()
	start := s.i
	if err := s.skip(0); err != nil {
		return nil, err
	}
	return s.b[start:s.i], nil
}

// skip moves behind the value at hand.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	switch s.peek() {
	case '"':
		return s.str()
	case '{':
		s.i++
		for first := true; ; first = false {
			if more, err := s.next(first, '}'); !more {
				return err
			}
			if _, err := s.key(); err != nil {
				return err
			}
			if err := s.skip(depth + 1); err != nil {
				return err
			}
		}
	case '[':
		s.i++
		for first := true; ; first = false {
			if more, err := s.next(first, ']'); !more {
				return err
			}
			if err := s.skip(depth + 1); err != nil {
				return err
			}
		}
	case 'n':
		return s.word("null")
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	}
	return s.number()
}

func (s *scanner) word(w string) error {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return s.bad()
	}
	s.i += len(w)
	return nil
}

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// str moves behind the string at hand.
func (s *scanner) str() error {
	b, i := s.b, s.i+1
	s.escaped = false
	for {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			quote, slash := w^ones*'"', w^ones*'\\'
			// The lowest bit set is that of the first quote, backslash or control byte.
			hit := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & tops
			if hit != 0 {
				i += bits.TrailingZeros64(hit) / 8
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
			i++
		}
		s.i = i
		if i >= len(b) || b[i] < ' ' {
			return s.bad()
		}
		if b[i] == '"' {
			s.i++
			return nil
		}
		n := escape(b[i:])
		if n == 0 {
			return s.bad()
		}
		s.escaped = true
		i += n
	}
}

// escape returns the length of the escape sequence that b begins with, 0 where it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return 0
			}
		}
		return 6
	}
	return 0
}

// number moves behind the number at hand.
func (s *scanner) number() error {
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return s.bad()
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return s.bad()
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !s.digits() {
			return s.bad()
		}
	}
	return nil
}

// digits moves behind digits and reports whether there are any.
func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

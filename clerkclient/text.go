package clerkclient

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// text appends the content of a JSON string to the arena. Anything else than
// a string is an empty text. As in encoding/json, bytes that are not UTF-8 and
// lone surrogates become U+FFFD: PostgreSQL takes neither.
func (s *scratch) text(raw []byte) span {
	start := len(s.arena)
	if len(raw) >= 2 && raw[0] == '"' {
		s.arena = appendUnquoted(s.arena, raw[1:len(raw)-1])
	}
	return span{start, len(s.arena)}
}

// raw appends a JSON value as it was sent.
func (s *scratch) raw(raw []byte) span {
	start := len(s.arena)
	s.arena = appendValid(s.arena, raw)
	return span{start, len(s.arena)}
}

// appendUnquoted appends what the inside of a valid JSON string stands for.
func appendUnquoted(dst, in []byte) []byte {
	for {
		i := bytes.IndexByte(in, '\\')
		if i < 0 {
			return appendValid(dst, in)
		}
		dst = appendValid(dst, in[:i])
		c := in[i+1]
		in = in[i+2:]
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(in)
			in = in[4:]
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if len(in) >= 6 && in[0] == '\\' && in[1] == 'u' {
					low = hex4(in[2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					in = in[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
		default: // a quote, a slash or a backslash
			dst = append(dst, c)
		}
	}
}

// appendValid appends in with each byte that is not UTF-8 replaced.
func appendValid(dst, in []byte) []byte {
	if utf8.Valid(in) {
		return append(dst, in...)
	}
	for len(in) > 0 {
		r, n := utf8.DecodeRune(in)
		dst = utf8.AppendRune(dst, r)
		in = in[n:]
	}
	return dst
}

// hex4 reads four hexadecimal digits that are known to be such.
func hex4(in []byte) rune {
	var r rune
	for _, c := range in[:4] {
		switch {
		case c <= '9':
			c -= '0'
		case c <= 'F':
			c -= 'A' - 10
		default:
			c -= 'a' - 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// sender is one connection to the receiver, made anew when it broke.
type sender struct {
	address string
	conn    net.Conn
	answers *bufio.Reader
}

// post makes one attempt; "" is a 200.
func (s *sender) post(ctx context.Context, request []byte) (failure string) {
	if s.conn == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
		if err != nil {
			return "no answer"
		}
		s.conn, s.answers = conn, bufio.NewReader(conn)
	}
	status, last, err := s.exchange(request)
	if err != nil || last {
		s.close()
	}
	switch {
	case err != nil:
		return "no answer"
	case status != http.StatusOK:
		return http.StatusText(status)
	default:
		return ""
	}
}

// exchange sends a request and reads the whole answer. It reports whether the server closes the connection.
func (s *sender) exchange(request []byte) (status int, last bool, err error) {
	if err := s.conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return 0, false, err
	}
	if _, err := s.conn.Write(request); err != nil {
		return 0, false, err
	}
	response, err := http.ReadResponse(s.answers, nil)
	if err != nil {
		return 0, false, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Close, errors.Join(err, response.Body.Close())
}

func (s *sender) close() {
	if s.conn != nil {
		_ = s.conn.Close() // nothing more is expected of it
	}
	s.conn = nil
}

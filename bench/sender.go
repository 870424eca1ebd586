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
	response, err := s.exchange(request)
	if err != nil {
		s.close()
		return "no answer"
	}
	if response.Close {
		s.close()
	}
	if response.StatusCode != http.StatusOK {
		return response.Status
	}
	return ""
}

// exchange sends a request and reads the whole answer.
func (s *sender) exchange(request []byte) (*http.Response, error) {
	if err := s.conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := s.conn.Write(request); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(s.answers, nil)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response, errors.Join(err, response.Body.Close())
}

func (s *sender) close() {
	if s.conn != nil {
		_ = s.conn.Close() // nothing more is expected of it
	}
	s.conn = nil
}

package clerkclient

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// maxBody bounds an answer: a page of 500 users of Clerk has 2 MB.
const maxBody = 64 << 20

// maxKeptBody bounds the buffers that are kept for the next answer.
const maxKeptBody = 8 << 20

var (
	buffers     = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}
)

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= maxKeptBody {
		b.Reset()
		buffers.Put(b)
	}
}

// acceptEncoding returns what to accept from a host: packing costs more than
// it saves where nothing leaves the machine.
func acceptEncoding(host string) string {
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return "identity"
	}
	return "gzip"
}

// readBody reads an answer to its end, unpacked. A cut connection is an error.
// The caller gives the buffer back.
func readBody(resp *http.Response, limit int64) (*bytes.Buffer, error) {
	var body io.Reader = resp.Body
	switch encoding := resp.Header.Get("Content-Encoding"); {
	case strings.EqualFold(encoding, "gzip"):
		zr := gzipReaders.Get().(*gzip.Reader)
		defer gzipReaders.Put(zr)
		if err := zr.Reset(resp.Body); err != nil {
			return nil, fmt.Errorf("unpack the answer: %w", err)
		}
		body = zr
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return nil, fmt.Errorf("the answer has the content encoding %q, which was not asked for", plainWord(encoding))
	}
	buf := buffers.Get().(*bytes.Buffer)
	if n := resp.ContentLength; n > 0 && n <= limit {
		buf.Grow(int(n) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(body, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("larger than %d bytes", limit)
	}
	if err != nil {
		putBuffer(buf)
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return buf, nil
}

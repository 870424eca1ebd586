package webhook

import (
	"bytes"
	_ "embed"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Payloads are kept compressed (Zstandard, RFC 8878), with a dictionary: an event of Clerk's is
// some three kilobytes, of which most are names of fields. A fifth of that is left, which
// stays in its row, where PostgreSQL's own compression would leave more and put it into
// a table beside. What the inbox writes is what a delivery waits for.

// dictionary is what payloads have in common: an event with every field. Payloads that
// are kept can be read with the very same bytes alone, so it never changes; a better
// one comes beside it, with an id of its own, which each frame names.
//
//go:embed payload.dict
var dictionary []byte

const dictionaryID = 1

// codec packs and unpacks payloads. It is safe for concurrent use.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newCodec() (*codec, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(dictionaryID, dictionary), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxBody))
	if err != nil {
		return nil, fmt.Errorf("prepare the compression of payloads: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderDictRaw(dictionaryID, dictionary), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(2*maxBody))
	if err != nil {
		return nil, fmt.Errorf("prepare the compression of payloads: %w", err)
	}
	return &codec{encoder, decoder}, nil
}

// frame is how a Zstandard frame begins. No JSON does.
var frame = []byte{0x28, 0xb5, 0x2f, 0xfd}

// pack appends a payload to others, as it is kept.
func (c *codec) pack(to, payload []byte) []byte { return c.encoder.EncodeAll(payload, to) }

// unpack returns a payload as it came. What does not begin as pack's frames do was kept
// as it came, by a version before them.
func (c *codec) unpack(kept []byte) ([]byte, error) {
	if !bytes.HasPrefix(kept, frame) {
		return kept, nil
	}
	payload, err := c.decoder.DecodeAll(kept, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack a payload: %w", err)
	}
	return payload, nil
}

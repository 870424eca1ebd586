package webhook

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-sync/rollcall/clerksim"
)

func testCodec(t testing.TB) *codec {
	t.Helper()
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPayloadsComeBackAsTheyCame(t *testing.T) {
	t.Parallel()
	c := testCodec(t)
	noise := make([]byte, maxBody)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	payloads := [][]byte{nil, []byte("{}"), []byte(`{"type":"user.created","data":{"first_name":"Zoë 🦆"}}`), []byte("\x00\xff no JSON"), frame,
		dictionary, noise, []byte(strings.Repeat(" ", maxBody)), c.pack(nil, []byte("{}"))}
	var kept []byte
	var ends []int
	for _, p := range payloads {
		kept = c.pack(kept, p)
		ends = append(ends, len(kept))
	}
	start := 0
	for i, p := range payloads {
		got, err := c.unpack(kept[start:ends[i]])
		if err != nil || !bytes.Equal(got, p) {
			t.Errorf("%.40q came back as %.40q, %v", p, got, err)
		}
		start = ends[i]
	}
}

// firstDictionary is what was kept with the dictionary that has the id 1, and stays readable.
const firstDictionary = "KLUv/QUAAS0BAGh7dXNlcl8xQWRhIn19BwCy5QMFhAwIHi9K84CYksEWEtBvXgHcwCEh"

func TestPayloadsOfEarlierVersionsAreReadable(t *testing.T) {
	t.Parallel()
	c := testCodec(t)
	const want = `{"type":"user.created","object":"event","data":{"id":"user_1","object":"user","first_name":"Ada"}}`
	for name, kept := range map[string]string{
		"as it came":           base64.StdEncoding.EncodeToString([]byte(want)),
		"the first dictionary": firstDictionary,
	} {
		raw, err := base64.StdEncoding.DecodeString(kept)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.unpack(raw); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestGarbageIsAnErrorNotAPayload(t *testing.T) {
	t.Parallel()
	c := testCodec(t)
	good := c.pack(nil, dictionary)
	for name, kept := range map[string][]byte{
		"a frame and no more":   frame,
		"cut":                   good[:len(good)-3],
		"another dictionary":    slices.Concat(good[:6], []byte{dictionaryID + 1}, good[7:]),
		"more than any payload": c.pack(nil, make([]byte, 64<<20)),
	} {
		if got, err := c.unpack(kept); err == nil {
			t.Errorf("%s: %.40q", name, got)
		}
	}
}

func TestPayloadsArePackedAtTheSameTime(t *testing.T) {
	t.Parallel()
	c := testCodec(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if got, err := c.unpack(c.pack(nil, dictionary)); err != nil || !bytes.Equal(got, dictionary) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkPack packs users of the simulator's, who have metadata of a kilobyte that the dictionary does not know.
func BenchmarkPack(b *testing.B) {
	const users = 500
	c := testCodec(b)
	sim := clerksim.New(clerksim.Config{Users: users, Seed: 1})
	var events [][]byte
	for i := range users {
		user, ok := sim.JSON(sim.ID(i))
		if !ok {
			b.Fatal("no such user")
		}
		events = append(events, []byte(`{"data":`+string(user)+`,"object":"event","timestamp":1716883200000,"type":"user.created"}`))
	}
	var raw, packed int
	for i := 0; b.Loop(); i++ {
		raw += len(events[i%users])
		packed += len(c.pack(nil, events[i%users]))
	}
	b.ReportMetric(float64(raw)/float64(b.N), "B/event")
	b.ReportMetric(float64(packed)/float64(b.N), "B/kept")
}

package clerksim

import (
	"fmt"
	"sort"
	"strconv"
)

// Users are generated from the seed and their index, so that a million of them
// cost no memory. They were created between these moments, in milliseconds.
const (
	firstCreated = 1_546_300_800_000 // 2019-01-01
	lastCreated  = 1_782_777_600_000 // 2026-06-30
)

// mix is splitmix64's finalizer: it makes a random-looking number of any other,
// each of exactly one.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

// unmix is mix's inverse.
func unmix(x uint64) uint64 {
	x = (x ^ (x >> 31) ^ (x >> 62)) * 0x319642b2d24d8ec3
	x = (x ^ (x >> 27) ^ (x >> 54)) * 0x96de1b173f119089
	x ^= x>>30 ^ x>>60
	return x - 0x9e3779b97f4a7c15
}

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// base62 writes x in n digits.
func base62(x uint64, n int) string {
	var b [22]byte
	for i := n - 1; i >= 0; i-- {
		b[i] = alphabet[x%62]
		x /= 62
	}
	return string(b[:n])
}

func unbase62(s string) (x uint64, ok bool) {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'A' && c <= 'Z':
			c -= 'A' - 10
		case c >= 'a' && c <= 'z':
			c -= 'a' - 36
		default:
			return 0, false
		}
		x = x*62 + uint64(c)
	}
	return x, true
}

// generator makes users of their indexes.
type generator struct {
	seed     uint64
	n        int
	segments []segment
}

// segment is a stretch of time in which users came at an even pace; a stretch
// of no time is a bulk import.
type segment struct {
	first     int // index
	count     int
	from, dur int64
}

func newGenerator(n int, seed uint64) *generator {
	g := &generator{seed: seed, n: n}
	const stretches = 60
	var weights [stretches]uint64
	var total uint64
	for i := range weights {
		weights[i] = 1 + mix(seed^uint64(i))%100
		total += weights[i]
	}
	burst := 0
	if n >= 20_000 {
		burst = max(600, n/500)
	}
	rest, step, at := n-burst, (int64(lastCreated)-firstCreated)/stretches, int64(firstCreated)
	var before uint64
	index := 0
	for i := range weights {
		from := int(uint64(rest) * before / total)
		before += weights[i]
		count := int(uint64(rest)*before/total) - from
		g.segments = append(g.segments, segment{index, count, at, step})
		index += count
		at += step
		if i == stretches/2 && burst > 0 {
			g.segments = append(g.segments, segment{index, burst, at, 0})
			index += burst
		}
	}
	return g
}

// created is when the user of an index was created; it never decreases.
func (g *generator) created(i int) int64 {
	s := g.segments[sort.Search(len(g.segments), func(k int) bool { return g.segments[k].first > i })-1]
	for s.count == 0 {
		return s.from
	}
	return s.from + int64(i-s.first)*s.dur/int64(s.count)
}

// firstFrom is the first index whose user was created at or after ms.
func (g *generator) firstFrom(ms int64) int {
	return sort.Search(g.n, func(i int) bool { return g.created(i) >= ms })
}

// id is the id of an index, 27 characters after user_ as Clerk's have.
func (g *generator) id(i int) string {
	x := mix(uint64(i) ^ g.seed)
	return "user_" + base62(x, 11) + base62(mix(x^g.seed), 11) + base62(mix(x+1)%916132832, 5)
}

// index is the index of an id; ok is false where no generated user has it.
func (g *generator) index(id string) (i int, ok bool) {
	if len(id) != 32 || id[:5] != "user_" {
		return 0, false
	}
	x, ok := unbase62(id[5:16])
	if !ok {
		return 0, false
	}
	i = int(unmix(x) ^ g.seed)
	return i, i >= 0 && i < g.n && g.id(i) == id
}

var (
	firstNames = []string{"Anna", "Zoë", "José", "Łukasz", "Mei", "陽子", "Олена", "Muhammad", "Fatima", "John", "Siân", "Nguyễn", "O'Shea", "Jean-Luc", "Ada", "İpek"}
	lastNames  = []string{"Smith", "Müller", "García", "Nowak", "Wang", "山田", "Шевченко", "Khan", "O'Neil", "Đặng", "van der Berg", "Sørensen", "Lovelace", "Öztürk", "Silva", "Kim"}
	providers  = []string{"google", "github", "apple", "microsoft"}
)

// privateRest is what this instance's app keeps of everybody, so that users are
// as large as those of real apps: 2 to 3.5 kB.
const privateRest = `,"signup":{"source":"newsletter","campaign":"spring","landing":"/pricing","referrer":"https://www.example.com/blog/why-we-moved?utm_source=newsletter&utm_medium=email&utm_campaign=spring"},` +
	`"consents":{"terms":"2024-05-01","privacy":"2024-05-01","marketing":false,"analytics":true},` +
	`"onboarding":{"completed":true,"steps":["profile","workspace","invite","billing"],"workspace_size":"11-50","role":"engineering"}}`

// person makes the user of an index.
func (g *generator) person(i int) *person {
	r := mix(uint64(i)*2654435761 + g.seed)
	next := func(n uint64) uint64 { r = mix(r); return r % n }
	p := &person{id: g.id(i), created: g.created(i), order: i}
	p.updated = p.created + int64(next(86_400_000*200))
	if p.updated > lastCreated+86_400_000*30 {
		p.updated = lastCreated + int64(next(86_400_000*30))
	}
	if next(10) > 0 {
		p.lastSignIn = p.updated
		p.lastActive = p.updated / 86_400_000 * 86_400_000
	}
	number := strconv.Itoa(i)
	if next(20) > 0 {
		first, last := firstNames[next(uint64(len(firstNames)))], lastNames[next(uint64(len(lastNames)))]
		p.first = &first
		if next(12) > 0 {
			p.last = &last
		}
	}
	switch kind := next(100); {
	case kind < 4:
		p.phones = []string{fmt.Sprintf("+1555%07d", i%10_000_000)}
		p.primaryPhone = 0
	case kind < 7:
		name := "user" + number
		p.username = &name
	case kind < 9:
		p.wallets = []string{fmt.Sprintf("0x%040x", mix(uint64(i)))}
	default:
		p.emails = []string{g.email(i)}
		if kind < 20 {
			p.emails = []string{"other." + g.email(i), g.email(i)}
			p.primaryEmail = 1
		}
		p.danglingEmail = kind == 20
		if kind > 60 {
			name := "user" + number
			p.username = &name
		}
	}
	p.verified = next(15) > 0
	p.public = []string{`{}`, `{"plan":"free"}`, `{"plan":"pro","onboarded":true,"seats":12}`, `{"plan":"team","limits":{"projects":50,"storage_gb":12.5},"tags":["a","ü"]}`}[next(4)]
	customer := "null"
	if next(3) == 0 {
		customer = `"cus_` + number + `"`
	}
	p.private, p.unsafe = `{"stripe_customer_id":`+customer+privateRest, `{}`
	if next(4) == 0 {
		p.unsafe = `{"theme":"dark","lang":"de"}`
	}
	p.provider = providers[next(4)]
	p.external = next(2) == 0
	p.banned, p.locked = next(200) == 0, next(300) == 0
	return p
}

func (g *generator) email(i int) string { return "user" + strconv.Itoa(i) + "@example.com" }

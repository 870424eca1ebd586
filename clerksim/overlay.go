package clerksim

import (
	"cmp"
	"errors"
	"slices"
	"sync"
)

// overlay holds what the API changed on top of the generated users.
type overlay struct {
	deleted map[int]bool       // generated users
	patched map[int]*person    // generated users
	created map[string]*person // others
	ordered []*person          // created, by (created, order)
	serial  int
	removed map[string]bool // ids that were deleted

	byUpdated sync.Mutex
	sorted    []uint32 // generated users by updated, newest first
}

func newOverlay() overlay {
	return overlay{deleted: map[int]bool{}, patched: map[int]*person{}, created: map[string]*person{}, removed: map[string]bool{}}
}

// NewUser is what a user is created with. Its fields have the API's names.
type NewUser struct {
	ID              string   `json:"-"` // "" makes one
	EmailAddress    []string `json:"email_address"`
	PhoneNumber     []string `json:"phone_number"`
	Web3Wallet      []string `json:"web3_wallet"`
	Username        *string  `json:"username"`
	FirstName       *string  `json:"first_name"`
	LastName        *string  `json:"last_name"`
	ExternalID      *string  `json:"external_id"`
	PublicMetadata  rawJSON  `json:"public_metadata"`
	PrivateMetadata rawJSON  `json:"private_metadata"`
	UnsafeMetadata  rawJSON  `json:"unsafe_metadata"`
	// CreatedAt is in RFC 3339, for users imported from elsewhere; "" is now.
	CreatedAt string `json:"created_at"`
}

// Patch is a change of a user; nil leaves a field as it is.
type Patch struct {
	EmailAddress    []string `json:"email_address"` // replaces all; the first is primary. Clerk has endpoints of their own for this
	Username        *string  `json:"username"`
	FirstName       *string  `json:"first_name"`
	LastName        *string  `json:"last_name"`
	ExternalID      *string  `json:"external_id"`
	PublicMetadata  rawJSON  `json:"public_metadata"`
	PrivateMetadata rawJSON  `json:"private_metadata"`
	UnsafeMetadata  rawJSON  `json:"unsafe_metadata"`
}

type rawJSON []byte

// UnmarshalJSON keeps the text.
func (r *rawJSON) UnmarshalJSON(b []byte) error {
	*r = slices.Clone(b)
	return nil
}

// ErrNotFound is returned for an id that no user has.
var ErrNotFound = errors.New("clerksim: no such user")

// Create adds a user and returns its id.
func (s *Sim) Create(n NewUser) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over.serial++
	now := s.cfg.Now().UnixMilli()
	p := &person{id: n.ID, order: s.over.serial, created: now, updated: now, lastActive: now / 86_400_000 * 86_400_000,
		username: n.Username, first: n.FirstName, last: n.LastName, externalID: n.ExternalID,
		emails: n.EmailAddress, phones: n.PhoneNumber, wallets: n.Web3Wallet, verified: true,
		public: object(n.PublicMetadata), private: object(n.PrivateMetadata), unsafe: object(n.UnsafeMetadata), provider: "google"}
	if p.id == "" {
		x := mix(s.cfg.Seed ^ uint64(s.over.serial)<<32 ^ 0xc0ffee)
		p.id = "user_" + base62(mix(x+2), 11) + base62(x, 11) + base62(mix(x)%916132832, 5)
	}
	if at, ok := parseCreatedAt(n.CreatedAt); ok {
		p.created, p.updated = at, at
	}
	s.over.created[p.id] = p
	i, _ := slices.BinarySearchFunc(s.over.ordered, p, comparePeople)
	s.over.ordered = slices.Insert(s.over.ordered, i, p)
	s.happened("user.created", p.id, p.append(nil, false))
	return p.id
}

func comparePeople(a, b *person) int {
	return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.order, b.order))
}

func object(r rawJSON) string {
	if len(r) == 0 || string(r) == "null" {
		return "{}"
	}
	return string(r)
}

// Update changes a user.
func (s *Sim) Update(id string, c Patch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.find(id)
	if old == nil {
		return ErrNotFound
	}
	p := *old
	set := func(field **string, to *string) {
		if to != nil {
			*field = to
			if *to == "" {
				*field = nil
			}
		}
	}
	set(&p.username, c.Username)
	set(&p.first, c.FirstName)
	set(&p.last, c.LastName)
	set(&p.externalID, c.ExternalID)
	for field, to := range map[*string]rawJSON{&p.public: c.PublicMetadata, &p.private: c.PrivateMetadata, &p.unsafe: c.UnsafeMetadata} {
		if len(to) > 0 {
			*field = object(to)
		}
	}
	if c.EmailAddress != nil {
		p.emails, p.primaryEmail, p.danglingEmail = c.EmailAddress, 0, false
	}
	p.updated = max(s.cfg.Now().UnixMilli(), p.updated+1)
	s.happened("user.updated", p.id, p.append(nil, false))
	if i, ok := s.gen.index(id); ok {
		s.over.patched[i] = &p
		return nil
	}
	i := slices.Index(s.over.ordered, old)
	s.over.ordered[i] = &p
	s.over.created[id] = &p
	return nil
}

// Delete removes a user.
func (s *Sim) Delete(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(id)
	if p == nil {
		return ErrNotFound
	}
	s.over.removed[id] = true
	gone := append([]byte(`{"deleted":true,"external_id":`), appendNullable(nil, p.externalID)...)
	s.happened("user.deleted", id, append(appendString(append(gone, `,"id":`...), id), `,"object":"user"}`...))
	if i, ok := s.gen.index(id); ok {
		s.over.deleted[i] = true
		return nil
	}
	delete(s.over.created, id)
	s.over.ordered = slices.DeleteFunc(s.over.ordered, func(o *person) bool { return o.id == id })
	return nil
}

// find returns a user as it is now, nil where there is none. Callers hold mu.
func (s *Sim) find(id string) *person {
	if p := s.over.created[id]; p != nil {
		return p
	}
	i, ok := s.gen.index(id)
	if !ok || s.over.deleted[i] {
		return nil
	}
	return s.generated(i)
}

// generated is the user of an index, changes included.
func (s *Sim) generated(i int) *person {
	if p := s.over.patched[i]; p != nil {
		return p
	}
	return s.gen.person(i)
}

// ID is the id of the generated user of this index, oldest first.
func (s *Sim) ID(i int) string { return s.gen.id(i) }

// Count is how many users there are.
func (s *Sim) Count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.gen.n - len(s.over.deleted) + len(s.over.created)
}

// JSON is a user as the API sends it.
func (s *Sim) JSON(id string) ([]byte, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.find(id)
	if p == nil {
		return nil, false
	}
	return p.append(nil, false), true
}

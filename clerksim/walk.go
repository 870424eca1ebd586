package clerksim

import (
	"cmp"
	"slices"
	"sort"
)

// position is a place in the order of creation: generated users come before
// created ones of the same millisecond.
type position struct {
	created int64
	made    bool // by the API
	order   int
}

func (a position) compare(b position) int {
	return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(btoi(a.made), btoi(b.made)), cmp.Compare(a.order, b.order))
}

// cursor finds the place of starting_after, of a deleted user too where Clerk remembers it.
func (s *Sim) cursor(id string) (position, error) {
	if s.over.removed[id] && s.cfg.Faults.ForgetDeletedCursor {
		return position{}, errCursor
	}
	if i, ok := s.gen.index(id); ok {
		return position{s.gen.created(i), false, i}, nil
	}
	if p := s.over.created[id]; p != nil {
		return position{p.created, true, p.order}, nil
	}
	return position{}, errCursor
}

// walkCreated merges generated and created users in the order of creation.
func (s *Sim) walkCreated(q *query, visit func(*person) bool) error {
	lo, hi := s.gen.firstFrom(q.from), s.gen.firstFrom(q.to)
	made := s.over.ordered
	first := sort.Search(len(made), func(i int) bool { return made[i].created >= q.from })
	last := sort.Search(len(made), func(i int) bool { return made[i].created >= q.to })
	made = made[first:max(first, last)]
	down := q.order[0] == '-'
	if q.after != "" && !s.cfg.Faults.IgnoreStartingAfter {
		at, err := s.cursor(q.after)
		if err != nil {
			return err
		}
		cutG := sort.Search(s.gen.n, func(i int) bool { return position{s.gen.created(i), false, i}.compare(at) >= 0 })
		cutM := sort.Search(len(made), func(i int) bool { return position{made[i].created, true, made[i].order}.compare(at) >= 0 })
		if down {
			hi, made = min(hi, cutG), made[:cutM]
		} else {
			if !at.made {
				cutG++
			} else if cutM < len(made) && made[cutM].order == at.order {
				cutM++
			}
			lo, made = max(lo, cutG), made[cutM:]
		}
	}
	made = slices.Clone(made)
	for lo < hi || len(made) > 0 {
		var p *person
		switch i := len(made) - 1; {
		case down && lo < hi && (i < 0 || made[i].created < s.gen.created(hi-1)):
			hi--
			if s.over.deleted[hi] {
				continue
			}
			p = s.generated(hi)
		case down:
			p, made = made[i], made[:i]
		case lo < hi && (len(made) == 0 || made[0].created >= s.gen.created(lo)):
			lo++
			if s.over.deleted[lo-1] {
				continue
			}
			p = s.generated(lo - 1)
		default:
			p, made = made[0], made[1:]
		}
		if q.keeps(p) && !visit(p) {
			return nil
		}
	}
	return nil
}

// walkUpdated visits the last changed first: changed and created users, merged
// with an index of the generated ones that is made once.
func (s *Sim) walkUpdated(q *query, visit func(*person) bool) error {
	s.over.byUpdated.Lock()
	if s.over.sorted == nil {
		updated := make([]int64, s.gen.n)
		sorted := make([]uint32, s.gen.n)
		for i := range sorted {
			sorted[i], updated[i] = uint32(i), s.gen.person(i).updated
		}
		slices.SortFunc(sorted, func(a, b uint32) int { return cmp.Or(cmp.Compare(updated[b], updated[a]), cmp.Compare(b, a)) })
		s.over.sorted = sorted
	}
	sorted := s.over.sorted
	s.over.byUpdated.Unlock()
	fresh := slices.Clone(s.over.ordered)
	for i, p := range s.over.patched {
		if !s.over.deleted[i] {
			fresh = append(fresh, p)
		}
	}
	slices.SortFunc(fresh, func(a, b *person) int { return cmp.Or(cmp.Compare(b.updated, a.updated), comparePeople(b, a)) })
	for len(sorted) > 0 || len(fresh) > 0 {
		var p *person
		if len(sorted) > 0 {
			i := int(sorted[0])
			if s.over.deleted[i] || s.over.patched[i] != nil {
				sorted = sorted[1:]
				continue
			}
			p = s.gen.person(i)
		}
		if p == nil || len(fresh) > 0 && fresh[0].updated >= p.updated {
			p, fresh = fresh[0], fresh[1:]
		} else {
			sorted = sorted[1:]
		}
		if q.keeps(p) && !visit(p) {
			return nil
		}
	}
	return nil
}

// count counts the users that pass.
func (s *Sim) count(q *query) (n int) {
	if q.plain() {
		lo, hi := s.gen.firstFrom(q.from), s.gen.firstFrom(q.to)
		n = hi - lo
		for i := range s.over.deleted {
			n -= btoi(i >= lo && i < hi)
		}
		for _, p := range s.over.ordered {
			n += btoi(p.created >= q.from && p.created < q.to)
		}
		return n
	}
	_ = s.walk(q, func(*person) bool { n++; return true }) // a count has no cursor
	return n
}

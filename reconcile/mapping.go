package reconcile

import "slices"

// Mapping says which column of the users table holds which attribute. It comes
// from the configuration and is not changed after it was made.
type Mapping struct {
	// Key is the column that holds Clerk's user id.
	Key string
	// Columns are written on insert and compared on every run; the key is not among them.
	Columns []Column
	// OnInsert are written for new rows only and never compared: the application owns them.
	OnInsert []InsertColumn
	// DeletedAt is the soft-delete column, or "".
	DeletedAt string
}

// Column is a mapped column.
type Column struct {
	Name string
	Expr Expr
	// Truncate cuts a text that is longer than the column.
	Truncate bool
}

// Expr yields a column's value: the first attribute that is not null, else the default.
type Expr struct {
	From    []Attribute
	Default Value
}

// InsertColumn is a column that only new rows get a value for: a generated
// one, or else that of Expr, which for a constant has no attributes.
type InsertColumn struct {
	Name string
	// Generate is one of [Generators], or "".
	Generate string
	Expr     Expr
	Truncate bool
}

// Generators are the values that InsertColumn.Generate takes.
var Generators = []string{"uuid", "uuidv7", "cuid", "cuid2", "ulid", "nanoid", "now"}

// Attributes returns the attributes that the mapping reads, each once and
// without the id, which every User has. User.Values is in this order.
func (m Mapping) Attributes() []Attribute {
	var all []Attribute
	add := func(e Expr) {
		for _, a := range e.From {
			if a != AttributeID && !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	for _, c := range m.Columns {
		add(c.Expr)
	}
	for _, c := range m.OnInsert {
		add(c.Expr)
	}
	return all
}

// Volatile reports whether a difference in this column alone is no finding:
// every attribute that it is filled from changes without the profile changing.
func (c Column) Volatile() bool {
	for _, a := range c.Expr.From {
		if !a.Volatile() {
			return false
		}
	}
	return len(c.Expr.From) > 0
}

func (e compiledExpr) eval(u *User) Value {
	for _, i := range e.from {
		switch {
		case i == idIndex:
			return TextValue(u.ID)
		case !u.Values[i].IsNull():
			return u.Values[i]
		}
	}
	return e.fallback
}

// idIndex stands for the user's id, which is not among User.Values.
const idIndex = -1

type compiledExpr struct {
	from     []int
	fallback Value
}

// Evaluator computes column values of users. It is safe for concurrent use.
type Evaluator struct {
	columns  []compiledExpr
	onInsert []compiledExpr
}

// NewEvaluator compiles m for users whose Values follow m.Attributes().
func NewEvaluator(m Mapping) *Evaluator {
	attributes := m.Attributes()
	compile := func(e Expr) compiledExpr {
		c := compiledExpr{fallback: e.Default}
		for _, a := range e.From {
			if a == AttributeID {
				c.from = append(c.from, idIndex)
				continue
			}
			c.from = append(c.from, slices.Index(attributes, a))
		}
		return c
	}
	ev := &Evaluator{}
	for _, c := range m.Columns {
		ev.columns = append(ev.columns, compile(c.Expr))
	}
	for _, c := range m.OnInsert {
		ev.onInsert = append(ev.onInsert, compile(c.Expr))
	}
	return ev
}

// Column returns the value of Mapping.Columns[i] for u.
func (ev *Evaluator) Column(i int, u *User) Value { return ev.columns[i].eval(u) }

// OnInsert returns the value of Mapping.OnInsert[i] for u. It means nothing
// where that column is generated.
func (ev *Evaluator) OnInsert(i int, u *User) Value { return ev.onInsert[i].eval(u) }

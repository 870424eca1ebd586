package db

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lucsky/cuid"
	gonanoid "github.com/matoous/go-nanoid/v2"
	"github.com/nrednav/cuid2"
	"github.com/oklog/ulid/v2"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// generate makes one value of a generator named in reconcile.Generators.
func generate(generator string, now time.Time) (reconcile.Value, error) {
	switch generator {
	case "uuid":
		id, err := uuid.NewRandom()
		return reconcile.TextValue(id.String()), err
	case "uuidv7":
		id, err := uuid.NewV7()
		return reconcile.TextValue(id.String()), err
	case "cuid":
		return reconcile.TextValue(cuid.New()), nil
	case "cuid2":
		return reconcile.TextValue(cuid2.Generate()), nil
	case "ulid":
		return reconcile.TextValue(ulid.Make().String()), nil
	case "nanoid":
		id, err := gonanoid.New()
		return reconcile.TextValue(id), err
	case "now":
		return reconcile.TimeValue(now.UnixMilli()), nil
	default:
		return reconcile.Value{}, fmt.Errorf("unknown generator %q", generator)
	}
}

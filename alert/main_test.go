package alert_test

import (
	"os"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

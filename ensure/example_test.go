package ensure_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/clerk/clerk-sdk-go/v2"
	clerkhttp "github.com/clerk/clerk-sdk-go/v2/http"
	"github.com/clerk/clerk-sdk-go/v2/jwks"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/ensure"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// An application opens its own database and Clerk, and puts the middleware behind
// clerk-sdk-go's. Here the database is a SQLite file and Clerk is simulated.
func ExampleNew() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "ensure")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sim := clerksim.New(clerksim.Config{})
	api, stop, err := sim.Start()
	if err != nil {
		panic(err)
	}
	defer stop()

	// The table: as the configuration of Rollcall has it.
	conn, err := db.Open(ctx, db.Config{URL: "sqlite://" + filepath.Join(dir, "app.db"), MaxConnections: 2})
	if err != nil {
		panic(err)
	}
	defer func() { _ = conn.Close() }()
	if err := db.CreateDefaultTable(ctx, conn); err != nil { // yours is there already
		panic(err)
	}
	// Rollcall's own tables, which pause, tombstones and the journal are in: those of the
	// Rollcall that makes the runs. The name is its database.table, in the same spelling.
	if _, err := db.Migrate(ctx, conn); err != nil {
		panic(err)
	}
	state := db.NewState(conn, "users")
	email, err := reconcile.ParseAttribute("primary_email_address")
	if err != nil {
		panic(err)
	}
	table, err := db.OpenTable(ctx, conn, db.TableConfig{Name: "users", State: state, Mapping: reconcile.Mapping{
		Key:     "clerk_id",
		Columns: []reconcile.Column{{Name: "email", Expr: reconcile.Expr{From: []reconcile.Attribute{email}}}},
	}})
	if err != nil {
		panic(err)
	}

	// Clerk, and what puts the two together.
	client, err := clerkclient.New(clerkclient.Config{SecretKey: "sk_test_example", BaseURL: api, Attributes: table.Mapping().Attributes()})
	if err != nil {
		panic(err)
	}
	defer client.Close()
	engine := &reconcile.Engine{Source: client, Table: table, State: state, Policy: reconcile.DefaultPolicy(), Guard: reconcile.DefaultGuard()}
	defer engine.Close()
	ensurer, err := ensure.New(ensure.Config{Rows: table, Healer: engine})
	if err != nil {
		panic(err)
	}
	defer ensurer.Wait()

	// The application: its handler finds the row.
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := clerk.SessionClaimsFromContext(r.Context())
		fmt.Fprint(w, "there is a row: ", ensurer.Known(claims.Subject))
	})
	keys := jwks.NewClient(&clerk.ClientConfig{BackendConfig: clerk.BackendConfig{Key: clerk.String("sk_test_example"), URL: &api}})
	session := clerkhttp.RequireHeaderAuthorization(clerkhttp.JWKSClient(keys))
	row := ensurer.Middleware(ensure.MiddlewareConfig{Refuse: true, Help: "Write to support@example.com if it lasts."})
	handler := session(row(app))

	// Somebody signs up, and comes before the webhook does.
	user := sim.Create(clerksim.NewUser{EmailAddress: []string{"ada@example.com"}})
	token, _ := sim.SessionToken(clerksim.Session{UserID: user})
	request := httptest.NewRequest(http.MethodGet, "/dashboard", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, request)
	fmt.Println(response.Code, response.Body)

	// What Rollcall knows holds here too: nobody gets a row while it is paused.
	if err := state.Pause(ctx, "moving", "an operator"); err != nil {
		panic(err)
	}
	other := sim.Create(clerksim.NewUser{EmailAddress: []string{"bob@example.com"}})
	_, err = ensurer.Ensure(ctx, other)
	fmt.Println(errors.Is(err, ensure.ErrPaused))
	// Output:
	// 200 there is a row: true
	// true
}

package ensure_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/ensure"
)

// An application that does not hold the secret key asks a Rollcall. The middleware
// passes the user's own session token on.
func ExampleRemote() {
	// Yours is at server.public; this one says that it has made a row.
	rollcall := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"created","created":true,"user_id":"user_2abc","key":{"column":"clerk_id","value":"user_2abc"}}`)
	}))
	defer rollcall.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()

	ensurer, err := ensure.Remote(rollcall.URL, ensure.RemoteConfig{Client: &http.Client{Transport: transport}}) // the client may be left out
	if err != nil {
		panic(err)
	}
	token, _ := clerksim.New(clerksim.Config{}).SessionToken(clerksim.Session{UserID: "user_2abc"})
	handler := ensurer.Middleware(ensure.MiddlewareConfig{
		UserID: func(*http.Request) string { return "user_2abc" }, // left out behind clerk-sdk-go's own middleware
	})(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "welcome") }))

	request := httptest.NewRequest(http.MethodGet, "/dashboard", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, request)
	fmt.Println(response.Body, ensurer.Known("user_2abc"))
	// Output: welcome true
}

// Code that is no http.Handler, such as a job or a gRPC interceptor, asks by itself.
func ExampleEnsurer_Ensure() {
	w := &world{rows: map[string]bool{"user_2abc": true}} // your table and your engine
	ensurer, err := ensure.New(ensure.Config{Rows: w, Healer: w})
	if err != nil {
		panic(err)
	}
	_, err = ensurer.Ensure(context.Background(), "user_2abc")
	fmt.Println(err)
	_, err = ensurer.Ensure(context.Background(), "org_2abc")
	fmt.Println(err, ensure.Code(err))
	// Output:
	// <nil>
	// ensure user org_2abc: not a Clerk user id (user_...) invalid_token
}

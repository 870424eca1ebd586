package server

import (
	_ "embed"
	"net/http"
)

// Spec is the description of the admin API, OpenAPI 3 in YAML.
//
//go:embed openapi.yaml
var Spec []byte

func serveSpec(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(Spec) // the client may be gone
}
